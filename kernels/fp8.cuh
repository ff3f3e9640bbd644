// K and V in fp8 (core/base/fp8.h) on the card: where a vector's numbers lie, and how they become bf16.
#pragma once

#include <cuda_bf16.h>

#include <cstdint>

#include "core/base/fp8.h"

namespace tokenyard::kernels {

// Of each 16 dimensions the lower eight and the upper eight lie by turns: 0 8 1 9 2 10 ... So four bytes are two pairs of
// neighbours' partners, each pair two bytes apart, as multiply_add takes them.
TOKENYARD_HD constexpr int fp8_place(int dimension) { return dimension / 16 * 16 + dimension % 8 * 2 + dimension % 16 / 8; }

// A scale as a factor for two numbers.
__device__ __forceinline__ std::uint32_t fp8_factor(std::uint32_t stored) { return stored << 7 | stored << 23; }
__device__ __forceinline__ std::uint32_t fp8_factor(std::uint32_t low, std::uint32_t high) { return low << 7 | high << 23; }

__device__ __forceinline__ std::uint32_t fp8_times(std::uint32_t x, std::uint32_t factor) {
  const __nv_bfloat162 product =
      __hmul2(*reinterpret_cast<const __nv_bfloat162*>(&x), *reinterpret_cast<const __nv_bfloat162*>(&factor));
  return *reinterpret_cast<const std::uint32_t*>(&product);
}
// Bytes 0 and 2, and bytes 1 and 3, as bf16: sign, exponent and fraction to their places, then one exact multiplication.
__device__ __forceinline__ std::uint32_t fp8_even(std::uint32_t codes, std::uint32_t factor) {
  return fp8_times((codes << 8 & 0x80008000u) | (codes << 4 & 0x07f007f0u), factor);
}
__device__ __forceinline__ std::uint32_t fp8_odd(std::uint32_t codes, std::uint32_t factor) {
  return fp8_times((codes & 0x80008000u) | (codes >> 4 & 0x07f007f0u), factor);
}

}  // namespace tokenyard::kernels
