#include "kernels/attention.h"

#include <cuda.h>

#include <array>
#include <cmath>
#include <cstring>

#include "kernels/attention_tile.cuh"
#include "kernels/launch.cuh"
#include "kernels/tile_copy.cuh"

namespace tokenyard::kernels {
namespace {

constexpr int kWarps = 4;
constexpr int kThreads = 32 * kWarps;
constexpr int kChunkTiles = kAttentionChunk / kTile;

struct Parameters {
  AttentionStep step;
  const Bf16* q;
  Bf16* out;
  const Bf16* cache;
  std::int64_t first_row;  // of the layer's K in the cache; V's are `kv_rows` behind
  std::int64_t kv_rows;
  float scale;  // log2 e / sqrt(head_dim)
  int kv_heads;
  int group;
  int block_size;
  DecodeSplit split;
};

enum Which { kKeys, kValues };

__device__ __forceinline__ int lane_of_thread() { return static_cast<int>(threadIdx.x % 32); }

// ---- Bringing tiles

__device__ __forceinline__ int granules_of(int tokens) { return (tokens + kGranule - 1) / kGranule; }

// Where a lane's granule of a tile begins; the first lanes have one each.
struct Granule {
  int block;
  int slot;
};
// Called long before the copy, which would otherwise wait for the block table.
__device__ __forceinline__ Granule locate(const Parameters& p, int table, int first, int tokens) {
  const int lane = lane_of_thread();
  if (lane >= granules_of(tokens)) return {0, 0};
  const int position = first + lane * kGranule;
  return {p.step.tables[static_cast<std::int64_t>(table) * p.step.table_stride + position / p.block_size],
          position % p.block_size};
}

// Warp-wide: copies what there is of a tile and lets `barrier` await it.
template <int D>
__device__ __forceinline__ void copy_tile(const Parameters& p, const CUtensorMap* map, std::uint32_t tile,
                                          std::uint32_t barrier, int which, const Granule& granule, int head, int tokens) {
  copy_granules<D>(map, p.cache, tile, barrier, granules_of(tokens), [&] {
    const std::int64_t row = (static_cast<std::int64_t>(granule.block) * p.kv_heads + head) * p.block_size + granule.slot;
    return p.first_row + which * p.kv_rows + row;
  });
}

// Zeroes V behind the last token: slots that were not copied, or were copied and never written. `threads` threads take part;
// this one is number `thread`.
template <int D>
__device__ __forceinline__ void clear_rest(std::uint32_t v_tile, int tokens, int thread, int threads) {
  for (int i = tokens * (D / 8) + thread; i < kTile * (D / 8); i += threads) {
    asm volatile("st.shared.v4.b32 [%0], {%1, %1, %1, %1};" ::"r"(v_tile + tile_offset<D>(i / (D / 8), i % (D / 8))), "r"(0)
                 : "memory");
  }
  copy_fence();  // before a later copy overwrites what these threads have written
}

// Shared memory for the tiles under way: stage by stage one of K and one of V, and a barrier for each. Addresses only.
template <int D>
struct Stages {
  std::uint32_t tiles;
  std::uint32_t barriers;

  __device__ __forceinline__ std::uint32_t tile(int stage, int which) const {
    return tiles + static_cast<std::uint32_t>(stage * 2 + which) * kTileBytes<D>;
  }
  __device__ __forceinline__ std::uint32_t barrier(int stage, int which) const {
    return barriers + static_cast<std::uint32_t>(stage * 2 + which) * kBarrierBytes;
  }
  // One thread.
  __device__ __forceinline__ void init_barriers(int stages) const {
    for (int i = 0; i < stages * 2; ++i) barrier_init(barriers + static_cast<std::uint32_t>(i) * kBarrierBytes, kTileArrivals);
  }
};

// Takers begin with units 0, 1, 2, ...; one ticket is drawn for each unit done, so the last draw, number total - 1, knows that
// it is the last and leaves zero behind.
__device__ __forceinline__ int draw(std::int32_t* ticket, int takers, int total) {
  const int n = atomicAdd(ticket, 1);
  if (n == total - 1) *ticket = 0;
  return takers + n;
}

// ---- Decode

// A unit is an item of one K/V head. With much work a warp takes a unit; with little, the warps of a block are a team and share
// one, whose tiles they take by turns.

// The tiles' parts of a team's unit.
template <int D>
struct TeamParts {
  float o[kChunkTiles][kMaxGroup][D];
  float m[kChunkTiles][kMaxGroup];
  float l[kChunkTiles][kMaxGroup];
};

constexpr int kDecodeWarps = 4;  // of a block, where its shared memory has room for their tiles; else 2

// A block's shared memory: a ring of tiles for each of its warps, then this.
template <int D>
struct DecodeShared {
  static constexpr int kStages = D == 64 ? 2 : 1;
  struct alignas(kTileAlignment) Ring {  // 32 KiB
    unsigned char tile[kStages][2][kTileBytes<D>];
  };
  std::uint64_t barrier[kDecodeWarps][kStages][2];
  TeamParts<D> team[2];  // by turns, so that one barrier a unit is enough

