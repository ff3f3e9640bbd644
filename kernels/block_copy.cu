#include "kernels/block_copy.h"

#include "kernels/launch.cuh"
#include "kernels/vector.cuh"

namespace tokenyard::kernels {
namespace {

constexpr int kThreads = 256;

// A thread moves the same 16 bytes of every pair, so the order of pairs needs no other care.
__global__ void copy_blocks_kernel(Bf16* cache, std::int64_t blocks, std::int32_t block_elements, const BlockPair* pairs,
                                   std::int32_t count) {
  wait_for_predecessor();
  const int element = static_cast<int>(blockIdx.y * kThreads + threadIdx.x) * kVector;
  if (element >= block_elements) return;
  Bf16* const plane = cache + blockIdx.x * blocks * block_elements;
  const auto at = [&](std::int32_t block) {
    return reinterpret_cast<uint4*>(plane + std::int64_t{block} * block_elements + element);
  };
  for (std::int32_t i = 0; i < count; ++i) *at(pairs[i].to) = *at(pairs[i].from);
}

}  // namespace

void copy_blocks(Bf16* cache, std::int32_t planes, std::int64_t blocks, std::int32_t block_elements, const BlockPair* pairs,
                 std::int32_t count, Stream stream) {
  const std::int32_t pieces = (block_elements / kVector + kThreads - 1) / kThreads;
  launch("copy_blocks", copy_blocks_kernel, dim3(static_cast<unsigned>(planes), static_cast<unsigned>(pieces)), dim3(kThreads),
         0, stream, cache, blocks, block_elements, pairs, count);
}

}  // namespace tokenyard::kernels
