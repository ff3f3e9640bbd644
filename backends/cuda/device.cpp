#include "backends/cuda/device.h"

#include <fmt/core.h>

#include <cstdlib>

#include "backends/cuda/architectures.h"
#include "backends/cuda/collectives.h"
#include "core/backend.h"
#include "kernels/card.h"

namespace tokenyard::cuda {
namespace {

std::string version(int cuda) { return fmt::format("{}.{}", cuda / 1000, cuda % 1000 / 10); }

std::int64_t mebibytes(std::int64_t bytes) { return (bytes + (1 << 20) - 1) >> 20; }

std::string no_gpu() {
  const char* const visible = std::getenv("CUDA_VISIBLE_DEVICES");
  if (visible == nullptr) return "no NVIDIA GPU was found; --backend cpu needs none";
  return fmt::format(
      "no NVIDIA GPU was found, since CUDA_VISIBLE_DEVICES is \"{}\": expected the numbers of GPUs, each once, such as 0,1 "
      "(nvidia-smi -L lists them), or --backend cpu",
      visible);
}

}  // namespace

void fail(cudaError_t error, const std::string& what) {
  cudaGetLastError();  // takes the error out of the runtime's memory, unless the device is lost
  switch (error) {
    case cudaErrorNoDevice:
    case cudaErrorInvalidDevice: throw BackendError(no_gpu());
    case cudaErrorInsufficientDriver: {
      int driver = 0;
      cudaDriverGetVersion(&driver);
      throw BackendError(driver == 0 ? "no NVIDIA driver was found; --backend cpu needs none"
                                     : fmt::format("the NVIDIA driver knows CUDA up to {}; this build needs {}: install a "
                                                   "newer driver, or use --backend cpu",
                                                   version(driver), version(CUDART_VERSION)));
    }
    case cudaErrorMemoryAllocation:
      throw BackendError(fmt::format("out of GPU memory while {}; {} MiB are free", what, mebibytes(free_memory())));
    case cudaErrorUnsupportedPtxVersion: {
      int driver = 0;
      cudaDriverGetVersion(&driver);
      throw BackendError(
          fmt::format("the NVIDIA driver knows CUDA up to {} and cannot compile the kernels, which CUDA {} wrote: install a "
                      "newer driver, build "
                      "for this card itself by -DCMAKE_CUDA_ARCHITECTURES=native, or use --backend cpu",
                      version(driver), version(CUDART_VERSION)));
    }
    case cudaErrorInvalidPtx:
    case cudaErrorJitCompilerNotFound:
    case cudaErrorJitCompilationDisabled:
      throw BackendError(
          fmt::format("the NVIDIA driver does not compile the kernels for this GPU: {}; build for the card itself by "
                      "-DCMAKE_CUDA_ARCHITECTURES=native, or use --backend cpu",
                      cudaGetErrorString(error)));
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorInvalidDeviceFunction:
      throw BackendError(
          fmt::format("this build has no code for the GPU, only for {}: build with -DCMAKE_CUDA_ARCHITECTURES=native, or use "
                      "--backend cpu",
                      in_words(built_architectures())));
    case cudaErrorDevicesUnavailable:
      throw BackendError("the GPU is in use by a process that does not share it (compute mode exclusive)");
    default:
      throw BackendError(
          fmt::format("the GPU failed while {}: {} ({})", what, cudaGetErrorString(error), cudaGetErrorName(error)));
  }
}

Device open_device(int index) {
  int count = 0;
  check(cudaGetDeviceCount(&count), "looking for a GPU");
  check(cudaSetDevice(index), "opening the GPU");
  // Waiting for a step by spinning: sleeping and being woken costs as much as a small kernel.
  check(cudaSetDeviceFlags(cudaDeviceScheduleSpin), "configuring the GPU");
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, index), "asking the GPU what it is");
  Device device;
  device.name = properties.name;
  device.compute_capability = properties.major * 10 + properties.minor;
  if (const std::string why = why_no_code(device.name, device.compute_capability, built_architectures()); !why.empty()) {
    throw BackendError(why);
  }
  try {
    kernels::card();
  } catch (const kernels::DeviceError& error) {
    fail(static_cast<cudaError_t>(error.code), "loading the kernels");
  }
  std::size_t free = 0;
  std::size_t total = 0;
  check(cudaMemGetInfo(&free, &total), "asking for the GPU's memory");
  device.free_bytes = static_cast<std::int64_t>(free);
  device.total_bytes = static_cast<std::int64_t>(total);
  check(cudaDriverGetVersion(&device.driver_cuda), "asking for the driver's version");
  return device;
}

