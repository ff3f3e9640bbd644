// What the norms of one card and of several share: a block has a row, a thread eight numbers of it, four in each half, so that
// what the threads of a warp touch at once is one piece of memory (another card's is read in such pieces).
#pragma once

#include "kernels/norm.h"
#include "kernels/vector.cuh"

namespace tokenyard::kernels {

inline constexpr int kLanes = 32;

// Of a row of `hidden` numbers this thread has first() .. first() + 3 and as many from hidden / 2 + first() on.
__device__ __forceinline__ int first() { return static_cast<int>(threadIdx.x) * kVector / 2; }

// The others take `at` in place of the thread's own.
__device__ __forceinline__ Floats load_row(const float* row, int hidden, int at = first()) {
  const float4 a = *reinterpret_cast<const float4*>(row + at);
  const float4 b = *reinterpret_cast<const float4*>(row + hidden / 2 + at);
  return {{a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w}};
}
__device__ __forceinline__ Floats load_row(const Bf16* row, int hidden, int at = first()) {
  const uint2 a = *reinterpret_cast<const uint2*>(row + at);
  const uint2 b = *reinterpret_cast<const uint2*>(row + hidden / 2 + at);
  const unsigned int words[] = {a.x, a.y, b.x, b.y};
  Floats out;
  for (int i = 0; i < kVector; ++i) {  // a bf16 is the upper half of a float
    out.value[i] = __uint_as_float(i % 2 == 0 ? words[i / 2] << 16 : words[i / 2] & 0xffff0000u);
  }
  return out;
}
__device__ __forceinline__ void store_row(float* row, int hidden, const Floats& x, int at = first()) {
  const float* const v = x.value;
  *reinterpret_cast<float4*>(row + at) = make_float4(v[0], v[1], v[2], v[3]);
  *reinterpret_cast<float4*>(row + hidden / 2 + at) = make_float4(v[4], v[5], v[6], v[7]);
}
__device__ __forceinline__ void store_row(Bf16* row, int hidden, const Floats& x, int at = first()) {
  alignas(8) __nv_bfloat162 pairs[kVector / 2];
  for (int i = 0; i < kVector / 2; ++i) pairs[i] = __floats2bfloat162_rn(x.value[2 * i], x.value[2 * i + 1]);
  const uint2* const words = reinterpret_cast<const uint2*>(pairs);
  *reinterpret_cast<uint2*>(row + at) = words[0];
  *reinterpret_cast<uint2*>(row + hidden / 2 + at) = words[1];
}

// A tree; the same on every lane.
__device__ __forceinline__ float sum_over_warp(float value) {
  for (int distance = kLanes / 2; distance > 0; distance /= 2) value += __shfl_xor_sync(~0u, value, distance);
  return value;
}

// The same on every thread. A tree over lanes, then over warps: its shape depends on the size of the block only.
__device__ inline float sum_over_block(float value) {
  __shared__ float warp_sums[kLanes];
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  const int warps = static_cast<int>(blockDim.x) / kLanes;
  value = sum_over_warp(value);
  if (lane == 0) warp_sums[threadIdx.x / kLanes] = value;
  __syncthreads();
  return sum_over_warp(lane < warps ? warp_sums[lane] : 0.0f);
}

__device__ __forceinline__ float sum_of_squares(const Floats& x) {
  float squares = 0;
  for (int i = 0; i < kVector; ++i) squares += x.value[i] * x.value[i];
  return squares;
}

// x / sqrt(mean(x^2) + epsilon) * weight; `squares`: the sum of x^2 over the row.
__device__ __forceinline__ void normalize(Floats& x, const Floats& weight, float squares, const Norm& args) {
  const float mean = squares / static_cast<float>(args.hidden);
  const float factor = 1.0f / sqrtf(mean + args.epsilon);
  for (int i = 0; i < kVector; ++i) x.value[i] *= factor * weight.value[i];
}

// Of a row that the block has, zeros in the threads beyond it. All threads call it.
__device__ inline void normalize(Floats& x, const Floats& weight, const Norm& args) {
  normalize(x, weight, sum_over_block(sum_of_squares(x)), args);
}

// The sum of part(0) .. part(Count - 1), each with numbers `value`, neighbours first: ((0+1)+(2+3)) + ((4+5)+(6+7)).
template <int Count, class Part>
__device__ __forceinline__ auto sum_as_tree(const Part& part, int first = 0) {
  if constexpr (Count == 1) {
    return part(first);
  } else {
    auto low = sum_as_tree<Count / 2>(part, first);
    const auto high = sum_as_tree<Count / 2>(part, first + Count / 2);
    constexpr int kNumbers = sizeof(low.value) / sizeof(low.value[0]);
    for (int i = 0; i < kNumbers; ++i) low.value[i] += high.value[i];
    return low;
  }
}

__host__ __device__ inline int norm_warps(std::int32_t hidden) { return (hidden / kVector + kLanes - 1) / kLanes; }
inline dim3 norm_threads(std::int32_t hidden) { return dim3(static_cast<unsigned>(norm_warps(hidden) * kLanes)); }

}  // namespace tokenyard::kernels
