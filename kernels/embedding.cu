#include "kernels/embedding.h"

#include "kernels/launch.cuh"
#include "kernels/vector.cuh"

namespace tokenyard::kernels {
namespace {

__global__ void embed_kernel(Embedding args) {
  wait_for_predecessor();
  let_successor_start();
  const std::int64_t token = blockIdx.x;
  std::int32_t id = args.ids[token];
  if (id < 0) id = args.sampled[-1 - id];
  const bool known = id >= 0 && id < args.vocabulary;
  const Bf16* const from = args.table + std::int64_t{id} * args.hidden;
  float* const to = args.residual + token * args.hidden;
  for (int i = static_cast<int>(threadIdx.x) * kVector; i < args.hidden; i += static_cast<int>(blockDim.x) * kVector) {
    store(to + i, known ? load(from + i) : Floats{});
  }
}

}  // namespace

void embed(const Embedding& args, std::int32_t tokens, Stream stream) {
  launch("embed", embed_kernel, dim3(static_cast<unsigned>(tokens)), dim3(128), 0, stream, args);
}

}  // namespace tokenyard::kernels
