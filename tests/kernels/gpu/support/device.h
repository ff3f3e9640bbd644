// Device memory and data for the GPU tests and benchmarks.
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "kernels/device.h"

namespace tokenyard::gpu {

using kernels::Bf16;

// Throws kernels::DeviceError.
void check(cudaError_t error, const char* what);
// Waits for everything and throws what went wrong since the last call.
void synchronize();

// An owned array in device memory, filled with 0xff bytes: NaN as any floating-point number, -1 as an integer. What a kernel
// reads without its being written then shows.
template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(std::size_t size) : size_(size) {
    check(cudaMalloc(reinterpret_cast<void**>(&data_), size_ * sizeof(T) + 1), "cudaMalloc");  // + 1: no null for nothing
    poison();
  }
  explicit DeviceArray(std::span<const T> values) : DeviceArray(values.size()) { upload(values); }
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(std::span<const T>(values)) {}
  DeviceArray(DeviceArray&& other) noexcept : data_(other.data_), size_(other.size_) { other.data_ = nullptr; }
  DeviceArray& operator=(DeviceArray&&) = delete;
  ~DeviceArray() { cudaFree(data_); }

  T* data() const { return data_; }
  std::size_t size() const { return size_; }
  void poison() { check(cudaMemset(data_, 0xff, size_ * sizeof(T)), "cudaMemset"); }
  void upload(std::span<const T> values) {
    check(cudaMemcpy(data_, values.data(), values.size_bytes(), cudaMemcpyHostToDevice), "copying to the device");
  }
  std::vector<T> download() const {
    std::vector<T> values(size_);
    check(cudaMemcpy(values.data(), data_, size_ * sizeof(T), cudaMemcpyDeviceToHost), "copying from the device");
    return values;
  }

 private:
  T* data_ = nullptr;
  std::size_t size_;
};

// What `launch` puts into the stream, to be launched again and again.
class CapturedGraph {
 public:
  explicit CapturedGraph(const std::function<void(kernels::Stream)>& launch);
  CapturedGraph(const CapturedGraph&) = delete;
  CapturedGraph& operator=(const CapturedGraph&) = delete;
  ~CapturedGraph();

  void launch(kernels::Stream stream) const { check(cudaGraphLaunch(executable_, stream), "cudaGraphLaunch"); }

 private:
  cudaGraph_t graph_ = nullptr;
  cudaGraphExec_t executable_ = nullptr;
};

// Independent numbers, mean 0 and about `scale` as standard deviation, a function of (seed, index).
void fill_random(Bf16* data, std::size_t size, std::uint32_t seed, float scale = 1.0f);

// ||x - reference|| / ||reference||. NaN if any x is.
double relative_l2(std::span<const Bf16> x, std::span<const double> reference);
double relative_l2(std::span<const float> x, std::span<const double> reference);

}  // namespace tokenyard::gpu
