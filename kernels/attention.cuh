// What the kernels of attention share: their parameters, and how tiles of K and V reach them.
#pragma once

#include <cuda.h>

#include <cstdint>

#include "kernels/attention.h"
#include "kernels/attention_fp8.cuh"
#include "kernels/attention_tile.cuh"
#include "kernels/launch.cuh"
#include "kernels/tile_copy.cuh"

namespace tokenyard::kernels {

inline constexpr int kAttentionWarps = 4;
inline constexpr int kAttentionThreads = 32 * kAttentionWarps;
inline constexpr int kChunkTiles = kAttentionChunk / kTile;

struct AttentionParameters {
  AttentionStep step;
  const Bf16* q;
  Bf16* out;
  const Bf16* cache;
  const std::uint8_t* scales;  // of fp8
  std::int64_t first_row;      // of the layer's K in the cache; V's are `kv_rows` behind
  std::int64_t kv_rows;
  float scale;  // log2 e / sqrt(head_dim)
  int kv_heads;
  int group;
  int block_size;
  DecodeSplit split;
  // Prefill runs beside decode, which it follows: decode lets it start once all before both is done, so prefill need not wait
  // for that. It waits for decode before it ends, so that what follows both has both.
  bool beside;
  bool expanded;  // the cache is ExpandedKv: tables are numbered as its rows
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
__device__ __forceinline__ Granule locate(const AttentionParameters& p, int table, int first, int tokens) {
  const int lane = lane_of_thread();
  if (lane >= granules_of(tokens)) return {0, 0};
  const int position = first + lane * kGranule;
  return {p.step.tables[static_cast<std::int64_t>(table) * p.step.table_stride + position / p.block_size],
          position % p.block_size};
}

// Warp-wide: copies what there is of a tile and lets `barrier` await it. kOnce: no other warp will.
template <int D, bool kOnce>
__device__ __forceinline__ void copy_tile(const AttentionParameters& p, const CUtensorMap* map, std::uint32_t tile,
                                          std::uint32_t barrier, int which, const Granule& granule, int head, int tokens) {
  copy_granules<D, kOnce>(map, p.cache, tile, barrier, granules_of(tokens), [&] {
    const std::int64_t row = (static_cast<std::int64_t>(granule.block) * p.kv_heads + head) * p.block_size + granule.slot;
    return p.first_row + which * p.kv_rows + row;
  });
}

// A tile's scales, as Fp8Tiles takes them: K's in the lower half of the word, V's in the upper. `granule`: as located for it.
__device__ __forceinline__ std::uint32_t load_scales(const AttentionParameters& p, const Granule& granule, int head,
                                                     int tokens) {
  constexpr int kLanes = kGranule / 2;  // of a granule: two tokens each
  const int lane = lane_of_thread();
  const std::int64_t block = __shfl_sync(~0u, granule.block, lane / kLanes);
  const int slot = __shfl_sync(~0u, granule.slot, lane / kLanes) + lane % kLanes * 2;
  if (2 * lane >= tokens) return 0;
  const std::uint8_t* const k = p.scales + p.first_row + (block * p.kv_heads + head) * p.block_size + slot;
  const std::uint32_t keys = *reinterpret_cast<const std::uint16_t*>(k);
  const std::uint32_t values = *reinterpret_cast<const std::uint16_t*>(k + p.kv_rows);
  return keys | (2 * lane + 1 < tokens ? values : values & 0xff) << 16;
}

// The tiles at two addresses, for attend_tile.
template <int D, bool kFp8>
__device__ __forceinline__ auto tiles_at(std::uint32_t k, std::uint32_t v, std::uint32_t scales) {
  if constexpr (kFp8) {
    return Fp8Tiles<D>{k, v, scales & 0xffff, scales >> 16};
  } else {
    return Bf16Tiles<D>{k, v};
  }
}
// Of a token's K or V, in 16-bit numbers.
template <int D, bool kFp8>
inline constexpr int kStored = kFp8 ? D / 2 : D;

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
// The same where takers draw their first unit, too: they draw one more than there are units, each.
__device__ __forceinline__ int draw_any(std::int32_t* ticket, int takers, int total) {
  return draw(ticket, takers, total + takers) - takers;
}

// One file each. D: head_dim, 64 or 128.
template <int D, bool kFp8>
void launch_decode(const AttentionParameters& p, const CUtensorMap& map, int blocks, Stream stream);
// Makes bf16 of what `p` has in fp8, for the step's ExpandItems.
template <int D>
void launch_expand(const AttentionParameters& p, const ExpandedKv& to, Stream stream);
template <int D>
void launch_merge(const AttentionParameters& p, std::int32_t rows, Stream stream);
template <int D, bool kFp8>
void launch_prefill(const AttentionParameters& p, const CUtensorMap& map, Stream stream);
// For cards with warp-group products; `map` is AttentionCache::panel_map(), of fp8 tensor_map().
template <int D, bool kFp8>
void launch_group_prefill(const AttentionParameters& p, const CUtensorMap& map, Stream stream);

}  // namespace tokenyard::kernels
