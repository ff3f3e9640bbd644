// Attention of rows of more than one token, for every card: docs/kernels/attention.md. Hopper has hopper/prefill_attention.cu.
#include "kernels/attention.cuh"

namespace tokenyard::kernels {
namespace {

// A unit is half an item of one K/V head: up to 64 rows, 16 a warp, that go through the tiles of their context together.

constexpr int kPrefillStages = 2;
constexpr int kUnits = 2;  // of an item
constexpr int kUnitRows = kPrefillRows / kUnits;
constexpr int kWarpRows = kUnitRows / kAttentionWarps;
static_assert(kWarpRows == 16, "the rows of a product");

template <int D, bool kFp8>
struct PrefillShared {
  alignas(kTileAlignment) unsigned char tile[kPrefillStages][2][kTileBytes<kStored<D, kFp8>>];
  std::uint64_t barrier[kPrefillStages][2];  // a tile of K or V has come
  std::uint64_t empty[kPrefillStages];       // all warps are done with a stage
  int unit;
  // The merged chunks of each thread's rows, which it alone uses.
  float o[D / 8][4][kAttentionThreads];
};

static_assert(sizeof(PrefillShared<128, false>) <= kLeastShared);

// A thread's two rows of its warp's 16, row lane / 4 and the one 8 behind. Rows that do not exist have no query and see what
// the last one sees.
template <int D>
struct PrefillRows {
  std::uint32_t q[D / 16][4];  // as `a` of multiply_add
  int context[2];              // tokens a row sees
  Bf16* out[2];                // null: there is no such row
  int least, most;             // what the warp's first and last row see

  __device__ __forceinline__ PrefillRows(const AttentionParameters& p, const PrefillItem& item, int head, int first_row) {
    const int lane = lane_of_thread();
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const int r = first_row + h * 8 + lane / 4;
      const int token = min(r / p.group, item.count - 1);
      const bool exists = r / p.group < item.count;
      const std::int64_t at =
          ((static_cast<std::int64_t>(item.token + token) * p.kv_heads + head) * p.group + r % p.group) * D + lane % 4 * 2;
      context[h] = item.first + token + 1;
      out[h] = exists ? p.out + at : nullptr;
#pragma unroll
      for (int k = 0; k < D / 16; ++k) {
        q[k][h] = exists ? *reinterpret_cast<const std::uint32_t*>(p.q + at + k * 16) : 0;
        q[k][2 + h] = exists ? *reinterpret_cast<const std::uint32_t*>(p.q + at + k * 16 + 8) : 0;
      }
    }
    least = item.first + min(first_row / p.group, item.count - 1) + 1;
    most = item.first + min((first_row + kWarpRows - 1) / p.group, item.count - 1) + 1;
  }
};

// What a thread's two rows have of the chunks that are done: m and l in registers, o in shared memory.
template <int D>
struct PrefillTotal {
  float m[2] = {kNone, kNone};
  float l[2] = {0, 0};
  float (&o)[D / 8][4][kAttentionThreads];  // [..][..][thread]
  int thread;

  __device__ __forceinline__ PrefillTotal(float (&memory)[D / 8][4][kAttentionThreads], int the_thread)
      : o(memory), thread(the_thread) {
#pragma unroll
    for (int d = 0; d < D / 8; ++d) {
#pragma unroll
      for (int e = 0; e < 4; ++e) o[d][e][thread] = 0;
    }
  }
  __device__ __forceinline__ void append(const Softmax<D, 2>& chunk) {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const Scales scales = scales_of(m[h], chunk.m[h]);
      l[h] = merge(l[h], chunk.l[h], scales);
#pragma unroll
      for (int d = 0; d < D / 8; ++d) {
#pragma unroll
        for (int e = 2 * h; e < 2 * h + 2; ++e) o[d][e][thread] = merge(o[d][e][thread], chunk.o[d][e], scales);
      }
    }
  }
  __device__ __forceinline__ void store(Bf16* const (&out)[2]) const {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      if (out[h] == nullptr) continue;
#pragma unroll
      for (int d = 0; d < D / 8; ++d) {
        *reinterpret_cast<std::uint32_t*>(out[h] + d * 8) =
            pack(__fdividef(o[d][2 * h][thread], l[h]), __fdividef(o[d][2 * h + 1][thread], l[h]));
      }
    }
  }
};

