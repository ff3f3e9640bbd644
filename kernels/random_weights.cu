#include "kernels/launch.cuh"
#include "kernels/random_weights.h"

namespace tokenyard::kernels {
namespace {

// The finaliser of MurmurHash3 (Appleby): every bit of the result depends on every bit of x.
__device__ std::uint32_t mix(std::uint32_t x) {
  x = (x ^ x >> 16) * 0x85ebca6bu;
  x = (x ^ x >> 13) * 0xc2b2ae35u;
  return x ^ x >> 16;
}

__global__ void fill_random_kernel(Bf16* out, RandomPart part, std::uint32_t seed, float mean, float deviation) {
  wait_for_predecessor();
  const std::int64_t stride = std::int64_t{gridDim.x} * blockDim.x;
  const std::int64_t count = part.rows * part.columns;
  for (std::int64_t to = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; to < count; to += stride) {
    const std::int64_t i = part.first + to / part.columns * part.stride + to % part.columns;
    const std::uint32_t a = mix(static_cast<std::uint32_t>(i) ^ mix(seed + static_cast<std::uint32_t>(i >> 32)));
    const std::uint32_t b = mix(a + 0x9e3779b9u);
    const auto sum = static_cast<float>((a & 0xffff) + (a >> 16) + (b & 0xffff) + (b >> 16));
    // Four uniform variables on [0, 1) have mean 2 and variance 1/3.
    out[to] = __float2bfloat16(mean + (sum / 65536.0f - 2.0f) * 1.7320508f * deviation);
  }
}

}  // namespace

void fill_random(Bf16* out, const RandomPart& part, std::uint32_t seed, float mean, float deviation, Stream stream) {
  launch("filling weights", fill_random_kernel, dim3(1024), dim3(256), 0, stream, out, part, seed, mean, deviation);
}

}  // namespace tokenyard::kernels
