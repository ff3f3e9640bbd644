// Copies from global to shared memory that go on while the thread does something else, and the barriers in shared memory that
// await them: what every generation has.
#pragma once

#include <cstdint>

#include "kernels/mma.cuh"

namespace tokenyard::kernels {

// 16 bytes by each thread.
__device__ __forceinline__ void copy_async(std::uint32_t to_shared, const void* from) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to_shared), "l"(from) : "memory");
}
__device__ __forceinline__ void copy_async(void* to_shared, const void* from) { copy_async(shared_address(to_shared), from); }
// For this thread's own copies.
__device__ __forceinline__ void wait_for_copies() { asm volatile("cp.async.wait_all;" ::: "memory"); }

// An mbarrier passes phase after phase, each when all arrivals (and all announced bytes: hopper/tile_copy.cuh) are there. Who
// waits names the phase by its parity: 0 for the first, 1 for the second, 0 for the third.
inline constexpr std::uint32_t kBarrierBytes = 8;
__device__ __forceinline__ void barrier_init(std::uint32_t barrier, int arrivals) {
  asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
}
__device__ __forceinline__ void barrier_arrive(std::uint32_t barrier, int arrivals) {
  asm volatile("{\n.reg .b64 state;\nmbarrier.arrive.shared.b64 state, [%0], %1;\n}" ::"r"(barrier), "r"(arrivals) : "memory");
}
__device__ __forceinline__ void barrier_arrive(std::uint32_t barrier) {
  asm volatile("{\n.reg .b64 state;\nmbarrier.arrive.shared.b64 state, [%0];\n}" ::"r"(barrier) : "memory");
}
// Once for this thread, when all its copies so far are there.
__device__ __forceinline__ void arrive_with_copies(std::uint32_t barrier) {
  asm volatile("cp.async.mbarrier.arrive.noinc.shared.b64 [%0];" ::"r"(barrier) : "memory");
}

}  // namespace tokenyard::kernels
