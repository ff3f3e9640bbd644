#include "kernels/norm.h"

#include "kernels/launch.cuh"
#include "kernels/vector.cuh"

namespace tokenyard::kernels {
namespace {

constexpr int kLanes = 32;

// The same on every thread. A tree over lanes, then over warps: its shape depends on the size of the block only.
__device__ float sum_over_block(float value) {
  __shared__ float warp_sums[kLanes];
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  const int warps = static_cast<int>(blockDim.x) / kLanes;
  for (int distance = kLanes / 2; distance > 0; distance /= 2) value += __shfl_xor_sync(~0u, value, distance);
  if (lane == 0) warp_sums[threadIdx.x / kLanes] = value;
  __syncthreads();
  value = lane < warps ? warp_sums[lane] : 0.0f;
  for (int distance = kLanes / 2; distance > 0; distance /= 2) value += __shfl_xor_sync(~0u, value, distance);
  return value;
}

// One block a row, one vector a thread, so the row is read once.
template <bool Gather>
__global__ void norm_kernel(Norm args, const std::int32_t* tokens_of) {
  const int column = static_cast<int>(threadIdx.x) * kVector;
  const bool inside = column < args.hidden;
  const Floats weight = inside ? load(args.weight + column) : Floats{};  // no step writes it: it may be read before
  cudaGridDependencySynchronize();
  cudaTriggerProgrammaticLaunchCompletion();

  const std::int64_t row = blockIdx.x;
  const std::int64_t token = Gather ? tokens_of[row] : row;
  const std::int64_t from = token * args.hidden + column;
  Floats x{};
  if (inside && token >= 0) {
    x = load(args.residual + from);
    if (args.branch != nullptr) {
      const Floats branch = load(args.branch + from);
      for (int i = 0; i < kVector; ++i) x.value[i] += branch.value[i];
      if (!Gather) store(args.residual + from, x);
    }
  }
  float squares = 0;
  for (int i = 0; i < kVector; ++i) squares += x.value[i] * x.value[i];
  const float mean = sum_over_block(squares) / static_cast<float>(args.hidden);
  const float factor = 1.0f / sqrtf(mean + args.epsilon);
  for (int i = 0; i < kVector; ++i) x.value[i] *= factor * weight.value[i];
  if (inside) store(args.out + row * args.hidden + column, x);
}

dim3 threads_for(std::int32_t hidden) { return dim3(static_cast<unsigned>((hidden / kVector + kLanes - 1) / kLanes * kLanes)); }

}  // namespace

void add_and_norm(const Norm& args, std::int32_t tokens, Stream stream) {
  launch("add_and_norm", norm_kernel<false>, dim3(static_cast<unsigned>(tokens)), threads_for(args.hidden), 0, stream, args,
         nullptr);
}

void gather_and_norm(const Norm& args, const std::int32_t* tokens_of, std::int32_t rows, Stream stream) {
  launch("gather_and_norm", norm_kernel<true>, dim3(static_cast<unsigned>(rows)), threads_for(args.hidden), 0, stream, args,
         tokens_of);
}

}  // namespace tokenyard::kernels
