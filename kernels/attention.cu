#include "kernels/attention.h"

#include <cuda.h>

#include <array>
#include <cmath>
#include <cstring>

#include "kernels/attention_tile.cuh"
#include "kernels/launch.cuh"

namespace tokenyard::kernels {
namespace {

constexpr int kWarps = 4;
constexpr int kThreads = 32 * kWarps;
constexpr int kMaxGroup = 8;

struct Parameters {
  AttentionStep step;
  const Bf16* q;
  Bf16* out;
  std::int64_t first_row;  // of the layer's K in the tensor map; V's are `kv_rows` behind
  std::int64_t kv_rows;
  float scale;  // log2 e / sqrt(head_dim)
  int kv_heads;
  int group;
  int block_size;
  DecodeSplit split;
};

__device__ __forceinline__ int granules_of(int tokens) { return (tokens + kGranule - 1) / kGranule; }

// Where a lane's granule of a tile begins; the first lanes have one each.
struct Granule {
  int block;
  int slot;
};
// Long before the copy, which has to wait for the block table otherwise.
__device__ __forceinline__ Granule locate(const Parameters& p, int table, int first, int tokens) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  if (lane >= granules_of(tokens)) return {0, 0};
  const int position = first + lane * kGranule;
  return {p.step.tables[static_cast<std::int64_t>(table) * p.step.table_stride + position / p.block_size],
          position % p.block_size};
}

// Warp-wide: copies what there is of a tile and lets `barrier` await it. which: 0 K, 1 V.
template <int D>
__device__ __forceinline__ void copy_tile(const Parameters& p, const CUtensorMap* map, std::uint32_t tile,
                                          std::uint32_t barrier, int which, const Granule& granule, int head, int tokens) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  const int granules = granules_of(tokens);
  if (lane == 0) barrier_expect(barrier, static_cast<std::uint32_t>(granules) * kGranuleBytes<D>);
  __syncwarp();
  if (lane < granules) {
    const std::int64_t row = (static_cast<std::int64_t>(granule.block) * p.kv_heads + head) * p.block_size + granule.slot;
    const int at = static_cast<int>(p.first_row + which * p.kv_rows + row);
    asm volatile(
        "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3, %4}], [%5];" ::"r"(
            tile + static_cast<std::uint32_t>(lane) * kGranuleBytes<D>),
        "l"(map), "r"(0), "r"(at), "r"(0), "r"(barrier)
        : "memory");
  }
}