std::string device_note() {
  const Device device = open_device();
  return what_the_driver_does(device.name, device.compute_capability, built_architectures());
}

const std::string& why_no_device() {
  static const std::string why = [] {
    try {
      open_device();
      return std::string();
    } catch (const BackendError& error) {
      return std::string(error.what());
    }
  }();
  return why;
}

std::string why_not_together(std::int32_t ranks) {
  int count = 0;
  check(cudaGetDeviceCount(&count), "looking for GPUs");
  count = kernels::num_cards();
  if (ranks > count) {
    return fmt::format("tensor_parallel is {}, and {} {} found (CUDA_VISIBLE_DEVICES may hide others)", ranks, count,
                       count == 1 ? "GPU was" : "GPUs were");
  }
  cudaDeviceProp first{};
  check(cudaGetDeviceProperties(&first, 0), "asking the GPU what it is");
  for (int i = 1; i < ranks; ++i) {
    cudaDeviceProp other{};
    check(cudaGetDeviceProperties(&other, kernels::device_of(i)), "asking the GPU what it is");
    if (std::string(first.name) != other.name) {
      return fmt::format(
          "GPU 0 is {} and GPU {} is {}; tensor_parallel takes cards of one kind: choose them by "
          "CUDA_VISIBLE_DEVICES",
          first.name, i, other.name);
    }
  }
  if (!reach_each_other(ranks) && !why_no_nccl().empty()) {
    return "the GPUs cannot reach each other's memory, and " + why_no_nccl() +
           "; or choose cards joined by NVLink or on one PCIe switch by CUDA_VISIBLE_DEVICES";
  }
  return {};
}

bool reach_each_other(std::int32_t ranks) {
  for (std::int32_t i = 0; i < ranks; ++i) {
    for (std::int32_t j = 0; j < ranks; ++j) {
      const int from = kernels::device_of(i);
      const int to = kernels::device_of(j);
      int reaches = from == to ? 1 : 0;
      if (from != to) check(cudaDeviceCanAccessPeer(&reaches, from, to), "asking for access between GPUs");
      if (reaches == 0 || (ranks > 1 && !kernels::card().peer_access)) return false;
    }
  }
  return true;
}

void open_peers(std::int32_t rank, std::int32_t ranks) {
  for (std::int32_t other = 0; other < ranks; ++other) {
    const int device = kernels::device_of(other);
    if (device == kernels::device_of(rank)) continue;
    const cudaError_t error = cudaDeviceEnablePeerAccess(device, 0);
    if (error != cudaErrorPeerAccessAlreadyEnabled) check(error, "opening access between GPUs");
    cudaGetLastError();
  }
}

std::int64_t free_memory() {
  std::size_t free = 0;
  std::size_t total = 0;
  return cudaMemGetInfo(&free, &total) == cudaSuccess ? static_cast<std::int64_t>(free) : 0;
}

DeviceMemory::DeviceMemory(std::int64_t bytes, const char* what) : bytes_(bytes) {
  if (bytes == 0) return;
  void* data = nullptr;
  const cudaError_t error = cudaMalloc(&data, static_cast<std::size_t>(bytes));
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    throw BackendError(fmt::format("out of GPU memory: {}: {} MiB are needed, {} MiB are free", what, mebibytes(bytes),
                                   mebibytes(free_memory())));
  }
  check(error, what);
  data_ = static_cast<std::byte*>(data);
}

PinnedMemory::PinnedMemory(std::int64_t bytes) {
  void* data = nullptr;
  check(cudaHostAlloc(&data, static_cast<std::size_t>(bytes), cudaHostAllocPortable), "taking host memory");
  data_ = static_cast<std::byte*>(data);
}

TimeNs elapsed(const Event& from, const Event& to) {
  float milliseconds = 0;
  check(cudaEventElapsedTime(&milliseconds, from, to), "reading a time");
  return static_cast<TimeNs>(static_cast<double>(milliseconds) * 1e6);
}

void Graph::finish(cudaStream_t stream) {
  cudaGraph_t graph = nullptr;
  check(cudaStreamEndCapture(stream, &graph), "capturing a graph");
  const cudaError_t error = cudaGraphInstantiate(&exec_, graph, 0);
  cudaGraphDestroy(graph);
  check(error, "making a graph executable");
  check(cudaGraphUpload(exec_, stream), "making a graph executable");  // or the first launch would
}

}  // namespace tokenyard::cuda
