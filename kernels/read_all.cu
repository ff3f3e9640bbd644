#include "kernels/launch.cuh"
#include "kernels/read_all.h"

namespace tokenyard::kernels {
namespace {

constexpr int kThreads = 512;
constexpr int kBlockBytes = 65536;  // 512 threads with 8 loads each in flight: the fastest form of ten tried on an H100

__global__ void read_all_kernel(const uint4* data, std::uint32_t* sink) {
  wait_for_predecessor();
  constexpr int kLoads = kBlockBytes / kThreads / static_cast<int>(sizeof(uint4));
  const uint4* const own = data + std::int64_t{blockIdx.x} * (kBlockBytes / static_cast<int>(sizeof(uint4))) + threadIdx.x;
  std::uint32_t sum = 0;
#pragma unroll
  for (int i = 0; i < kLoads; ++i) {
    const uint4 v = __ldcs(own + i * kThreads);
    sum += v.x ^ v.y ^ v.z ^ v.w;
  }
  if (sum == 0x9e3779b9u) *sink = sum;
}

}  // namespace

void read_all(const void* data, std::int64_t bytes, std::uint32_t* sink, Stream stream) {
  launch("reading memory", read_all_kernel, dim3(static_cast<unsigned>(bytes / kBlockBytes)), dim3(kThreads), 0, stream,
         static_cast<const uint4*>(data), sink);
}

}  // namespace tokenyard::kernels
