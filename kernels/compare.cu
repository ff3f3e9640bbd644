#include "kernels/compare.h"
#include "kernels/launch.cuh"

namespace tokenyard::kernels {
namespace {

__global__ void count_differing_kernel(const std::uint16_t* a, const std::uint16_t* b, std::int64_t count,
                                       unsigned long long* differing) {
  wait_for_predecessor();
  const std::int64_t stride = std::int64_t{gridDim.x} * blockDim.x;
  unsigned long long own = 0;
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += stride) own += a[i] != b[i];
  if (own != 0) atomicAdd(differing, own);
}

}  // namespace

void count_differing(const Bf16* a, const Bf16* b, std::int64_t count, unsigned long long* differing, Stream stream) {
  launch("comparing products", count_differing_kernel, dim3(528), dim3(256), 0, stream,
         reinterpret_cast<const std::uint16_t*>(a), reinterpret_cast<const std::uint16_t*>(b), count, differing);
}

}  // namespace tokenyard::kernels
