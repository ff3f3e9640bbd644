#include "tests/kernels/gpu/support/device.h"

#include <cuda_runtime.h>

#include <cmath>

namespace tokenyard::gpu {
namespace {

__device__ std::uint32_t scrambled(std::uint32_t x) {
  x = (x ^ x >> 16) * 0x7feb352du;
  x = (x ^ x >> 15) * 0x846ca68bu;
  return x ^ x >> 16;
}

// The sum of four uniform numbers, of variance 1/3 together, is nearly normal.
__global__ void fill_random_kernel(Bf16* data, std::size_t size, std::uint32_t seed, float scale) {
  const std::size_t stride = std::size_t{gridDim.x} * blockDim.x;
  for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < size; i += stride) {
    const std::uint32_t a = scrambled(static_cast<std::uint32_t>(i) ^ seed);
    const std::uint32_t b = scrambled(a + static_cast<std::uint32_t>(i >> 32) + 0x9e3779b9u);
    const float sum = static_cast<float>((a & 0xffff) + (a >> 16) + (b & 0xffff) + (b >> 16)) / 65536.0f;
    data[i] = __float2bfloat16((sum - 2.0f) * 1.7320508f * scale);
  }
}

double value(Bf16 x) { return static_cast<double>(__bfloat162float(x)); }
double value(float x) { return static_cast<double>(x); }

template <class T>
double distance(std::span<const T> x, std::span<const double> reference) {
  double error = 0;
  double norm = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    error += (value(x[i]) - reference[i]) * (value(x[i]) - reference[i]);
    norm += reference[i] * reference[i];
  }
  return std::sqrt(error / norm);
}

}  // namespace

void check(cudaError_t error, const char* what) {
  if (error != cudaSuccess) throw kernels::DeviceError(std::string(what) + ": " + cudaGetErrorString(error));
}

void synchronize() {
  check(cudaDeviceSynchronize(), "running");
  check(cudaGetLastError(), "running");
}

CapturedGraph::CapturedGraph(const std::function<void(kernels::Stream)>& launch) {
  cudaStream_t stream;
  check(cudaStreamCreate(&stream), "cudaStreamCreate");
  check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "capturing");
  launch(stream);
  check(cudaStreamEndCapture(stream, &graph_), "capturing");
  check(cudaGraphInstantiate(&executable_, graph_, 0), "cudaGraphInstantiate");
  check(cudaStreamDestroy(stream), "cudaStreamDestroy");
}

CapturedGraph::~CapturedGraph() {
  cudaGraphExecDestroy(executable_);
  cudaGraphDestroy(graph_);
}

void fill_random(Bf16* data, std::size_t size, std::uint32_t seed, float scale) {
  fill_random_kernel<<<1024, 256>>>(data, size, seed, scale);
  check(cudaGetLastError(), "fill_random");
}

double relative_l2(std::span<const Bf16> x, std::span<const double> reference) { return distance(x, reference); }
double relative_l2(std::span<const float> x, std::span<const double> reference) { return distance(x, reference); }

}  // namespace tokenyard::gpu
