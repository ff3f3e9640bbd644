// K and V in eight bits a number (docs/fp8.md): each vector of a token and head has one scale, a power of two, and its numbers
// are e4m3: a sign, four bits of exponent (bias 7), three of fraction. The CPU and the GPU share these functions bit by bit.
//
// Every number that is read back is a whole number below 2^4 times a power of two: bf16 holds it exactly, and so does any
// product with another power of two. So a kernel may convert while it reads, and its sums are those of the bf16 kernel.
#pragma once

#include <cstdint>

#include "core/base/exact_math.h"

namespace tokenyard::fp8 {

inline constexpr std::uint32_t kLargest = 0x7e;  // 448; 0x7f, a NaN in other uses of e4m3, is never written

// Scales are 2^exponent. Above the greatest, numbers saturate at 448 x 2^7 = 57,344. Below the least they lose digits, at
// 2^-116 of what a model computes with.
inline constexpr std::int32_t kLeastExponent = -110;
inline constexpr std::int32_t kMostExponent = 7;

// One byte for a scale, as it is stored: what must stand in a bf16's exponent field to multiply by 2^(120 + exponent). 120
// is the difference of bf16's bias and e4m3's, so a number is read by putting its bits into a bf16 and one multiplication.
TOKENYARD_HD std::uint8_t stored_scale(std::int32_t exponent) { return static_cast<std::uint8_t>(exponent + 120 + 127); }
TOKENYARD_HD std::int32_t exponent_of(std::uint8_t scale) { return std::int32_t{scale} - 120 - 127; }

// 2^n. REQUIRES: -126 <= n <= 127.
TOKENYARD_HD float power_of_two(std::int32_t n) { return exact::float_of(static_cast<std::uint32_t>(n + 127) << 23); }

// The least exponent with which `greatest`, the greatest magnitude of a vector, is at most 448 x 2^exponent.
TOKENYARD_HD std::int32_t exponent_for(float greatest) {
  const std::uint32_t bits = exact::bits_of(greatest);
  const std::uint32_t fraction = bits & 0x7fffffu;
  const std::int32_t exponent = static_cast<std::int32_t>(bits >> 23 & 0xff) - 127 - 8 + (fraction > 0x600000u ? 1 : 0);
  return exponent < kLeastExponent ? kLeastExponent : exponent > kMostExponent ? kMostExponent : exponent;
}

// The nearest number to x / 2^exponent, of two the even one. NaN becomes the largest.
TOKENYARD_HD std::uint8_t encode(float x, std::int32_t exponent) {
  const std::uint32_t bits = exact::bits_of(exact::mul(x, power_of_two(-exponent)));
  const std::uint32_t sign = bits >> 24 & 0x80u;
  std::uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude >= 0x43e00000u) return static_cast<std::uint8_t>(sign | kLargest);  // 448
  if (magnitude < 0x3c800000u) {                                                    // 2^-6: multiples of 2^-9 below it
    // Floats from 2^14 on are such multiples: the addition rounds.
    magnitude = exact::bits_of(exact::add(exact::float_of(magnitude), 16384.0f)) - exact::bits_of(16384.0f);
    return static_cast<std::uint8_t>(sign | magnitude);
  }
  magnitude += 0x7ffffu + (magnitude >> 20 & 1u);
  return static_cast<std::uint8_t>(sign | ((magnitude >> 20) - (120u << 3)));
}

// Exact.
TOKENYARD_HD float decode(std::uint8_t code, std::int32_t exponent) {
  const std::uint32_t bits = (code & 0x80u) << 24 | (code & 0x7fu) << 20;
  return exact::mul(exact::mul(exact::float_of(bits), power_of_two(120)), power_of_two(exponent));
}

// A vector as it would be read back.
inline void round(float* x, std::int32_t count) {
  float greatest = 0;
  for (std::int32_t i = 0; i < count; ++i) {
    const float magnitude = exact::float_of(exact::bits_of(x[i]) & 0x7fffffffu);
    if (magnitude > greatest) greatest = magnitude;
  }
  const std::int32_t exponent = exponent_for(greatest);
  for (std::int32_t i = 0; i < count; ++i) x[i] = decode(encode(x[i], exponent), exponent);
}

}  // namespace tokenyard::fp8