  static constexpr int bytes(int warps) {
    return warps * static_cast<int>(sizeof(Ring)) + static_cast<int>(sizeof(DecodeShared));
  }
};
static_assert(DecodeShared<128>::bytes(2) <= kLeastShared && DecodeShared<64>::bytes(2) <= kLeastShared);

// A tile that a warp computes.
struct DecodeTile {
  int unit;  // -1: none left
  int head;  // of K and V
  int t;     // its first position
  Granule granule;
  DecodeItem item;

  // Of the item in the tile. None: a team's unit is not a whole chunk.
  __device__ __forceinline__ int tokens() const { return max(0, min(kTile, item.end - t)); }
};

// Which tiles a warp computes, one after another.
struct DecodeQueue {
  const Parameters& p;
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
    DecodeTile tile{-1, 0, 0, {}, {}};
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
__device__ __forceinline__ void load_queries(std::uint32_t (&q)[D / 16][4], const Parameters& p, const DecodeTile& tile) {
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
__device__ __forceinline__ PartialResult result_of(const Parameters& p, const DecodeTile& tile) {
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

template <int D>
__global__ __launch_bounds__(kDecodeWarps * 32, 1) void decode_kernel(const __grid_constant__ Parameters p,
                                                                      const __grid_constant__ CUtensorMap map) {
  using Shared = DecodeShared<D>;
  constexpr int kStages = Shared::kStages;
  extern __shared__ __align__(kTileAlignment) unsigned char memory[];
  const int warp = static_cast<int>(threadIdx.x / 32);
  const int warps = static_cast<int>(blockDim.x / 32);
  const int lane = lane_of_thread();
  auto* const rings = reinterpret_cast<typename Shared::Ring*>(memory);
  Shared& shared = *reinterpret_cast<Shared*>(rings + warps);
  const Stages<D> stages{shared_address(rings + warp), shared_address(shared.barrier[warp])};

  let_successor_start();
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
  const auto copy = [&](const DecodeTile& tile, int stage, int which) {
    if (tile.unit < 0) return;
    copy_tile<D>(p, &map, stages.tile(stage, which), stages.barrier(stage, which), which, tile.granule, tile.head,
                 tile.tokens());
  };

  DecodeTile ring[kStages];  // the tile being computed, then those being copied
  ring[0] = queue.first();
  wait_for_predecessor();
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
    const DecodeTile fresh = queue.after(ring[kStages - 1]);  // takes over this one's memory
    const int tokens = tile.tokens();
    barrier_wait(stages.barrier(stage, kKeys), parity);
    const auto k_done = [&] {
      __syncwarp();
      copy(fresh, stage, kKeys);
    };
    const auto v_ready = [&] {
      barrier_wait(stages.barrier(stage, kValues), parity);
      if (tokens < kTile) {
        clear_rest<D>(stages.tile(stage, kValues), tokens, lane, 32);
        __syncwarp();
      }
    };
    if (tokens > 0) {
      const int limit[1] = {tokens};
      attend_tile<D, 1>(state, q, stages.tile(stage, kKeys), stages.tile(stage, kValues), limit, tokens < kTile, p.scale,
                        k_done, v_ready);
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
      store_rows<D>(parts.o[part][0], state, p.group, [&](int row, float m, float l) {
        parts.m[part][row] = m;
        parts.l[part][row] = l;
      });
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
__global__ __launch_bounds__(kThreads) void merge_kernel(const __grid_constant__ Parameters p) {
  constexpr int kWidth = D / 32;
  constexpr int kFew = 8;    // chunks that most rows do not exceed, 2,048 tokens
  constexpr int kMany = 16;  // chunks at a time otherwise
  const int heads = p.kv_heads * p.group;
  const int lane = lane_of_thread();
  const auto head = static_cast<int>(blockIdx.x) * kWarps + static_cast<int>(threadIdx.x / 32);
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

// ---- Prefill

// A unit is an item of one K/V head: up to 64 rows, 16 a warp, that go through the tiles of their context together.

constexpr int kPrefillStages = 2;
constexpr int kWarpRows = kPrefillRows / kWarps;
static_assert(kWarpRows == 16, "the rows of a product");

template <int D>
struct PrefillShared {
  alignas(kTileAlignment) unsigned char tile[kPrefillStages][2][kTileBytes<D>];
  std::uint64_t barrier[kPrefillStages][2];  // a tile of K or V has come
  std::uint64_t empty[kPrefillStages];       // all warps are done with a stage
  int unit;
  // The merged chunks of each thread's rows, which it alone uses.
  float o[D / 8][4][kThreads];
};

static_assert(sizeof(PrefillShared<128>) <= kLeastShared);

// A thread's two rows of its warp's 16, row lane / 4 and the one 8 behind. Rows that do not exist have no query and see what
// the last one sees.
template <int D>
struct PrefillRows {
  std::uint32_t q[D / 16][4];  // as `a` of multiply_add
  int context[2];              // tokens a row sees
  Bf16* out[2];                // null: there is no such row
  int least, most;             // what the warp's first and last row see

  __device__ __forceinline__ PrefillRows(const Parameters& p, const PrefillItem& item, int head, int warp) {
    const int lane = lane_of_thread();
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const int r = warp * kWarpRows + h * 8 + lane / 4;
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
    least = item.first + min(warp * kWarpRows / p.group, item.count - 1) + 1;
    most = item.first + min((warp * kWarpRows + kWarpRows - 1) / p.group, item.count - 1) + 1;
  }
};

// What a thread's two rows have of the chunks that are done: m and l in registers, o in shared memory.
template <int D>
struct PrefillTotal {
  float m[2] = {kNone, kNone};
  float l[2] = {0, 0};
  float (&o)[D / 8][4][kThreads];  // [..][..][thread]
  int thread;

  __device__ __forceinline__ PrefillTotal(float (&memory)[D / 8][4][kThreads], int the_thread) : o(memory), thread(the_thread) {
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

template <int D>
__global__ __launch_bounds__(kThreads, 2) void prefill_kernel(const __grid_constant__ Parameters p,
                                                              const __grid_constant__ CUtensorMap map) {
  extern __shared__ __align__(kTileAlignment) unsigned char memory[];
  PrefillShared<D>& shared = *reinterpret_cast<PrefillShared<D>*>(memory);
  const auto thread = static_cast<int>(threadIdx.x);
  const int warp = thread / 32;
  const int lane = thread % 32;
  const Stages<D> stages{shared_address(shared.tile), shared_address(shared.barrier)};
  const std::uint32_t empties = shared_address(shared.empty);
  const auto empty_at = [&](int stage) { return empties + static_cast<std::uint32_t>(stage) * kBarrierBytes; };

  let_successor_start();
  if (thread == 0) {
    stages.init_barriers(kPrefillStages);
    for (int i = 0; i < kPrefillStages; ++i) barrier_init(empty_at(i), kWarps);
    barrier_init_fence();
  }
  __syncthreads();
  const int total = p.step.work.counts->prefill * p.kv_heads;
  wait_for_predecessor();

  // Tiles are numbered through all units; number n uses stage n % 2 for the (n / 2)th time.
  const auto parity_of = [](int n) { return static_cast<std::uint32_t>(n / kPrefillStages % 2); };
  int begin = 0;  // the unit's first
  for (auto unit = static_cast<int>(blockIdx.x); unit < total;) {
    const PrefillItem item = p.step.work.prefill[unit / p.kv_heads];
    const int head = unit % p.kv_heads;
    const int end = item.first + item.count;
    const int num_tiles = (end + kTile - 1) / kTile;
    const auto tokens_of = [&](int tile) { return max(0, min(kTile, end - tile * kTile)); };
    // Warp 0 copies, a tile ahead of the slowest warp.
    const auto granule_of = [&](int tile) {
      return warp == 0 ? locate(p, item.table, tile * kTile, tokens_of(tile)) : Granule{};
    };
    const auto copy = [&](int tile, const Granule& granule) {
      if (warp != 0 || tile >= num_tiles) return;
      const int n = begin + tile;
      const int stage = n % kPrefillStages;
      if (n >= kPrefillStages) barrier_wait(empty_at(stage), parity_of(n - kPrefillStages));
      for (int which = 0; which < 2; ++which) {
        copy_tile<D>(p, &map, stages.tile(stage, which), stages.barrier(stage, which), which, granule, head, tokens_of(tile));
      }
    };
    copy(0, granule_of(0));
    Granule next = granule_of(1);

    const PrefillRows<D> rows(p, item, head, warp);
    Softmax<D, 2> state;  // of the chunk
    state.clear();
    PrefillTotal<D> done(shared.o, thread);
    for (int i = 0; i < num_tiles; ++i) {
      const int stage = (begin + i) % kPrefillStages;
      const std::uint32_t parity = parity_of(begin + i);
      const int t = i * kTile;
      copy(i + 1, next);
      next = granule_of(i + 2);
      barrier_wait(stages.barrier(stage, kKeys), parity);
      if (tokens_of(i) < kTile) {
        barrier_wait(stages.barrier(stage, kValues), parity);
        __syncthreads();
        clear_rest<D>(stages.tile(stage, kValues), tokens_of(i), thread, kThreads);
        __syncthreads();
      }
      if (t < rows.most) {
        const int limit[2] = {rows.context[0] - t, rows.context[1] - t};
        attend_tile<D, 2>(
            state, rows.q, stages.tile(stage, kKeys), stages.tile(stage, kValues), limit, rows.least - t < kTile, p.scale,
            [] {}, [&] { barrier_wait(stages.barrier(stage, kValues), parity); });
        if ((t + kTile) % kAttentionChunk == 0 || t + kTile >= rows.most) {  // the chunk is done
          done.append(state);
          state.clear();
        }
      } else {
        barrier_wait(stages.barrier(stage, kValues), parity);
      }
      __syncwarp();
      if (lane == 0) barrier_arrive(empty_at(stage));
    }
    done.store(rows.out);
    begin += num_tiles;
    if (thread == 0) shared.unit = draw(p.step.tickets + 1, static_cast<int>(gridDim.x), total);
    __syncthreads();
    unit = shared.unit;
    __syncthreads();
  }
}

// ---- Launchers

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
  p.cache = cache.data();
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
  allow_all_shared_memory<decode_kernel<D>>();
  const int warps = DecodeShared<D>::bytes(kDecodeWarps) <= card().shared_bytes ? kDecodeWarps : kDecodeWarps / 2;
  launch("decode attention", decode_kernel<D>, dim3(static_cast<unsigned>(card().multiprocessors)),
         dim3(static_cast<unsigned>(warps) * 32), static_cast<std::size_t>(DecodeShared<D>::bytes(warps)), stream, p,
         map_of(cache));
  const int blocks = (p.kv_heads * p.group + kWarps - 1) / kWarps;
  launch("merge of attention", merge_kernel<D>, dim3(static_cast<unsigned>(blocks), static_cast<unsigned>(rows)),
         dim3(kThreads), 0, stream, p);
}

template <int D>
void launch_prefill(const Parameters& p, const AttentionCache& cache, Stream stream) {
  allow_all_shared_memory<prefill_kernel<D>>();
  launch("prefill attention", prefill_kernel<D>, dim3(2 * static_cast<unsigned>(card().multiprocessors)), dim3(kThreads),
         sizeof(PrefillShared<D>), stream, p, map_of(cache));
}

// The description of a cache that the copy engine reads.
CUtensorMap describe(const Bf16* data, const KvShape& shape) {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found{};
#if CUDART_VERSION >= 12050  // the older name is gone from CUDA 13
  check(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 12000, cudaEnableDefault, &found),
        "cuTensorMapEncodeTiled");
#else
  check(cudaGetDriverEntryPoint("cuTensorMapEncodeTiled", &function, cudaEnableDefault, &found), "cuTensorMapEncodeTiled");
#endif
  if (found != cudaDriverEntryPointSuccess) throw DeviceError("the driver has no cuTensorMapEncodeTiled: older than CUDA 12");
  const auto encode = reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(function);

  // Rows of one token and head, in panels of 128 bytes, the widest swizzle; a copy takes a granule of rows.
  const auto d = static_cast<cuuint64_t>(shape.head_dim);
  const auto rows = static_cast<cuuint64_t>(std::int64_t{shape.layers} * 2 * shape.blocks * shape.kv_heads * shape.block_size);
  const std::array<cuuint64_t, 3> sizes = {kPanelDims, rows, d / kPanelDims};
  const std::array<cuuint64_t, 2> strides = {d * sizeof(Bf16), kRowBytes};
  const std::array<cuuint32_t, 3> box = {kPanelDims, kGranule, static_cast<cuuint32_t>(d / kPanelDims)};
  const std::array<cuuint32_t, 3> steps = {1, 1, 1};
  CUtensorMap map;
  const CUresult result =
      encode(&map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 3, const_cast<Bf16*>(data), sizes.data(), strides.data(), box.data(),
             steps.data(), CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
             CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS) throw DeviceError("cuTensorMapEncodeTiled: error " + std::to_string(static_cast<int>(result)));
  return map;
}

}  // namespace

AttentionCache::AttentionCache(Bf16* data, const KvShape& shape) : shape_(shape), data_(data), tensor_map_{} {
  if (card().compiled_for < kHopper) return;  // nothing reads it
  const CUtensorMap map = describe(data, shape);
  std::memcpy(tensor_map_, &map, sizeof map);
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
