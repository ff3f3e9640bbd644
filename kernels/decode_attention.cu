// Attention of rows of one token: docs/kernels/attention.md.
#include "kernels/attention.cuh"

namespace tokenyard::kernels {
namespace {

// A unit is an item of one K/V head. With much work a warp takes a unit; with little, the warps of a block are a team and share
// one, whose tiles they take by turns.

// The tiles' parts of a team's unit.
template <int D>
struct TeamParts {
  float o[kChunkTiles][kMaxGroup][D];
  float m[kChunkTiles][kMaxGroup];
  float l[kChunkTiles][kMaxGroup];
};

// Warps of a block, at most: of fp8 more, which takes half the room and more work.
template <bool kFp8>
inline constexpr int kDecodeWarps = kFp8 ? 8 : 6;
// Those that have the card to themselves, and those whose tiles have room on every card.
template <bool kFp8>
inline constexpr int kWarpsAlone = kFp8 ? 8 : 4;
template <bool kFp8>
inline constexpr int kLeastWarps = kFp8 ? 4 : 2;

// A block's shared memory: a ring of tiles for each of its warps, then this.
template <int D, bool kFp8>
struct DecodeShared {
  static constexpr int kStages = (kFp8 ? 64 : 128) / kStored<D, kFp8>;
  struct alignas(kTileAlignment) Ring {  // 32 KiB; in fp8 16
    unsigned char tile[kStages][2][kTileBytes<kStored<D, kFp8>>];
  };
  std::uint64_t barrier[kDecodeWarps<kFp8>][kStages][2];
  TeamParts<D> team[2];  // by turns, so that one barrier a unit is enough

  static constexpr int bytes(int warps) {
    return warps * static_cast<int>(sizeof(Ring)) + static_cast<int>(sizeof(DecodeShared));
  }
};
static_assert(DecodeShared<128, false>::bytes(kLeastWarps<false>) <= kLeastShared);
static_assert(DecodeShared<128, true>::bytes(kLeastWarps<true>) <= kLeastShared);

// A tile that a warp computes.
struct DecodeTile {
  int unit;  // -1: none left
  int head;  // of K and V
  int t;     // its first position
  Granule granule;
  std::uint32_t scales;  // of fp8, once it is copied
  DecodeItem item;

  // Of the item in the tile. None: a team's unit is not a whole chunk.
  __device__ __forceinline__ int tokens() const { return max(0, min(kTile, item.end - t)); }
};

// Which tiles a warp computes, one after another.
struct DecodeQueue {
  const AttentionParameters& p;
  int warp;
  int warps;  // of the block
  int lane;
  int blocks;
  int total;  // units
  bool team;

  __device__ __forceinline__ DecodeTile first() const {
    // Warps of one block begin with heads of the same block of K/V, which lie side by side; when there are fewer units than
    // warps, all multiprocessors take part instead.
    const auto block = static_cast<int>(blockIdx.x);
    return fetch(team ? block : total < blocks * warps ? warp * blocks + block : block * warps + warp);
  }
  __device__ __forceinline__ DecodeTile after(DecodeTile tile) const {
    if (tile.unit < 0) return tile;
    tile.t += team ? warps * kTile : kTile;
    const int end = team ? tile.item.begin + kAttentionChunk : tile.item.end;
    return tile.t < end ? located(tile) : fetch(next_unit(tile.unit));
  }

