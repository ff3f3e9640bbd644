// How a kernel follows the one before it (launch.cuh): it may begin while that one still runs.
#pragma once

#include <cuda_runtime.h>

namespace tokenyard::kernels {

// From here on all kernels before this one have ended, and what they wrote is there.
__device__ __forceinline__ void wait_for_predecessor() { cudaGridDependencySynchronize(); }
// The next kernel may begin once every block has called this, as far as there is room for it.
__device__ __forceinline__ void let_successor_start() { cudaTriggerProgrammaticLaunchCompletion(); }

}  // namespace tokenyard::kernels
