// The sum over ranks on one card that has all partial results in its memory, a thread a number. docs/kernels/rank_norm.md
// begins with it.
#include "kernels/launch.cuh"
#include "kernels/simple/simple.h"

namespace tokenyard::kernels::simple {
namespace {

constexpr int kThreads = 128;

__global__ void simple_sum(RankNorm args, float* sum, std::int64_t count) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= count) return;
  float parts[kMostCards];
  for (int r = 0; r < args.links.ranks; ++r) parts[r] = args.partial[r][i];
  for (int n = args.links.ranks; n > 1; n /= 2) {
    for (int r = 0; r < n / 2; ++r) parts[r] = parts[2 * r] + parts[2 * r + 1];
  }
  sum[i] = parts[0];
}

}  // namespace

void sum_over_ranks(const RankNorm& args, std::int32_t tokens, float* sum, Stream stream) {
  const std::int64_t count = std::int64_t{tokens} * args.norm.hidden;
  simple_sum<<<static_cast<unsigned>((count + kThreads - 1) / kThreads), kThreads, 0, stream>>>(args, sum, count);
  check(cudaGetLastError(), "simple_sum");
}

}  // namespace tokenyard::kernels::simple