 private:
  __device__ __forceinline__ DecodeTile located(DecodeTile tile) const {
    tile.granule = locate(p, tile.item.table, tile.t, tile.tokens());
    return tile;
  }
  __device__ __forceinline__ DecodeTile fetch(int unit) const {
    DecodeTile tile{-1, 0, 0, {}, 0, {}};
    if (unit < total) {
      tile.unit = unit;
      tile.head = unit % p.kv_heads;
      tile.item = p.step.work.decode[unit / p.kv_heads];
      tile.t = tile.item.begin + (team ? warp * kTile : 0);
    }
    return located(tile);
  }
  __device__ __forceinline__ int next_unit(int unit) const {
    if (team) return unit + blocks;
    int taken = 0;
    if (lane == 0) taken = draw(p.step.tickets, blocks * warps, total);
    return __shfl_sync(~0u, taken, 0);
  }
};

// The queries of a unit: those of the K/V head's group, each a row of `a` of multiply_add.
template <int D>
__device__ __forceinline__ void load_queries(std::uint32_t (&q)[D / 16][4], const AttentionParameters& p,
                                             const DecodeTile& tile) {
  const int lane = lane_of_thread();
  const int row = lane / 4;
  const Bf16* const query =
      p.q + ((static_cast<std::int64_t>(tile.item.token) * p.kv_heads + tile.head) * p.group + row) * D + lane % 4 * 2;
#pragma unroll
  for (int k = 0; k < D / 16; ++k) {
    q[k][0] = row < p.group ? *reinterpret_cast<const std::uint32_t*>(query + k * 16) : 0;
    q[k][2] = row < p.group ? *reinterpret_cast<const std::uint32_t*>(query + k * 16 + 8) : 0;
    q[k][1] = q[k][3] = 0;  // rows 8 .. 15 are empty
  }
}

// Where a unit's result goes: `values` [group][D], `shares` [group][2], m and l.
struct PartialResult {
  float* values;
  float* shares;
};
template <int D>
__device__ __forceinline__ PartialResult result_of(const AttentionParameters& p, const DecodeTile& tile) {
  const std::int64_t row = (static_cast<std::int64_t>(tile.item.slot) * p.kv_heads + tile.head) * p.group;
  return {p.step.partial_values + row * D, p.step.partial_shares + row * 2};
}

// A warp's rows, to o [group][D]; m and l by the lane that has column 0.
template <int D, class StoreShares>
__device__ __forceinline__ void store_rows(float* o, const Softmax<D, 1>& state, int group, StoreShares&& store_shares) {
  const int lane = lane_of_thread();
  const int row = lane / 4;
  if (row >= group) return;
#pragma unroll
  for (int d = 0; d < D / 8; ++d) {
    *reinterpret_cast<float2*>(o + row * D + d * 8 + lane % 4 * 2) = {state.o[d][0], state.o[d][1]};
  }
  if (lane % 4 == 0) store_shares(row, state.m[0], state.l[0]);
}

// The whole block: all tiles' parts, in ascending order of positions, to `result`.
template <int D>
__device__ __forceinline__ void merge_team(const PartialResult& result, const TeamParts<D>& parts, int group) {
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < group * D; i += static_cast<int>(blockDim.x)) {
    const int g = i / D;
    Partial<1> all;
#pragma unroll
    for (int t = 0; t < kChunkTiles; ++t) all.append({parts.m[t][g], parts.l[t][g], {parts.o[t][g][i % D]}});
    result.values[i] = all.o[0];
    if (i % D == 0) *reinterpret_cast<float2*>(result.shares + g * 2) = {all.m, all.l};
  }
}

template <int D, bool kFp8>
__global__ __launch_bounds__(kDecodeWarps<kFp8> * 32, 1) void decode_kernel(const __grid_constant__ AttentionParameters p,
                                                                            const __grid_constant__ CUtensorMap map) {
  using Shared = DecodeShared<D, kFp8>;
  constexpr int kStages = Shared::kStages;
  extern __shared__ __align__(kTileAlignment) unsigned char memory[];
  const int warp = static_cast<int>(threadIdx.x / 32);
  const int warps = static_cast<int>(blockDim.x / 32);
  const int lane = lane_of_thread();
  auto* const rings = reinterpret_cast<typename Shared::Ring*>(memory);
  Shared& shared = *reinterpret_cast<Shared*>(rings + warps);
  const Stages<kStored<D, kFp8>> stages{shared_address(rings + warp), shared_address(shared.barrier[warp])};

  if (!p.beside) let_successor_start();
  if (lane == 0) {
    stages.init_barriers(kStages);
    barrier_init_fence();
  }
  __syncwarp();
  const int total = p.step.work.counts->decode * p.kv_heads;
  const auto blocks = static_cast<int>(gridDim.x);
  // Few units: there is more to gain from sharing each than to lose on tiles that do not exist.
  const bool team = p.split == DecodeSplit::teams || (p.split == DecodeSplit::automatic && total <= blocks);
  const DecodeQueue queue{p, warp, warps, lane, blocks, total, team};
  const auto copy = [&](DecodeTile& tile, int stage, int which) {
    if (tile.unit < 0) return;
    copy_tile<kStored<D, kFp8>, true>(p, &map, stages.tile(stage, which), stages.barrier(stage, which), which, tile.granule,
                                      tile.head, tile.tokens());
    if (kFp8 && which == kKeys) tile.scales = load_scales(p, tile.granule, tile.head, tile.tokens());
  };

  DecodeTile ring[kStages];  // the tile being computed, then those being copied
  ring[0] = queue.first();
  wait_for_predecessor();
  if (p.beside) let_successor_start();
#pragma unroll
  for (int i = 0; i < kStages; ++i) {
    if (i > 0) ring[i] = queue.after(ring[i - 1]);
    copy(ring[i], i, kKeys);
    copy(ring[i], i, kValues);
  }

  std::uint32_t q[D / 16][4];
  Softmax<D, 1> state;
  const auto begin = [&](const DecodeTile& tile) {
    load_queries<D>(q, p, tile);
    state.clear();
  };
  if (ring[0].unit >= 0) begin(ring[0]);

  int stage = 0;
  std::uint32_t parity = 0;
  int turn = 0;
  while (ring[0].unit >= 0) {
    const DecodeTile tile = ring[0];
    DecodeTile fresh = queue.after(ring[kStages - 1]);  // takes over this one's memory
    const int tokens = tile.tokens();
    barrier_wait(stages.barrier(stage, kKeys), parity);
    const auto k_done = [&] {
      __syncwarp();
      copy(fresh, stage, kKeys);
    };
    const auto v_ready = [&] {
      barrier_wait(stages.barrier(stage, kValues), parity);
      if (!kFp8 && tokens < kTile) {
        clear_rest<D>(stages.tile(stage, kValues), tokens, lane, 32);
        __syncwarp();
      }
    };
    if (tokens > 0) {
      const int limit[1] = {tokens};
      attend_tile<D, 1>(state, q, tiles_at<D, kFp8>(stages.tile(stage, kKeys), stages.tile(stage, kValues), tile.scales), limit,
                        tokens < kTile, p.scale, k_done, v_ready);
    } else {
      k_done();
      barrier_wait(stages.barrier(stage, kValues), parity);
    }
    __syncwarp();
    copy(fresh, stage, kValues);

    const DecodeTile& next = kStages > 1 ? ring[kStages - 1] : fresh;
    const bool unit_done = next.unit != tile.unit;
    if (team) {
      TeamParts<D>& parts = shared.team[turn];
      const int part = (tile.t - tile.item.begin) / kTile;
      if (part < kChunkTiles) {  // a chunk has fewer tiles than the block has warps
        store_rows<D>(parts.o[part][0], state, p.group, [&](int row, float m, float l) {
          parts.m[part][row] = m;
          parts.l[part][row] = l;
        });
      }
      state.clear();
      if (unit_done) {
        turn ^= 1;
        merge_team<D>(result_of<D>(p, tile), parts, p.group);
      }
    } else if (unit_done) {
      const PartialResult result = result_of<D>(p, tile);
      store_rows<D>(result.values, state, p.group, [&](int row, float m, float l) {
        *reinterpret_cast<float2*>(result.shares + row * 2) = {m, l};
      });
    }
    if (unit_done && next.unit >= 0) begin(next);
#pragma unroll
    for (int i = 0; i + 1 < kStages; ++i) ring[i] = ring[i + 1];
    ring[kStages - 1] = fresh;
    if (++stage == kStages) {
      stage = 0;
      parity ^= 1;
    }
  }
}

// ---- Merge

// Chunks begin .. begin + kBatch - 1 of a row, appended to `all`. `values` and `shares` are the first chunk's, `heads` rows of
// results lie between a chunk and the next. Behind the last chunk there is nothing, whose merge changes nothing: without
// conditions all loads are under way at once.
template <int D, int kBatch, int kWidth>
__device__ __forceinline__ void merge_chunks(Partial<kWidth>& all, const float* values, const float* shares, int begin,
                                             int count, int heads) {
  static_assert(kBatch <= 32, "a lane a chunk");
  const int lane = lane_of_thread();
  struct alignas(kWidth * sizeof(float)) Values {
    float x[kWidth];
  };
  Values fresh[kBatch];
#pragma unroll
  for (int i = 0; i < kBatch; ++i) {
    const std::int64_t at = min(begin + i, count - 1);
    fresh[i] = *reinterpret_cast<const Values*>(values + at * heads * D);
  }
  // A lane has a chunk's m and l. The greatest of its m and all before it is the m that merging one by one would have.
  const bool there = lane < kBatch && begin + lane < count;
  const float2 share =
      there ? *reinterpret_cast<const float2*>(shares + static_cast<std::int64_t>(begin + lane) * heads * 2) : float2{kNone, 0};
  float greatest = fmaxf(all.m, share.x);
#pragma unroll
  for (int d = 1; d < kBatch; d *= 2) greatest = fmaxf(greatest, __shfl_sync(~0u, greatest, max(lane - d, 0)));
  float before = __shfl_sync(~0u, greatest, max(lane - 1, 0));
  if (lane == 0) before = all.m;
  all.m = __shfl_sync(~0u, greatest, kBatch - 1);
  const Scales mine = scales_of(before, share.x);
#pragma unroll
  for (int i = 0; i < kBatch; ++i) {
    const Scales scales{__shfl_sync(~0u, mine.old, i), __shfl_sync(~0u, mine.fresh, i)};
    all.append(__shfl_sync(~0u, share.y, i), fresh[i].x, scales);
  }
}

// One warp a (row, head), each lane with a few neighbouring dimensions.
template <int D>
__global__ __launch_bounds__(kAttentionThreads) void merge_kernel(const __grid_constant__ AttentionParameters p) {
  constexpr int kWidth = D / 32;
  constexpr int kFew = 8;    // chunks that most rows do not exceed, 2,048 tokens
  constexpr int kMany = 16;  // chunks at a time otherwise
  const int heads = p.kv_heads * p.group;
  const int lane = lane_of_thread();
  const auto head = static_cast<int>(blockIdx.x) * kAttentionWarps + static_cast<int>(threadIdx.x / 32);
  let_successor_start();
  const bool exists = static_cast<int>(blockIdx.y) < p.step.work.counts->merge && head < heads;
  const MergeItem item = exists ? p.step.work.merge[blockIdx.y] : MergeItem{};
  const std::int64_t first = static_cast<std::int64_t>(item.first_slot) * heads + head;
  const float* const values = p.step.partial_values + first * D + lane * kWidth;
  const float* const shares = p.step.partial_shares + first * 2;

  wait_for_predecessor();
  if (!exists) return;
  Partial<kWidth> all;
  if (item.count <= kFew) {
    merge_chunks<D, kFew>(all, values, shares, 0, item.count, heads);
  } else {
    for (int begin = 0; begin < item.count; begin += kMany) {
      merge_chunks<D, kMany>(all, values, shares, begin, item.count, heads);
    }
  }
  Bf16* const out = p.out + (static_cast<std::int64_t>(item.token) * heads + head) * D + lane * kWidth;
#pragma unroll
  for (int d = 0; d < kWidth; d += 2) {
    *reinterpret_cast<std::uint32_t*>(out + d) = pack(__fdividef(all.o[d], all.l), __fdividef(all.o[d + 1], all.l));
  }
}

}  // namespace

