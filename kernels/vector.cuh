// Eight bf16 numbers at a time: 16 bytes, the widest access a thread has.
#pragma once

#include <cuda_bf16.h>

namespace tokenyard::kernels {

inline constexpr int kVector = 8;

struct Floats {
  float value[kVector];
};

// REQUIRES for all: 16-byte aligned.
__device__ __forceinline__ Floats load(const __nv_bfloat16* from) {
  const uint4 bits = *reinterpret_cast<const uint4*>(from);
  const unsigned int words[] = {bits.x, bits.y, bits.z, bits.w};
  Floats out;
  for (int i = 0; i < kVector; ++i) {  // a bf16 is the upper half of a float
    out.value[i] = __uint_as_float(i % 2 == 0 ? words[i / 2] << 16 : words[i / 2] & 0xffff0000u);
  }
  return out;
}

__device__ __forceinline__ Floats load(const float* from) {
  const float4 low = reinterpret_cast<const float4*>(from)[0];
  const float4 high = reinterpret_cast<const float4*>(from)[1];
  return {{low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w}};
}

__device__ __forceinline__ void store(__nv_bfloat16* to, const Floats& x) {
  __nv_bfloat162 pairs[kVector / 2];
  for (int i = 0; i < kVector / 2; ++i) pairs[i] = __floats2bfloat162_rn(x.value[2 * i], x.value[2 * i + 1]);
  *reinterpret_cast<uint4*>(to) = *reinterpret_cast<const uint4*>(pairs);
}

__device__ __forceinline__ void store(float* to, const Floats& x) {
  reinterpret_cast<float4*>(to)[0] = make_float4(x.value[0], x.value[1], x.value[2], x.value[3]);
  reinterpret_cast<float4*>(to)[1] = make_float4(x.value[4], x.value[5], x.value[6], x.value[7]);
}

}  // namespace tokenyard::kernels
