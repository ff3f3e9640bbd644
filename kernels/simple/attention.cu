// Decode attention as the formula is written. docs/kernels/attention.md begins with it.
#include "kernels/launch.cuh"
#include "kernels/simple/over_block.cuh"
#include "kernels/simple/simple.h"

namespace tokenyard::kernels::simple {
namespace {

// One block a (query head, token), one thread a dimension. Scores of the whole context lie in shared memory.
__global__ void simple_attention(Attention args) {
  extern __shared__ float score[];
  __shared__ float per_thread[128];
  const KvShape& s = args.shape;
  const AttentionRow token = args.rows[blockIdx.y];
  const int d = static_cast<int>(threadIdx.x);
  const int context = token.first + 1;
  const std::int64_t row = (static_cast<std::int64_t>(token.token) * gridDim.x + blockIdx.x) * s.head_dim;
  const auto at = [&](int which, int position) {
    const std::int64_t block =
        args.tables[static_cast<std::int64_t>(token.table) * args.table_stride + position / s.block_size];
    const std::int64_t of_layer = (2 * args.layer + which) * static_cast<std::int64_t>(s.blocks) + block;
    return args.kv +
           ((of_layer * s.kv_heads + static_cast<int>(blockIdx.x) / args.group) * s.block_size + position % s.block_size) *
               s.head_dim;
  };

  float greatest = -INFINITY;
  for (int t = d; t < context; t += s.head_dim) {
    const Bf16* const k = at(0, t);
    float sum = 0;
    for (int i = 0; i < s.head_dim; ++i) sum += __bfloat162float(args.q[row + i]) * __bfloat162float(k[i]);
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
  args.out[row + d] = __float2bfloat16(value / total);
}

}  // namespace

void attention(const Attention& args, Stream stream) {
  const std::size_t shared = sizeof(float) * static_cast<std::size_t>(args.table_stride * args.shape.block_size);
  check(cudaFuncSetAttribute(simple_attention, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared)),
        "simple_attention");
  const dim3 grid(static_cast<unsigned>(args.shape.kv_heads * args.group), static_cast<unsigned>(args.num_rows));
  simple_attention<<<grid, static_cast<unsigned>(args.shape.head_dim), shared, stream>>>(args);
  check(cudaGetLastError(), "simple_attention");
}

}  // namespace tokenyard::kernels::simple