// Zeroes V behind the last token: what was not copied, or was but nobody wrote. `threads` take part, this one being `thread`.
template <int D>
__device__ __forceinline__ void clear_rest(std::uint32_t v_tile, int tokens, int thread, int threads) {
  for (int i = tokens * (D / 8) + thread; i < kTile * (D / 8); i += threads) {
    asm volatile("st.shared.v4.b32 [%0], {%1, %1, %1, %1};" ::"r"(v_tile + tile_offset<D>(i / (D / 8), i % (D / 8))), "r"(0)
                 : "memory");
  }
  // Before a later copy overwrites what these threads have written.
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

// Takers begin with units 0, 1, 2, ...; one ticket is drawn for each unit done, so the last draw, number total - 1, knows that
// it is the last and leaves zero behind.
__device__ __forceinline__ int draw(std::int32_t* ticket, int takers, int total) {
  const int n = atomicAdd(ticket, 1);
  if (n == total - 1) *ticket = 0;
  return takers + n;
}

// ---- Decode

template <int D>
struct DecodeShared {
  static constexpr int kStages = D == 64 ? 2 : 1;  // 32 KiB a warp
  alignas(1024) unsigned char tile[kWarps][kStages][2][kTile * D * 2];
  std::uint64_t barrier[kWarps][kStages][2];
  // A team's results, twice, so that one barrier a unit is enough.
  float team_o[2][kWarps][kMaxGroup][D];
  float team_m[2][kWarps][kMaxGroup];
  float team_l[2][kWarps][kMaxGroup];
};

// A unit is an item of one K/V head. With much work a warp takes a unit; with little, the four warps of a block share one, a
// tile each.
template <int D>
__global__ __launch_bounds__(kThreads, 1) void decode_kernel(const __grid_constant__ Parameters p,
                                                             const __grid_constant__ CUtensorMap map) {
  using Shared = DecodeShared<D>;
  constexpr int kStages = Shared::kStages;
  extern __shared__ __align__(1024) unsigned char memory[];
  Shared& shared = *reinterpret_cast<Shared*>(memory);
  const int warp = static_cast<int>(threadIdx.x / 32);
  const int lane = static_cast<int>(threadIdx.x % 32);
  const auto tiles = static_cast<std::uint32_t>(__cvta_generic_to_shared(shared.tile[warp]));
  const auto barriers = static_cast<std::uint32_t>(__cvta_generic_to_shared(shared.barrier[warp]));
  const auto tile_at = [&](int stage, int which) {
    return tiles + static_cast<std::uint32_t>((stage * 2 + which) * kTile * D * 2);
  };
  const auto barrier_at = [&](int stage, int which) { return barriers + static_cast<std::uint32_t>((stage * 2 + which) * 8); };

  cudaTriggerProgrammaticLaunchCompletion();
  if (lane == 0) {
    for (int i = 0; i < kStages * 2; ++i) barrier_init(barriers + static_cast<std::uint32_t>(i * 8), 1);
    barrier_init_fence();
  }
  __syncwarp();
  const int total = p.step.work.counts->decode * p.kv_heads;
  const auto blocks = static_cast<int>(gridDim.x);
  // Few units: there is more to gain from sharing each than to lose on tiles that do not exist.
  const bool team = p.split == DecodeSplit::teams || (p.split == DecodeSplit::automatic && total <= blocks);

  struct Place {  // a tile
    int unit;     // -1: none left
    int head;
    int t;  // its first position
    Granule granule;
    DecodeItem item;
  };
  const auto tokens_of = [](const Place& place) { return max(0, min(kTile, place.item.end - place.t)); };
  const auto located = [&](Place place) {
    place.granule = locate(p, place.item.table, place.t, tokens_of(place));
    return place;
  };
  const auto fetch = [&](int unit) {
    Place place{-1, 0, 0, {}, {}};
    if (unit < total) {
      place.unit = unit;
      place.head = unit % p.kv_heads;
      place.item = p.step.work.decode[unit / p.kv_heads];
      place.t = place.item.begin + (team ? warp * kTile : 0);
    }
    return located(place);
  };
  const auto next_unit = [&](int unit) {
    if (team) return fetch(unit + blocks);
    int taken = 0;
    if (lane == 0) taken = draw(p.step.tickets, blocks * kWarps, total);
    return fetch(__shfl_sync(~0u, taken, 0));
  };
  const auto after = [&](Place place) {
    if (place.unit < 0) return place;
    place.t += team ? kAttentionChunk : kTile;
    return place.t < place.item.end ? located(place) : next_unit(place.unit);
  };
  const auto copy = [&](const Place& place, int stage, int which) {
    if (place.unit < 0) return;
    copy_tile<D>(p, &map, tile_at(stage, which), barrier_at(stage, which), which, place.granule, place.head, tokens_of(place));
  };

  // Warps of one block begin with heads of the same block of K/V, which lie side by side; when there are fewer units than
  // warps, all multiprocessors take part instead.
  const auto block = static_cast<int>(blockIdx.x);
  Place ring[kStages];  // the tile being computed, then those being copied
  ring[0] = fetch(team ? block : total < blocks * kWarps ? warp * blocks + block : block * kWarps + warp);
  cudaGridDependencySynchronize();
#pragma unroll
  for (int i = 0; i < kStages; ++i) {
    if (i > 0) ring[i] = after(ring[i - 1]);
    copy(ring[i], i, 0);
    copy(ring[i], i, 1);
  }

  std::uint32_t q[D / 16][4];
  Softmax<D, 1> state;
  const int row = lane / 4;
  const auto begin = [&](const Place& place) {
    const Bf16* const query =
        p.q + ((static_cast<std::int64_t>(place.item.token) * p.kv_heads + place.head) * p.group + row) * D + lane % 4 * 2;
#pragma unroll
    for (int k = 0; k < D / 16; ++k) {
      q[k][0] = row < p.group ? *reinterpret_cast<const std::uint32_t*>(query + k * 16) : 0;
      q[k][2] = row < p.group ? *reinterpret_cast<const std::uint32_t*>(query + k * 16 + 8) : 0;
      q[k][1] = q[k][3] = 0;  // rows 8 .. 15 are empty
    }
    state.clear();
  };
  if (ring[0].unit >= 0) begin(ring[0]);

  int stage = 0;
  std::uint32_t parity = 0;
  int turn = 0;
  while (ring[0].unit >= 0) {
    const Place place = ring[0];
    const Place fresh = after(ring[kStages - 1]);  // takes over this one's memory
    const int tokens = tokens_of(place);
    barrier_wait(barrier_at(stage, 0), parity);
    const auto k_done = [&] {
      __syncwarp();
      copy(fresh, stage, 0);
    };
    const auto v_ready = [&] {
      barrier_wait(barrier_at(stage, 1), parity);
      if (tokens < kTile) {
        clear_rest<D>(tile_at(stage, 1), tokens, lane, 32);
        __syncwarp();
      }
    };
    if (tokens > 0) {
      const int limit[1] = {tokens};
      attend_tile<D, 1>(state, q, tile_at(stage, 0), tile_at(stage, 1), limit, tokens < kTile, p.scale, k_done, v_ready);
    } else {  // a team's unit with less than four tiles
      k_done();
      barrier_wait(barrier_at(stage, 1), parity);
    }
    __syncwarp();
    copy(fresh, stage, 1);

    const Place& next = kStages > 1 ? ring[kStages - 1] : fresh;
    if (next.unit != place.unit) {  // the unit is done
      const std::int64_t slot = (static_cast<std::int64_t>(place.item.slot) * p.kv_heads + place.head) * p.group;
      float* const values = p.step.partial_values + slot * D;
      float* const parts = p.step.partial_shares + slot * 2;
      if (team) {
        float(*const team_o)[kMaxGroup][D] = shared.team_o[turn];
        float(*const team_m)[kMaxGroup] = shared.team_m[turn];
        float(*const team_l)[kMaxGroup] = shared.team_l[turn];
        turn ^= 1;
        if (row < p.group) {
#pragma unroll
          for (int d = 0; d < D / 8; ++d) {
            *reinterpret_cast<float2*>(&team_o[warp][row][d * 8 + lane % 4 * 2]) = {state.o[d][0], state.o[d][1]};
          }
          if (lane % 4 == 0) {
            team_m[warp][row] = state.m[0];
            team_l[warp][row] = state.l[0];
          }
        }
        __syncthreads();
        for (int i = static_cast<int>(threadIdx.x); i < p.group * D; i += kThreads) {
          const int g = i / D;
          float m = kNone;
          float l = 0;
          float o = 0;
#pragma unroll
          for (int w = 0; w < kWarps; ++w) {
            const Shares shares = merge_shares(m, team_m[w][g]);
            l = merged(l, team_l[w][g], shares);
            o = merged(o, team_o[w][g][i % D], shares);
          }
          values[i] = o;
          if (i % D == 0) *reinterpret_cast<float2*>(parts + g * 2) = {m, l};
        }
      } else if (row < p.group) {
#pragma unroll
        for (int d = 0; d < D / 8; ++d) {
          *reinterpret_cast<float2*>(values + row * D + d * 8 + lane % 4 * 2) = {state.o[d][0], state.o[d][1]};
        }
        if (lane % 4 == 0) *reinterpret_cast<float2*>(parts + row * 2) = {state.m[0], state.l[0]};
      }
      if (next.unit >= 0) begin(next);
    }
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

// One warp a (row, head), each lane with a few neighbouring dimensions.
template <int D>
__global__ __launch_bounds__(kThreads) void merge_kernel(const __grid_constant__ Parameters p) {
  constexpr int kWidth = D / 32;
  struct alignas(kWidth * 4) Values {
    float x[kWidth];
  };
  const int heads = p.kv_heads * p.group;
  const auto lane = static_cast<int>(threadIdx.x % 32);
  const auto head = static_cast<int>(blockIdx.x) * kWarps + static_cast<int>(threadIdx.x / 32);
  cudaTriggerProgrammaticLaunchCompletion();
  const bool exists = static_cast<int>(blockIdx.y) < p.step.work.counts->merge && head < heads;
  const MergeItem item = exists ? p.step.work.merge[blockIdx.y] : MergeItem{};
  const std::int64_t first = static_cast<std::int64_t>(item.first_slot) * heads + head;
  const float* const values = p.step.partial_values + first * D + lane * kWidth;
  const float* const parts = p.step.partial_shares + first * 2;

  cudaGridDependencySynchronize();
  if (!exists) return;
  float m = kNone;
  float l = 0;
  Values o{};
  // Chunks begin .. begin + kBatch - 1. Behind the last chunk there is nothing, whose merge changes nothing: without conditions
  // all loads are under way at once.
  const auto merge = [&]<int kBatch>(int begin) {
    Values fresh[kBatch];
#pragma unroll
    for (int i = 0; i < kBatch; ++i) {
      const std::int64_t at = min(begin + i, item.count - 1);
      fresh[i] = *reinterpret_cast<const Values*>(values + at * heads * D);
    }
    // A lane a chunk. The greatest of it and all before it is the m that a merge one by one would have.
    const bool there = lane < kBatch && begin + lane < item.count;
    const float2 part = there ? *reinterpret_cast<const float2*>(parts + static_cast<std::int64_t>(begin + lane) * heads * 2)
                              : float2{kNone, 0};
    float greatest = fmaxf(m, part.x);
#pragma unroll
    for (int d = 1; d < kBatch; d *= 2) greatest = fmaxf(greatest, __shfl_sync(~0u, greatest, max(lane - d, 0)));
    float before = __shfl_sync(~0u, greatest, max(lane - 1, 0));
    if (lane == 0) before = m;
    m = __shfl_sync(~0u, greatest, kBatch - 1);
    const Shares mine = merge_shares(before, part.x);
#pragma unroll
    for (int i = 0; i < kBatch; ++i) {
      const Shares shares{__shfl_sync(~0u, mine.old, i), __shfl_sync(~0u, mine.fresh, i)};
      l = merged(l, __shfl_sync(~0u, part.y, i), shares);
#pragma unroll
      for (int d = 0; d < kWidth; ++d) o.x[d] = merged(o.x[d], fresh[i].x[d], shares);
    }
  };
  if (item.count <= 8) {
    merge.template operator()<8>(0);
  } else {
    for (int begin = 0; begin < item.count; begin += 16) merge.template operator()<16>(begin);
  }
  Bf16* const out = p.out + (static_cast<std::int64_t>(item.token) * heads + head) * D + lane * kWidth;
#pragma unroll
  for (int d = 0; d < kWidth; d += 2) {
    *reinterpret_cast<std::uint32_t*>(out + d) = pack(__fdividef(o.x[d], l), __fdividef(o.x[d + 1], l));
  }
}

// ---- Prefill

constexpr int kPrefillStages = 2;

template <int D>
struct PrefillShared {
  alignas(1024) unsigned char tile[kPrefillStages][2][kTile * D * 2];
  std::uint64_t barrier[kPrefillStages][2];  // a tile of K or V has come
  std::uint64_t empty[kPrefillStages];       // all warps are done with a stage
  int unit;
  // The merged chunks of each thread's rows, which it alone uses.
  float o[D / 8][4][kThreads];
};

// A unit is an item of one K/V head: up to 64 rows, 16 a warp, that go through the tiles of their context together.
template <int D>
__global__ __launch_bounds__(kThreads, 2) void prefill_kernel(const __grid_constant__ Parameters p,
                                                              const __grid_constant__ CUtensorMap map) {
  extern __shared__ __align__(1024) unsigned char memory[];
  PrefillShared<D>& shared = *reinterpret_cast<PrefillShared<D>*>(memory);
  const auto thread = static_cast<int>(threadIdx.x);
  const int warp = thread / 32;
  const int lane = thread % 32;
  const auto tiles = static_cast<std::uint32_t>(__cvta_generic_to_shared(shared.tile));
  const auto barriers = static_cast<std::uint32_t>(__cvta_generic_to_shared(shared.barrier));
  const auto empties = static_cast<std::uint32_t>(__cvta_generic_to_shared(shared.empty));
  const auto tile_at = [&](int stage, int which) {
    return tiles + static_cast<std::uint32_t>((stage * 2 + which) * kTile * D * 2);
  };
  const auto barrier_at = [&](int stage, int which) { return barriers + static_cast<std::uint32_t>((stage * 2 + which) * 8); };

  cudaTriggerProgrammaticLaunchCompletion();
  const auto empty_at = [&](int stage) { return empties + static_cast<std::uint32_t>(stage * 8); };
  if (thread == 0) {
    for (int i = 0; i < kPrefillStages * 2; ++i) barrier_init(barriers + static_cast<std::uint32_t>(i * 8), 1);
    for (int i = 0; i < kPrefillStages; ++i) barrier_init(empty_at(i), kWarps);
    barrier_init_fence();
  }
  __syncthreads();
  const int total = p.step.work.counts->prefill * p.kv_heads;
  cudaGridDependencySynchronize();

  // Tiles are numbered through all units; number n uses stage n % 2 for the (n / 2)th time.
  const auto parity_of = [](int n) { return static_cast<std::uint32_t>(n / kPrefillStages % 2); };
  int begin = 0;  // the unit's first
  for (auto unit = static_cast<int>(blockIdx.x); unit < total;) {
    const PrefillItem item = p.step.work.prefill[unit / p.kv_heads];
    const int head = unit % p.kv_heads;
    const int end = item.first + item.count;
    const int num_tiles = (end + kTile - 1) / kTile;
    const auto tokens_of = [&](int tile) { return max(0, min(kTile, end - tile * kTile)); };
    const auto granule_of = [&](int tile) {
      return warp == 0 ? locate(p, item.table, tile * kTile, tokens_of(tile)) : Granule{};
    };
    const auto copy = [&](int tile, const Granule& granule) {
      if (warp != 0 || tile >= num_tiles) return;
      const int n = begin + tile;
      const int stage = n % kPrefillStages;
      if (n >= kPrefillStages) barrier_wait(empty_at(stage), parity_of(n - kPrefillStages));
      for (int which = 0; which < 2; ++which) {
        copy_tile<D>(p, &map, tile_at(stage, which), barrier_at(stage, which), which, granule, head, tokens_of(tile));
      }
    };
    copy(0, granule_of(0));
    Granule next = granule_of(1);

    // This thread's two rows of 16. Rows that do not exist have no query and see what the last one sees.
    std::uint32_t q[D / 16][4];
    int context[2];
    Bf16* out[2];
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const int r = warp * 16 + h * 8 + lane / 4;
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
    // What the warp's first and last row see.
    const int least = item.first + min(warp * 16 / p.group, item.count - 1) + 1;
    const int most = item.first + min((warp * 16 + 15) / p.group, item.count - 1) + 1;

    Softmax<D, 2> state;
    state.clear();
    float m[2] = {kNone, kNone};
    float l[2] = {0, 0};
#pragma unroll
    for (int d = 0; d < D / 8; ++d) {
#pragma unroll
      for (int e = 0; e < 4; ++e) shared.o[d][e][thread] = 0;
    }

    for (int i = 0; i < num_tiles; ++i) {
      const int stage = (begin + i) % kPrefillStages;
      const std::uint32_t parity = parity_of(begin + i);
      const int t = i * kTile;
      copy(i + 1, next);
      next = granule_of(i + 2);
      barrier_wait(barrier_at(stage, 0), parity);
      if (tokens_of(i) < kTile) {
        barrier_wait(barrier_at(stage, 1), parity);
        __syncthreads();
        clear_rest<D>(tile_at(stage, 1), tokens_of(i), thread, kThreads);
        __syncthreads();
      }
      if (t < most) {
        const int limit[2] = {context[0] - t, context[1] - t};
        attend_tile<D, 2>(
            state, q, tile_at(stage, 0), tile_at(stage, 1), limit, least - t < kTile, p.scale, [] {},
            [&] { barrier_wait(barrier_at(stage, 1), parity); });
        if ((t + kTile) % kAttentionChunk == 0 || t + kTile >= most) {  // the chunk is done
#pragma unroll
          for (int h = 0; h < 2; ++h) {
            const Shares shares = merge_shares(m[h], state.m[h]);
            l[h] = merged(l[h], state.l[h], shares);
#pragma unroll
            for (int d = 0; d < D / 8; ++d) {
#pragma unroll
              for (int e = 2 * h; e < 2 * h + 2; ++e) {
                float& o = shared.o[d][e][thread];
                o = merged(o, state.o[d][e], shares);
              }
            }
          }
          state.clear();
        }
      } else {
        barrier_wait(barrier_at(stage, 1), parity);
      }
      __syncwarp();
      if (lane == 0) barrier_arrive(empty_at(stage));
    }
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      if (out[h] == nullptr) continue;
#pragma unroll
      for (int d = 0; d < D / 8; ++d) {
        *reinterpret_cast<std::uint32_t*>(out[h] + d * 8) =
            pack(__fdividef(shared.o[d][2 * h][thread], l[h]), __fdividef(shared.o[d][2 * h + 1][thread], l[h]));
      }
    }
    begin += num_tiles;
    if (thread == 0) shared.unit = draw(p.step.tickets + 1, static_cast<int>(gridDim.x), total);
    __syncthreads();
    unit = shared.unit;
    __syncthreads();
  }
}

// ---- Launchers

// More shared memory than a kernel gets unasked; holds for the current device.
template <int D>
void prepare() {
  check(cudaFuncSetAttribute(decode_kernel<D>, cudaFuncAttributeMaxDynamicSharedMemorySize, sizeof(DecodeShared<D>)),
        "decode attention");
  check(cudaFuncSetAttribute(prefill_kernel<D>, cudaFuncAttributeMaxDynamicSharedMemorySize, sizeof(PrefillShared<D>)),
        "prefill attention");
}

CUtensorMap map_of(const AttentionCache& cache) {
  CUtensorMap map;
  static_assert(sizeof map == 128);
  std::memcpy(&map, cache.tensor_map(), sizeof map);
  return map;
}

Parameters parameters(const AttentionCache& cache, std::int32_t layer, std::int32_t group, const AttentionStep& step,
                      const Bf16* q, Bf16* out, DecodeSplit split) {
  const KvShape& shape = cache.shape();
  Parameters p;
  p.step = step;
  p.q = q;
  p.out = out;
  p.kv_rows = std::int64_t{shape.blocks} * shape.kv_heads * shape.block_size;
  p.first_row = 2 * layer * p.kv_rows;
  p.scale = static_cast<float>(1.4426950408889634 / std::sqrt(static_cast<double>(shape.head_dim)));
  p.kv_heads = shape.kv_heads;
  p.group = group;
  p.block_size = shape.block_size;
  p.split = split;
  return p;
}

template <int D>
void launch_decode(const Parameters& p, const AttentionCache& cache, std::int32_t rows, Stream stream) {
  launch("decode attention", decode_kernel<D>, dim3(cache.multiprocessors()), dim3(kThreads), sizeof(DecodeShared<D>), stream,
         p, map_of(cache));
  const int blocks = (p.kv_heads * p.group + kWarps - 1) / kWarps;
  launch("merge of attention", merge_kernel<D>, dim3(static_cast<unsigned>(blocks), static_cast<unsigned>(rows)),
         dim3(kThreads), 0, stream, p);
}

template <int D>
void launch_prefill(const Parameters& p, const AttentionCache& cache, Stream stream) {
  launch("prefill attention", prefill_kernel<D>, dim3(2 * cache.multiprocessors()), dim3(kThreads), sizeof(PrefillShared<D>),
         stream, p, map_of(cache));
}

}  // namespace

AttentionCache::AttentionCache(Bf16* data, const KvShape& shape) : shape_(shape) {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found{};
  check(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 12000, cudaEnableDefault, &found),
        "cuTensorMapEncodeTiled");
  if (found != cudaDriverEntryPointSuccess) throw DeviceError("the driver has no cuTensorMapEncodeTiled: older than CUDA 12");
  const auto encode = reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(function);

  // Rows of one token and head, in panels of 64 dimensions (128 bytes, the widest swizzle); a copy takes a granule of rows.
  const auto d = static_cast<cuuint64_t>(shape.head_dim);
  const auto rows = static_cast<cuuint64_t>(std::int64_t{shape.layers} * 2 * shape.blocks * shape.kv_heads * shape.block_size);
  const std::array<cuuint64_t, 3> sizes = {64, rows, d / 64};
  const std::array<cuuint64_t, 2> strides = {d * 2, 128};
  const std::array<cuuint32_t, 3> box = {64, kGranule, static_cast<cuuint32_t>(d / 64)};
  const std::array<cuuint32_t, 3> steps = {1, 1, 1};
  CUtensorMap map;
  const CUresult result = encode(&map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 3, data, sizes.data(), strides.data(), box.data(),
                                 steps.data(), CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                                 CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS) throw DeviceError("cuTensorMapEncodeTiled: error " + std::to_string(static_cast<int>(result)));
  std::memcpy(tensor_map_, &map, sizeof map);

  int device = 0;
  int multiprocessors = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  check(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device), "cudaDeviceGetAttribute");
  multiprocessors_ = static_cast<unsigned>(multiprocessors);
  if (shape.head_dim == 64) {
    prepare<64>();
  } else {
    prepare<128>();
  }
}

void decode_attention(const AttentionCache& cache, std::int32_t layer, std::int32_t group, const AttentionStep& step,
                      std::int32_t rows, const Bf16* q, Bf16* out, Stream stream, DecodeSplit split) {
  const Parameters p = parameters(cache, layer, group, step, q, out, split);
  if (cache.shape().head_dim == 64) {
    launch_decode<64>(p, cache, rows, stream);
  } else {
    launch_decode<128>(p, cache, rows, stream);
  }
}

void prefill_attention(const AttentionCache& cache, std::int32_t layer, std::int32_t group, const AttentionStep& step,
                       const Bf16* q, Bf16* out, Stream stream) {
  const Parameters p = parameters(cache, layer, group, step, q, out, DecodeSplit::automatic);
  if (cache.shape().head_dim == 64) {
    launch_prefill<64>(p, cache, stream);
  } else {
    launch_prefill<128>(p, cache, stream);
  }
}

}  // namespace tokenyard::kernels
