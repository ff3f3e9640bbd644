#include "kernels/swiglu.h"

#include "kernels/launch.cuh"
#include "kernels/swiglu.cuh"

namespace tokenyard::kernels {
namespace {

constexpr int kThreads = 128;

__global__ void swiglu_kernel(const Bf16* gate_up, std::int32_t intermediate, Bf16* out) {
  wait_for_predecessor();
  let_successor_start();
  const int column = static_cast<int>(blockIdx.y * kThreads + threadIdx.x) * kVector;
  const std::int64_t token = blockIdx.x;
  if (column >= intermediate) return;
  const Bf16* const gate_at = gate_up + token * 2 * intermediate + column;
  store(out + token * intermediate + column, gated(load(gate_at), load(gate_at + intermediate)));
}

}  // namespace

void swiglu(const Bf16* gate_up, std::int32_t tokens, std::int32_t intermediate, Bf16* out, Stream stream) {
  const auto blocks = static_cast<unsigned>((intermediate / kVector + kThreads - 1) / kThreads);
  launch("swiglu", swiglu_kernel, dim3(static_cast<unsigned>(tokens), blocks), dim3(kThreads), 0, stream, gate_up, intermediate,
         out);
}

}  // namespace tokenyard::kernels
