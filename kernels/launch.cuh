// How a launcher starts its kernel.
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <atomic>
#include <string>

#include "kernels/device.h"

namespace tokenyard::kernels {

inline void check(cudaError_t error, const char* what) {
  if (error != cudaSuccess) throw DeviceError(std::string(what) + ": " + cudaGetErrorString(error));
}

// What `ask` answers for the current device, asked at the first call for each: attributes of a kernel are a device's.
template <class Ask>
int once_a_device(const Ask& ask) {
  constexpr int kMostDevices = 64;
  static std::atomic<int> answers[kMostDevices];  // 0: not asked
  int device = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  if (device >= kMostDevices) return ask();
  if (answers[device] == 0) answers[device] = ask();
  return answers[device];
}

// Programmatic dependent launch: the kernel may start while its predecessor in the stream still runs, and must call
// cudaGridDependencySynchronize() before it touches what that one reads or writes. Every kernel here does so before its first
// access to memory a step changes, whatever it does earlier; so a grid that has passed that call knows all earlier ones done.
template <class... Parameters, class... Arguments>
void launch(const char* what, void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes, Stream stream,
            Arguments&&... arguments) {
  cudaLaunchAttribute early{};
  early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  early.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared_bytes;
  config.stream = stream;
  config.attrs = &early;
  config.numAttrs = 1;
  check(cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...), what);
}

}  // namespace tokenyard::kernels
