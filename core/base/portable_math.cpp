#include "core/base/portable_math.h"

#include <cmath>
#include <limits>

namespace tokenyard {
namespace {

// ln 2 in two parts; the high one has 21 trailing zero bits, so that its product with an exponent is exact.
constexpr double kLn2High = 0x1.62e42fefp-1;
constexpr double kLn2Low = 0x1.473de6af278edp-34;

}  // namespace

double portable_log(double x) {
  int exponent = 0;
  double m = std::frexp(x, &exponent);  // x = m * 2^exponent, m in [1/2, 1)
  if (m < 0.70710678118654752) {
    m *= 2;
    --exponent;
  }
  // ln m = 2 artanh(s), s = (m-1)/(m+1), |s| <= 0.1716
  const double f = m - 1;
  const double s = f / (2 + f);
  const double z = s * s;
  double series = 0;
  for (int k = 21; k >= 3; k -= 2) series = series * z + 1.0 / k;
  // 2s = f - s f exactly enough: the leading term keeps full precision.
  const double ln_m = f - s * (f - 2 * z * series);
  return exponent * kLn2High + (ln_m + exponent * kLn2Low);
}

double portable_exp(double x) {
  if (x > 709) return std::numeric_limits<double>::max();
  if (x < -708) return 0;
  const double k = std::floor(x * 1.4426950408889634 + 0.5);
  const double r = (x - k * kLn2High) - k * kLn2Low;  // |r| <= 0.347
  double sum = 1;
  for (int n = 14; n >= 1; --n) sum = 1 + sum * r / n;
  return std::ldexp(sum, static_cast<int>(k));
}

}  // namespace tokenyard
