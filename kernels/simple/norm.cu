// Residual addition and RMSNorm, a thread a row. docs/kernels/norm.md begins with it.
#include "kernels/launch.cuh"
#include "kernels/simple/simple.h"

namespace tokenyard::kernels::simple {
namespace {

constexpr int kThreads = 128;

__global__ void simple_norm(Norm args, const std::int32_t* tokens_of, std::int32_t rows) {
  const int row = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  if (row >= rows) return;
  Bf16* const out = args.out + static_cast<std::int64_t>(row) * args.hidden;
  const std::int64_t token = tokens_of == nullptr ? row : tokens_of[row];
  if (token < 0) {
    for (int i = 0; i < args.hidden; ++i) out[i] = __float2bfloat16(0.0f);
    return;
  }
  float* const residual = args.residual + token * args.hidden;
  const std::int64_t from = token * args.hidden;
  const auto sum_at = [&](int i) {
    return args.partial[0] == nullptr ? residual[i] : residual[i] + (args.partial[0][from + i] + args.partial[1][from + i]);
  };
  float squares = 0;
  for (int i = 0; i < args.hidden; ++i) squares += sum_at(i) * sum_at(i);
  const float factor = rsqrtf(squares / static_cast<float>(args.hidden) + args.epsilon);
  for (int i = 0; i < args.hidden; ++i) {
    const float sum = sum_at(i);
    if (tokens_of == nullptr) residual[i] = sum;
    out[i] = __float2bfloat16(sum * factor * __bfloat162float(args.weight[i]));
  }
}

void launch_norm(const Norm& args, const std::int32_t* tokens_of, std::int32_t rows, Stream stream) {
  simple_norm<<<static_cast<unsigned>((rows + kThreads - 1) / kThreads), kThreads, 0, stream>>>(args, tokens_of, rows);
  check(cudaGetLastError(), "simple_norm");
}

}  // namespace

void add_and_norm(const Norm& args, std::int32_t tokens, Stream stream) { launch_norm(args, nullptr, tokens, stream); }

void gather_and_norm(const Norm& args, const std::int32_t* tokens_of, std::int32_t rows, Stream stream) {
  launch_norm(args, tokens_of, rows, stream);
}

}  // namespace tokenyard::kernels::simple
