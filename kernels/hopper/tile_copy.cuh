// How tiles of K and V come into shared memory: boxes of a tensor that one thread asks the copy engine (TMA) for.
#pragma once

#include <cuda.h>

#include <cstdint>

#include "kernels/async_copy.cuh"
#include "kernels/attention_tile.cuh"

namespace tokenyard::kernels {

// Arrivals that a barrier takes for a tile: the thread that announces its bytes.
inline constexpr int kTileArrivals = 1;

__device__ __forceinline__ void barrier_init_fence() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }
__device__ __forceinline__ void barrier_wait(std::uint32_t barrier, std::uint32_t parity) {
  asm volatile(
      "{\n"
      ".reg .pred done;\n"
      "again: mbarrier.try_wait.parity.shared.b64 done, [%0], %1;\n"
      "@!done bra again;\n"
      "}" ::"r"(barrier),
      "r"(parity)
      : "memory");
}
// Between what threads wrote into shared memory and a later copy that overwrites it.
__device__ __forceinline__ void copy_fence() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

// One thread arrives and announces bytes.
__device__ __forceinline__ void barrier_expect(std::uint32_t barrier, std::uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes) : "memory");
}

// Warp-wide: copies the first granules of a tile and lets `barrier` await them. Lane i has granule i, which begins at row
// row() of the cache. kOnce: nobody else will read it soon, so it need not take others' place in the L2.
template <int D, bool kOnce, class Row>
__device__ __forceinline__ void copy_granules(const CUtensorMap* map, const Bf16*, std::uint32_t tile, std::uint32_t barrier,
                                              int granules, const Row& row) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  if (lane == 0) barrier_expect(barrier, static_cast<std::uint32_t>(granules) * kGranuleBytes<D>);
  __syncwarp();
  if (lane < granules) {
    // What createpolicy makes of evict_first and of evict_normal.
    constexpr std::uint64_t kPolicy = kOnce ? 0x12f0000000000000 : 0x1000000000000000;
    asm volatile(
        "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint [%0], [%1, {%2, %3, %4}], "
        "[%5], %6;" ::"r"(tile + static_cast<std::uint32_t>(lane) * kGranuleBytes<D>),
        "l"(map), "r"(0), "r"(static_cast<int>(D < kPanelDims ? row() * D / kPanelDims : row())), "r"(0), "r"(barrier),
        "l"(kPolicy)
        : "memory");
  }
}

}  // namespace tokenyard::kernels
