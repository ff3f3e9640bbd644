// How a kernel follows the one before it (launch.cuh): it begins when that one has ended, so there is nothing to wait for.
#pragma once

namespace tokenyard::kernels {

__device__ __forceinline__ void wait_for_predecessor() {}
__device__ __forceinline__ void let_successor_start() {}

}  // namespace tokenyard::kernels
