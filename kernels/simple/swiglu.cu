// silu(gate) * up, a thread an element. docs/kernels/swiglu.md begins with it.
#include "kernels/launch.cuh"
#include "kernels/simple/simple.h"

namespace tokenyard::kernels::simple {
namespace {

constexpr int kThreads = 256;

__global__ void simple_swiglu(const Bf16* gate_up, std::int32_t tokens, std::int32_t intermediate, Bf16* out) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  const std::int64_t token = i / intermediate;
  if (token >= tokens) return;
  const std::int64_t gate_at = i + token * intermediate;
  const float gate = __bfloat162float(gate_up[gate_at]);
  const float up = __bfloat162float(gate_up[gate_at + intermediate]);
  out[i] = __float2bfloat16(gate / (1.0f + expf(-gate)) * up);
}

}  // namespace

void swiglu(const Bf16* gate_up, std::int32_t tokens, std::int32_t intermediate, Bf16* out, Stream stream) {
  const std::int64_t all = static_cast<std::int64_t>(tokens) * intermediate;
  simple_swiglu<<<static_cast<unsigned>((all + kThreads - 1) / kThreads), kThreads, 0, stream>>>(gate_up, tokens, intermediate,
                                                                                                 out);
  check(cudaGetLastError(), "simple_swiglu");
}

}  // namespace tokenyard::kernels::simple