template <int D, bool kFp8>
__global__ __launch_bounds__(kAttentionThreads, 2) void prefill_kernel(const __grid_constant__ AttentionParameters p,
                                                                       const __grid_constant__ CUtensorMap map) {
  extern __shared__ __align__(kTileAlignment) unsigned char memory[];
  PrefillShared<D, kFp8>& shared = *reinterpret_cast<PrefillShared<D, kFp8>*>(memory);
  const auto thread = static_cast<int>(threadIdx.x);
  const int warp = thread / 32;
  const int lane = thread % 32;
  const Stages<kStored<D, kFp8>> stages{shared_address(shared.tile), shared_address(shared.barrier)};
  const std::uint32_t empties = shared_address(shared.empty);
  const auto empty_at = [&](int stage) { return empties + static_cast<std::uint32_t>(stage) * kBarrierBytes; };

  let_successor_start();
  if (thread == 0) {
    stages.init_barriers(kPrefillStages);
    for (int i = 0; i < kPrefillStages; ++i) barrier_init(empty_at(i), kAttentionWarps);
    barrier_init_fence();
  }
  __syncthreads();
  const int total = p.step.work.counts->prefill * kUnits * p.kv_heads;
  wait_for_predecessor();

  // Tiles are numbered through all units; number n uses stage n % 2 for the (n / 2)th time.
  const auto parity_of = [](int n) { return static_cast<std::uint32_t>(n / kPrefillStages % 2); };
  int begin = 0;  // the unit's first
  for (auto unit = static_cast<int>(blockIdx.x); unit < total;) {
    const int head = unit % p.kv_heads;
    const PrefillItem item = p.step.work.prefill[unit / p.kv_heads / kUnits];
    // Later tokens first: they see more.
    const int first_row = (kUnits - 1 - unit / p.kv_heads % kUnits) * kUnitRows;
    const bool exists = first_row < item.count * p.group;
    const int end = exists ? item.first + min(item.count, (first_row + kUnitRows - 1) / p.group + 1) : 0;
    const int num_tiles = (end + kTile - 1) / kTile;
    const auto tokens_of = [&](int tile) { return max(0, min(kTile, end - tile * kTile)); };
    // Warp 0 copies, a tile ahead of the slowest warp.
    const auto granule_of = [&](int tile) {
      return kFp8 || warp == 0 ? locate(p, item.table, tile * kTile, tokens_of(tile)) : Granule{};
    };
    const auto copy = [&](int tile, const Granule& granule) {
      if (warp != 0 || tile >= num_tiles) return;
      const int n = begin + tile;
      const int stage = n % kPrefillStages;
      if (n >= kPrefillStages) barrier_wait(empty_at(stage), parity_of(n - kPrefillStages));
      for (int which = 0; which < 2; ++which) {
        copy_tile<kStored<D, kFp8>, false>(p, &map, stages.tile(stage, which), stages.barrier(stage, which), which, granule,
                                           head, tokens_of(tile));
      }
    };
    const Granule granule = granule_of(0);
    copy(0, granule);
    const auto scales_of_tile = [&](int tile, const Granule& located) {
      return kFp8 ? load_scales(p, located, head, tokens_of(tile)) : 0;
    };
    std::uint32_t scales = scales_of_tile(0, granule);
    Granule next = granule_of(1);

    const PrefillRows<D> rows(p, item, head, first_row + warp * kWarpRows);
    Softmax<D, 2> state;  // of the chunk
    state.clear();
    PrefillTotal<D> done(shared.o, thread);
    for (int i = 0; i < num_tiles; ++i) {
      const int stage = (begin + i) % kPrefillStages;
      const std::uint32_t parity = parity_of(begin + i);
      const int t = i * kTile;
      copy(i + 1, next);
      const std::uint32_t next_scales = scales_of_tile(i + 1, next);
      next = granule_of(i + 2);
      barrier_wait(stages.barrier(stage, kKeys), parity);
      if (!kFp8 && tokens_of(i) < kTile) {
        barrier_wait(stages.barrier(stage, kValues), parity);
        __syncthreads();
        clear_rest<D>(stages.tile(stage, kValues), tokens_of(i), thread, kAttentionThreads);
        __syncthreads();
      }
      if (t < rows.most) {
        const int limit[2] = {rows.context[0] - t, rows.context[1] - t};
        attend_tile<D, 2>(
            state, rows.q, tiles_at<D, kFp8>(stages.tile(stage, kKeys), stages.tile(stage, kValues), scales), limit,
            rows.least - t < kTile, p.scale, [] {}, [&] { barrier_wait(stages.barrier(stage, kValues), parity); });
        if ((t + kTile) % kAttentionChunk == 0 || t + kTile >= rows.most) {  // the chunk is done
          done.append(state);
          state.clear();
        }
      } else {
        barrier_wait(stages.barrier(stage, kValues), parity);
      }
      __syncwarp();
      if (lane == 0) barrier_arrive(empty_at(stage));
      scales = next_scales;
    }
    done.store(rows.out);
    begin += num_tiles;
    if (thread == 0) shared.unit = draw(p.step.tickets + 1, static_cast<int>(gridDim.x), total);
    __syncthreads();
    unit = shared.unit;
    __syncthreads();
  }
}

}  // namespace

template <int D, bool kFp8>
void launch_prefill(const AttentionParameters& p, const CUtensorMap& map, Stream stream) {
  allow_all_shared_memory<prefill_kernel<D, kFp8>>();
  launch("prefill attention", prefill_kernel<D, kFp8>, dim3(2 * static_cast<unsigned>(card().multiprocessors)),
         dim3(kAttentionThreads), sizeof(PrefillShared<D, kFp8>), stream, p, map);
}

template void launch_prefill<64, false>(const AttentionParameters&, const CUtensorMap&, Stream);
template void launch_prefill<64, true>(const AttentionParameters&, const CUtensorMap&, Stream);
template void launch_prefill<128, false>(const AttentionParameters&, const CUtensorMap&, Stream);
template void launch_prefill<128, true>(const AttentionParameters&, const CUtensorMap&, Stream);

}  // namespace tokenyard::kernels