template <int D, bool kFp8>
void launch_decode(const AttentionParameters& p, const CUtensorMap& map, int blocks, Stream stream) {
  allow_all_shared_memory<decode_kernel<D, kFp8>>();
  const int wanted = p.beside ? kDecodeWarps<kFp8> : kWarpsAlone<kFp8>;
  const int warps = DecodeShared<D, kFp8>::bytes(wanted) <= card().shared_bytes ? wanted : kLeastWarps<kFp8>;
  launch("decode attention", decode_kernel<D, kFp8>, dim3(static_cast<unsigned>(blocks)),
         dim3(static_cast<unsigned>(warps) * 32), static_cast<std::size_t>(DecodeShared<D, kFp8>::bytes(warps)), stream, p,
         map);
}

template <int D>
void launch_merge(const AttentionParameters& p, std::int32_t rows, Stream stream) {
  const int blocks = (p.kv_heads * p.group + kAttentionWarps - 1) / kAttentionWarps;
  launch("merge of attention", merge_kernel<D>, dim3(static_cast<unsigned>(blocks), static_cast<unsigned>(rows)),
         dim3(kAttentionThreads), 0, stream, p);
}

template void launch_decode<64, false>(const AttentionParameters&, const CUtensorMap&, int, Stream);
template void launch_decode<64, true>(const AttentionParameters&, const CUtensorMap&, int, Stream);
template void launch_decode<128, false>(const AttentionParameters&, const CUtensorMap&, int, Stream);
template void launch_decode<128, true>(const AttentionParameters&, const CUtensorMap&, int, Stream);
template void launch_merge<64>(const AttentionParameters&, std::int32_t, Stream);
template void launch_merge<128>(const AttentionParameters&, std::int32_t, Stream);

}  // namespace tokenyard::kernels
