// A matrix product, a thread a number, columns in ascending order. docs/kernels/small_gemm.md begins with it.
#include "kernels/launch.cuh"
#include "kernels/simple/simple.h"

namespace tokenyard::kernels::simple {
namespace {

constexpr int kThreads = 128;

__global__ void simple_gemm(const Bf16* weight, const Bf16* x, std::int32_t tokens, std::int32_t rows, std::int32_t columns,
                            Bf16* out) {
  const int i = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  if (i >= tokens * rows) return;
  const Bf16* const my_weight = weight + static_cast<std::int64_t>(i % rows) * columns;
  const Bf16* const my_x = x + static_cast<std::int64_t>(i / rows) * columns;
  float sum = 0;
  for (int k = 0; k < columns; ++k) sum += __bfloat162float(my_x[k]) * __bfloat162float(my_weight[k]);
  out[i] = __float2bfloat16(sum);
}

}  // namespace

void small_gemm(const Bf16* weight, const Bf16* x, std::int32_t tokens, std::int32_t rows, std::int32_t columns, Bf16* out,
                Stream stream) {
  const std::int32_t all = tokens * rows;
  simple_gemm<<<static_cast<unsigned>((all + kThreads - 1) / kThreads), kThreads, 0, stream>>>(weight, x, tokens, rows, columns,
                                                                                               out);
  check(cudaGetLastError(), "simple_gemm");
}

}  // namespace tokenyard::kernels::simple
