// What the norms of one card and of several share: a block has a row, a thread eight numbers of it.
#pragma once

#include "kernels/norm.h"
#include "kernels/vector.cuh"

namespace tokenyard::kernels {

inline constexpr int kLanes = 32;

// The same on every thread. A tree over lanes, then over warps: its shape depends on the size of the block only.
__device__ inline float sum_over_block(float value) {
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

// x / sqrt(mean(x^2) + epsilon) * weight. Threads beyond the row hold zeros. All threads of the block call it.
__device__ inline void normalize(Floats& x, const Floats& weight, const Norm& args) {
  float squares = 0;
  for (int i = 0; i < kVector; ++i) squares += x.value[i] * x.value[i];
  const float mean = sum_over_block(squares) / static_cast<float>(args.hidden);
  const float factor = 1.0f / sqrtf(mean + args.epsilon);
  for (int i = 0; i < kVector; ++i) x.value[i] *= factor * weight.value[i];
}

// The sum of part(0) .. part(Count - 1), neighbours first: ((0+1)+(2+3)) + ((4+5)+(6+7)).
template <int Count, class Part>
__device__ __forceinline__ Floats sum_as_tree(const Part& part, int first = 0) {
  if constexpr (Count == 1) {
    return part(first);
  } else {
    Floats low = sum_as_tree<Count / 2>(part, first);
    const Floats high = sum_as_tree<Count / 2>(part, first + Count / 2);
    for (int i = 0; i < kVector; ++i) low.value[i] += high.value[i];
    return low;
  }
}

inline dim3 norm_threads(std::int32_t hidden) {
  return dim3(static_cast<unsigned>((hidden / kVector + kLanes - 1) / kLanes * kLanes));
}

}  // namespace tokenyard::kernels
