// Random numbers that are the same on every machine: std::mt19937_64 is specified to the bit, <random>'s distributions are not.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

namespace tokenyard {

class JsonValue;

// One stream of a workload. Streams of different purposes are independent, so that changing one leaves the others.
class Random {
 public:
  Random(std::uint64_t seed, std::uint64_t workload, std::uint64_t stream);

  double uniform() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }  // [0, 1)
  double exponential();                                                        // mean 1
  double normal();                                                             // mean 0, variance 1
  double gamma(double shape);                                                  // scale 1; mean and variance `shape`
  // Index drawn with these weights. REQUIRES: weights >= 0, their sum `total` > 0.
  std::size_t pick(const std::vector<double>& weights, double total);

 private:
  std::mt19937_64 engine_;
};

// A distribution as a workload file writes it: a number, or
//   {"type": "fixed", "value": 100}                        {"type": "uniform", "min": 1, "max": 9}
//   {"type": "lognormal", "mean": 100, "sigma": 0.8}       mean of the variable, deviation of its logarithm
//   {"type": "exponential", "mean": 30}                    both take "min" and "max", to which they are clamped
//   {"type": "histogram", "bins": [[1, 10, 0.3], [11, 20, 0.7]]}    from, to (both included), weight
class Variate {
 public:
  Variate() = default;  // always 0
  static Variate fixed(double value);
  // Every value drawn lies in [least, most].
  static Variate read(const JsonValue& json, double least, double most);

  double real(Random& random) const;
  // Uniform and histogram take every integer of a range alike; the others are rounded.
  std::int64_t integer(Random& random) const;

 private:
  enum class Type { fixed, uniform, lognormal, exponential, histogram };
  Type type_ = Type::fixed;
  double min_ = 0, max_ = 0;
  double mean_ = 0, sigma_ = 0;
  double log_offset_ = 0;  // ln(mean) - sigma^2 / 2
  std::vector<double> from_, to_, weights_;
  double total_ = 0;
};

}  // namespace tokenyard
