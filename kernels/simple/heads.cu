// Bias, QK-norm, rotation and K/V write, a thread a head of a token. docs/kernels/heads.md begins with it.
#include "kernels/launch.cuh"
#include "kernels/simple/simple.h"

namespace tokenyard::kernels::simple {
namespace {

constexpr int kThreads = 128;

__global__ void simple_heads(Heads args, std::int32_t tokens) {
  const int heads = args.num_heads + 2 * args.num_kv_heads;
  const int size = args.head_dim;
  const int i = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  const int token = i / heads;
  const int head = i % heads;
  if (token >= tokens || args.slots[token] < 0) return;
  const bool is_query = head < args.num_heads;
  const bool is_value = head >= args.num_heads + args.num_kv_heads;

  const auto biased = [&](int d) {
    const float x = __bfloat162float(args.qkv[static_cast<std::int64_t>(i) * size + d]);
    return args.bias == nullptr ? x : x + __bfloat162float(args.bias[head * size + d]);
  };
  const Bf16* const weight = is_value ? nullptr : is_query ? args.q_norm : args.k_norm;
  float squares = 0;
  for (int d = 0; d < size; ++d) squares += biased(d) * biased(d);
  const float factor = rsqrtf(squares / static_cast<float>(size) + args.epsilon);
  const auto normed = [&](int d) { return weight == nullptr ? biased(d) : biased(d) * factor * __bfloat162float(weight[d]); };

  Bf16* to = args.q + (static_cast<std::int64_t>(token) * args.num_heads + head) * size;
  if (!is_query) {
    const int kv_head = (head - args.num_heads) % args.num_kv_heads;
    const std::int64_t block = args.slots[token] / args.block_size;
    const int slot = args.slots[token] % args.block_size;
    to = (is_value ? args.values : args.keys) + ((block * args.num_kv_heads + kv_head) * args.block_size + slot) * size;
  }
  const std::int64_t angle = static_cast<std::int64_t>(args.positions[token]) * (size / 2);
  for (int d = 0; d < size / 2; ++d) {
    const float a = normed(d);
    const float b = normed(d + size / 2);
    const float cosine = is_value ? 1.0f : args.cosine[angle + d];  // values are not turned
    const float sine = is_value ? 0.0f : args.sine[angle + d];
    to[d] = __float2bfloat16(a * cosine - b * sine);
    to[d + size / 2] = __float2bfloat16(b * cosine + a * sine);
  }
}

}  // namespace

void prepare_heads(const Heads& args, std::int32_t tokens, Stream stream) {
  const std::int32_t all = tokens * (args.num_heads + 2 * args.num_kv_heads);
  simple_heads<<<static_cast<unsigned>((all + kThreads - 1) / kThreads), kThreads, 0, stream>>>(args, tokens);
  check(cudaGetLastError(), "simple_heads");
}

}  // namespace tokenyard::kernels::simple
