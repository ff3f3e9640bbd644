// How a launcher starts its kernel.
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <atomic>
#include <string>
#include <utility>

#include "kernels/card.h"
#include "kernels/dependency.cuh"
#include "kernels/device.h"

namespace tokenyard::kernels {

inline void check(cudaError_t error, const char* what) {
  if (error != cudaSuccess) throw DeviceError(std::string(what) + ": " + cudaGetErrorString(error), error);
}

// Lets a kernel have as much shared memory as the current device gives a block. Attributes of a kernel are a device's: the
// first call for each sets it.
template <auto Kernel>
void allow_all_shared_memory() {
  constexpr int kMostDevices = 64;
  static std::atomic<bool> done[kMostDevices];
  int device = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  if (device < kMostDevices && done[device]) return;
  int bytes = 0;
  cudaFuncAttributes attributes{};
  check(cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device), "asking for shared memory");
  check(cudaFuncGetAttributes(&attributes, Kernel), "asking for shared memory");
  bytes -= static_cast<int>(attributes.sharedSizeBytes);
  check(cudaFuncSetAttribute(Kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes), "asking for shared memory");
  if (device < kMostDevices) done[device] = true;
}

// Programmatic dependent launch, where the kernels were compiled for it: the kernel may start while its predecessor in the
// stream still runs, and must call wait_for_predecessor() before it touches what that one reads or writes. Every kernel here
// does so before its first access to memory a step changes, whatever it does earlier; so a grid that has passed that call knows
// all earlier ones done. Elsewhere it starts when its predecessor has ended.
//
// `cluster`: blocks that form one. REQUIRES: 1 where card() has no clusters; the grid is a multiple of it.
template <class... Parameters, class... Arguments>
void launch_clusters(const char* what, void (*kernel)(Parameters...), int cluster, dim3 grid, dim3 block,
                     std::size_t shared_bytes, Stream stream, Arguments&&... arguments) {
  const Card& the_card = card();
  if (shared_bytes > static_cast<std::size_t>(the_card.shared_bytes)) {
    throw DeviceError(std::string(what) + ": a block needs " + std::to_string(shared_bytes) +
                      " bytes of shared memory, the GPU has " + std::to_string(the_card.shared_bytes));
  }
  cudaLaunchAttribute attributes[2]{};
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared_bytes;
  config.stream = stream;
  config.attrs = attributes;
  if (the_card.early_start) {
    cudaLaunchAttribute& early = attributes[config.numAttrs++];
    early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    early.val.programmaticStreamSerializationAllowed = 1;
  }
  if (cluster > 1) {
    cudaLaunchAttribute& blocks = attributes[config.numAttrs++];
    blocks.id = cudaLaunchAttributeClusterDimension;
    blocks.val.clusterDim = {static_cast<unsigned>(cluster), 1, 1};
  }
  check(cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...), what);
}

// How many clusters of such blocks run at once. REQUIRES: card() has clusters.
template <class Kernel>
int clusters_at_once(Kernel* kernel, int cluster, dim3 block, std::size_t shared_bytes) {
  cudaLaunchAttribute blocks{};
  blocks.id = cudaLaunchAttributeClusterDimension;
  blocks.val.clusterDim = {static_cast<unsigned>(cluster), 1, 1};
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(cluster));
  config.blockDim = block;
  config.dynamicSmemBytes = shared_bytes;
  config.attrs = &blocks;
  config.numAttrs = 1;
  int out = 0;
  check(cudaOccupancyMaxActiveClusters(&out, kernel, &config), "asking how many clusters fit");
  return out;
}

template <class... Parameters, class... Arguments>
void launch(const char* what, void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes, Stream stream,
            Arguments&&... arguments) {
  launch_clusters(what, kernel, 1, grid, block, shared_bytes, stream, std::forward<Arguments>(arguments)...);
}

}  // namespace tokenyard::kernels
