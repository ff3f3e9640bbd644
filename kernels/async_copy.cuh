// Copies from global to shared memory that go on while the thread does something else, and how they are awaited: cp.async, and
// Hopper's copy engine (TMA) with its barriers in shared memory.
#pragma once

#include <cuda.h>

#include <cstdint>

#include "kernels/mma.cuh"

namespace tokenyard::kernels {

// ---- cp.async: 16 bytes by each thread

__device__ __forceinline__ void copy_async(void* to_shared, const void* from) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared_address(to_shared)), "l"(from) : "memory");
}
// For this thread's own copies.
__device__ __forceinline__ void wait_for_copies() { asm volatile("cp.async.wait_all;" ::: "memory"); }

// ---- The copy engine: a box of a tensor by one thread

// The box of `map` that begins at row `row`, to `to` in shared memory; its bytes are counted at `barrier`.
__device__ __forceinline__ void copy_box(std::uint32_t to, const CUtensorMap* map, int row, std::uint32_t barrier) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3, %4}], [%5];" ::"r"(to),
      "l"(map), "r"(0), "r"(row), "r"(0), "r"(barrier)
      : "memory");
}
// Between what threads wrote into shared memory and a later box that overwrites it.
__device__ __forceinline__ void copy_fence() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

// An mbarrier passes phase after phase, each when all arrivals and all announced bytes are there. Who waits names the phase by
// its parity: 0 for the first, 1 for the second, 0 for the third.
inline constexpr std::uint32_t kBarrierBytes = 8;
__device__ __forceinline__ void barrier_init(std::uint32_t barrier, int arrivals) {
  asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
}
__device__ __forceinline__ void barrier_init_fence() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }
// Arrives, and announces bytes.
__device__ __forceinline__ void barrier_expect(std::uint32_t barrier, std::uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes) : "memory");
}
__device__ __forceinline__ void barrier_arrive(std::uint32_t barrier) {
  asm volatile("mbarrier.arrive.shared.b64 _, [%0];" ::"r"(barrier) : "memory");
}
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

}  // namespace tokenyard::kernels
