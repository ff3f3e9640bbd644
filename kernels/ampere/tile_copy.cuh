// How tiles of K and V come into shared memory: 16 bytes by each lane at a time.
#pragma once

#include <cuda.h>

#include <cstdint>

#include "kernels/async_copy.cuh"
#include "kernels/attention_tile.cuh"

namespace tokenyard::kernels {

// Arrivals that a barrier takes for a tile: every lane's, when what it copies is there.
inline constexpr int kTileArrivals = 32;

__device__ __forceinline__ void barrier_init_fence() { asm volatile("fence.acq_rel.cta;" ::: "memory"); }
__device__ __forceinline__ void barrier_wait(std::uint32_t barrier, std::uint32_t parity) {
  asm volatile(
      "{\n"
      ".reg .pred done;\n"
      "again: mbarrier.test_wait.parity.shared.b64 done, [%0], %1;\n"
      "@!done bra again;\n"
      "}" ::"r"(barrier),
      "r"(parity)
      : "memory");
}
// Copies and other writes are ordered as they are.
__device__ __forceinline__ void copy_fence() {}

// Warp-wide: copies the first granules of a tile and lets `barrier` await them. Lane i has granule i, which begins at row
// row() of the cache. kOnce: as Hopper's.
template <int D, bool kOnce, class Row>
__device__ __forceinline__ void copy_granules(const CUtensorMap*, const Bf16* cache, std::uint32_t tile, std::uint32_t barrier,
                                              int granules, const Row& row) {
  // A granule is one piece of the cache. A lane copies one vector of a row, and the same of every kRowsAtOnce'th row behind it.
  constexpr int kVectors = D / 8;  // of a row
  constexpr int kRowsAtOnce = 32 / kVectors;
  const int lane = static_cast<int>(threadIdx.x % 32);
  const std::int64_t mine = row();
  const std::uint32_t to = tile + tile_offset<D>(lane / kVectors, lane % kVectors);
#pragma unroll
  for (int g = 0; g < kTile / kGranule; ++g) {
    const std::int64_t first = __shfl_sync(~0u, mine, g);
    if (g >= granules) break;
    const Bf16* const from = cache + first * D + lane * 8;
#pragma unroll
    for (int r = 0; r < kGranule; r += kRowsAtOnce) {
      copy_async(rows_down<D>(to, g, r), from + r * D);
    }
  }
  asm volatile("cp.async.mbarrier.arrive.noinc.shared.b64 [%0];" ::"r"(barrier) : "memory");
}

}  // namespace tokenyard::kernels
