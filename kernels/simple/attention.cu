// Decode attention as the formula says it: where docs/kernels/attention.md begins.
#include <cuda_runtime.h>

#include "tests/kernels/gpu/support/attention_problem.h"
#include "tests/kernels/gpu/support/over_block.cuh"

namespace tokenyard::gpu {
namespace {

// One block a (query head, token), one thread a dimension. Scores of the whole context lie in shared memory.
__global__ void simple_attention(const Bf16* q, const Bf16* kv, kernels::KvShape s, int layer, int group,
                                 const std::int32_t* tables, int stride, const kernels::AttentionRow* tokens, Bf16* out) {
  extern __shared__ float score[];
  __shared__ float per_thread[128];
  const kernels::AttentionRow token = tokens[blockIdx.y];
  const int d = static_cast<int>(threadIdx.x);
  const int context = token.first + 1;
  const std::int64_t row = (static_cast<std::int64_t>(token.token) * gridDim.x + blockIdx.x) * s.head_dim;
  const auto at = [&](int which, int position) {
    const std::int64_t block = tables[static_cast<std::int64_t>(token.table) * stride + position / s.block_size];
    const std::int64_t of_layer = (2 * layer + which) * static_cast<std::int64_t>(s.blocks) + block;
    return kv + ((of_layer * s.kv_heads + static_cast<int>(blockIdx.x) / group) * s.block_size + position % s.block_size) *
                    s.head_dim;
  };

  float greatest = -INFINITY;
  for (int t = d; t < context; t += s.head_dim) {
    const Bf16* const k = at(0, t);
    float sum = 0;
    for (int i = 0; i < s.head_dim; ++i) sum += __bfloat162float(q[row + i]) * __bfloat162float(k[i]);
    score[t] = sum * rsqrtf(static_cast<float>(s.head_dim));
    greatest = fmaxf(greatest, score[t]);
  }
  greatest = over_block(greatest, per_thread, [](float a, float b) { return fmaxf(a, b); });
  for (int t = d; t < context; t += s.head_dim) score[t] = expf(score[t] - greatest);
  __syncthreads();
  float total = 0;
  float value = 0;
  for (int t = 0; t < context; ++t) {
    total += score[t];
    value += score[t] * __bfloat162float(at(1, t)[d]);
  }
  out[row + d] = __float2bfloat16(value / total);
}

}  // namespace

void AttentionProblem::launch_simple(std::int32_t layer, kernels::Stream stream) const {
  const std::size_t shared = sizeof(float) * static_cast<std::size_t>(table_stride_ * shape_.block_size);
  check(cudaFuncSetAttribute(simple_attention, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared)),
        "simple_attention");
  simple_attention<<<dim3(static_cast<unsigned>(shape_.kv_heads * group_), static_cast<unsigned>(rows_.size())),
                     static_cast<unsigned>(shape_.head_dim), shared, stream>>>(
      q_.data(), kv_.data(), shape_, layer, group_, tables_.data(), table_stride_, rows_on_device_.data(), out_.data());
  check(cudaGetLastError(), "simple_attention");
}

}  // namespace tokenyard::gpu
