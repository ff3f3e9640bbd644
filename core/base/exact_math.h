// Arithmetic that gives the same bits in g++, clang++ and nvcc, on every host and every device: IEEE single precision, one
// rounding an operation, in the order written. No libm (its exp differs between versions) and no fused multiply-add: the host
// must be compiled with -ffp-contract=off, the device functions use intrinsics that nvcc never fuses; neither may flush
// subnormal numbers to zero (no -ffast-math, no -use_fast_math).
#pragma once

#include <cstdint>
#include <cstring>

#ifdef __CUDACC__
#define TOKENYARD_HD __host__ __device__ __forceinline__
#else
#define TOKENYARD_HD inline __attribute__((always_inline))  // also from functions built for a wider instruction set
#endif

namespace tokenyard::exact {

#ifdef __CUDA_ARCH__
TOKENYARD_HD float add(float a, float b) { return __fadd_rn(a, b); }
TOKENYARD_HD float sub(float a, float b) { return __fsub_rn(a, b); }
TOKENYARD_HD float mul(float a, float b) { return __fmul_rn(a, b); }
TOKENYARD_HD float div(float a, float b) { return __fdiv_rn(a, b); }
TOKENYARD_HD std::uint32_t bits_of(float x) { return __float_as_uint(x); }
TOKENYARD_HD float float_of(std::uint32_t bits) { return __uint_as_float(bits); }
TOKENYARD_HD float to_float(std::uint32_t x) { return __uint2float_rn(x); }
TOKENYARD_HD float to_float(std::uint64_t x) { return __ull2float_rn(x); }
// One instruction; nvcc makes a product of 64-bit numbers of what the host has below.
TOKENYARD_HD std::uint64_t product(std::uint32_t a, std::uint32_t b) {
  std::uint64_t out;
  asm("mul.wide.u32 %0, %1, %2;" : "=l"(out) : "r"(a), "r"(b));
  return out;
}
#else
TOKENYARD_HD float add(float a, float b) { return a + b; }
TOKENYARD_HD float sub(float a, float b) { return a - b; }
TOKENYARD_HD float mul(float a, float b) { return a * b; }
TOKENYARD_HD float div(float a, float b) { return a / b; }
TOKENYARD_HD std::uint32_t bits_of(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}
TOKENYARD_HD float float_of(std::uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}
TOKENYARD_HD float to_float(std::uint32_t x) { return static_cast<float>(x); }
TOKENYARD_HD float to_float(std::uint64_t x) { return static_cast<float>(x); }
TOKENYARD_HD std::uint64_t product(std::uint32_t a, std::uint32_t b) { return std::uint64_t{a} * b; }
#endif

// e^x for x <= 0, relative error below 2e-7; 0 below -87 (so also for minus infinity). x > 0 and NaN: unspecified.
// x = n ln 2 + r with |r| <= ln 2 / 2, e^r by its series to r^7 / 5040; branch-free, so that compilers vectorise it.
TOKENYARD_HD float exp_of_negative(float x) {
  const bool vanishes = x < -87.0f;
  x = vanishes ? -87.0f : x;
  const float shifter = 12582912.0f;  // 1.5 x 2^23: adding it rounds to an integer, which then stands in the low bits
  const float shifted = add(mul(x, 1.44269504f), shifter);
  const float n = sub(shifted, shifter);
  // ln 2 in two parts; the first has 9 bits, so that its product with n is exact.
  float r = sub(x, mul(n, 0.693359375f));
  r = sub(r, mul(n, -2.12194440e-4f));
  float p = 1.98412698e-4f;
  p = add(mul(p, r), 1.38888889e-3f);
  p = add(mul(p, r), 8.33333333e-3f);
  p = add(mul(p, r), 4.16666667e-2f);
  p = add(mul(p, r), 1.66666667e-1f);
  p = add(mul(p, r), 0.5f);
  p = add(add(mul(mul(r, r), p), r), 1.0f);
  // Times 2^n, by the exponent field: p is in [0.7, 1.42] and n >= -126, so nothing is subnormal but p < 1 at n = -126.
  const float power = float_of((bits_of(shifted) - bits_of(shifter) + 127u) << 23);
  return vanishes ? 0.0f : mul(p, power);
}

// ln(1 + f) for -0.293 <= f <= 0.415, relative error below 4e-7: 2 artanh(s), s = f / (2 + f), by its series to s^11.
TOKENYARD_HD float log_near_one(float f) {
  const float s = div(f, add(2.0f, f));
  const float z = mul(s, s);
  float p = 9.09090909e-2f;
  p = add(mul(p, z), 1.11111111e-1f);
  p = add(mul(p, z), 1.42857143e-1f);
  p = add(mul(p, z), 2.0e-1f);
  p = add(mul(p, z), 3.33333333e-1f);
  p = mul(p, z);
  const float twice = add(s, s);
  return add(twice, mul(twice, p));
}

// ln x for normal positive x; absolute error below 1e-7 x max(1, |ln x|).
TOKENYARD_HD float log(float x) {
  const std::uint32_t bits = bits_of(x);
  // The exponent that leaves a significand in [0.7071, 1.4142).
  const std::uint32_t e = (bits - 0x3f3504f3u) & 0xff800000u;
  const float m = float_of(bits - e);
  const float n = static_cast<float>(static_cast<std::int32_t>(e) / (1 << 23));  // exact
  // ln 2 in two parts, as above.
  return add(mul(n, 0.693359375f), add(log_near_one(sub(m, 1.0f)), mul(n, -2.12194440e-4f)));
}

}  // namespace tokenyard::exact
