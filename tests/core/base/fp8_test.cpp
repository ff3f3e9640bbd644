#include "core/base/fp8.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "catch.h"

namespace tokenyard {
namespace {

// What e4m3 says of a code, in double precision.
double meaning(std::uint8_t code) {
  const int exponent = code >> 3 & 15;
  const int fraction = code & 7;
  const double magnitude = exponent == 0 ? std::ldexp(fraction, -9) : std::ldexp(8 + fraction, exponent - 7 - 3);
  return code & 0x80 ? -magnitude : magnitude;
}

bool is_written(int code) { return (code & 0x7f) <= static_cast<int>(fp8::kLargest); }

TEST_CASE("fp8: every code is read as e4m3 says, and written back as itself, at every scale") {
  CHECK(meaning(fp8::kLargest) == 448);
  for (std::int32_t e = fp8::kLeastExponent; e <= fp8::kMostExponent; ++e) {
    CHECK(fp8::exponent_of(fp8::stored_scale(e)) == e);
    for (int code = 0; code < 256; ++code) {
      const float x = fp8::decode(static_cast<std::uint8_t>(code), e);
      const bool same = static_cast<double>(x) == std::ldexp(meaning(static_cast<std::uint8_t>(code)), e);
      const bool back = !is_written(code) || fp8::encode(x, e) == code;
      // bf16 has a float's first 16 bits.
      if (!same || !back || (exact::bits_of(x) & 0xffffu) != 0) FAIL("code " << code << ", exponent " << e);
    }
  }
}

TEST_CASE("fp8: a number becomes the nearest, of two the even one, and saturates") {
  std::mt19937 dice(1);
  const auto check = [](float x, std::int32_t e) {
    const double scaled = std::ldexp(static_cast<double>(x), -e);
    const std::uint8_t code = fp8::encode(x, e);
    const double off = std::fabs(meaning(code) - scaled);
    for (int other = 0; other < 256; ++other) {
      if (!is_written(other) || meaning(static_cast<std::uint8_t>(other)) == meaning(code)) continue;
      const double theirs = std::fabs(meaning(static_cast<std::uint8_t>(other)) - scaled);
      if (theirs < off || (theirs == off && code % 2 == 1)) FAIL(x << " became code " << int{code} << ", not " << other);
    }
  };
  for (int i = 0; i < 20000; ++i) {
    const auto e = static_cast<std::int32_t>(dice() % 118) + fp8::kLeastExponent;
    const std::int32_t exponent = e - 14 + static_cast<std::int32_t>(dice() % 24) + 127;
    if (exponent < 1 || exponent > 254) continue;
    const auto random = static_cast<std::uint32_t>(dice() & 0x807fffffu);  // sign and fraction
    check(exact::float_of(random | static_cast<std::uint32_t>(exponent) << 23), e);
  }
  for (int code = 0; code < static_cast<int>(fp8::kLargest); ++code) {  // halfway between neighbours
    const double middle = (meaning(static_cast<std::uint8_t>(code)) + meaning(static_cast<std::uint8_t>(code + 1))) / 2;
    check(static_cast<float>(middle), 0);
    check(static_cast<float>(-middle), 0);
  }
  CHECK(fp8::encode(1e30f, 0) == fp8::kLargest);
  CHECK(fp8::encode(-std::numeric_limits<float>::infinity(), 7) == (fp8::kLargest | 0x80));
  CHECK(fp8::encode(std::numeric_limits<float>::quiet_NaN(), 0) == fp8::kLargest);
  CHECK(fp8::encode(0.0f, 0) == 0);
}

TEST_CASE("fp8: the scale is the least with which nothing saturates") {
  for (const float greatest : {1e-3f, 0.4f, 1.0f, 1.75f, 1.7500001f, 447.0f, 448.0f, 448.1f, 57344.0f}) {
    const std::int32_t e = fp8::exponent_for(greatest);
    CHECK(std::ldexp(448.0, e) >= static_cast<double>(greatest));
    CHECK(std::ldexp(448.0, e - 1) < static_cast<double>(greatest));
  }
  CHECK(fp8::exponent_for(0.0f) == fp8::kLeastExponent);
  CHECK(fp8::exponent_for(1e-38f) == fp8::kLeastExponent);
  CHECK(fp8::exponent_for(57345.0f) == fp8::kMostExponent);
  CHECK(fp8::exponent_for(std::numeric_limits<float>::infinity()) == fp8::kMostExponent);
}

TEST_CASE("fp8: a vector keeps four digits of its greatest numbers, and rounding twice changes nothing") {
  std::mt19937 dice(2);
  std::vector<float> x(128);
  for (float& value : x) value = std::normal_distribution<float>(0, 3)(dice);
  std::vector<float> rounded = x;
  fp8::round(rounded.data(), 128);
  double error = 0;
  double size = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    CHECK(std::fabs(rounded[i] - x[i]) <= std::fabs(x[i]) / 16 + 0x1p-8f);
    error += static_cast<double>((rounded[i] - x[i]) * (rounded[i] - x[i]));
    size += static_cast<double>(x[i] * x[i]);
  }
  CHECK(std::sqrt(error / size) < 0.03);
  std::vector<float> again = rounded;
  fp8::round(again.data(), 128);
  CHECK(again == rounded);
  std::vector<float> nothing(64, 0.0f);
  fp8::round(nothing.data(), 64);
  CHECK(nothing == std::vector<float>(64, 0.0f));
}

}  // namespace
}  // namespace tokenyard
