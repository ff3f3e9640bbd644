#include "sim/random.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/base/json_reader.h"
#include "core/base/portable_math.h"

namespace tokenyard {
namespace {

// splitmix64's finaliser: neighbouring seeds become unrelated ones.
std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

}  // namespace

Random::Random(std::uint64_t seed, std::uint64_t workload, std::uint64_t stream)
    : engine_(mix(mix(mix(seed) ^ workload) ^ stream)) {}

double Random::exponential() { return -portable_log(1 - uniform()); }

// Marsaglia's polar method; the second of each pair is dropped, so that a draw depends on nothing kept.
double Random::normal() {
  while (true) {
    const double u = 2 * uniform() - 1;
    const double v = 2 * uniform() - 1;
    const double s = u * u + v * v;
    if (s > 0 && s < 1) return u * std::sqrt(-2 * portable_log(s) / s);
  }
}

// Marsaglia and Tsang 2000; below shape 1 through Gamma(a) = Gamma(a+1) U^(1/a).
double Random::gamma(double shape) {
  if (shape < 1) {
    const double boosted = gamma(shape + 1);
    return boosted * portable_exp(portable_log(1 - uniform()) / shape);
  }
  const double d = shape - 1.0 / 3;
  const double c = 1 / std::sqrt(9 * d);
  while (true) {
    const double x = normal();
    const double t = 1 + c * x;
    if (t <= 0) continue;
    const double v = t * t * t;
    if (portable_log(1 - uniform()) < 0.5 * x * x + d - d * v + d * portable_log(v)) return d * v;
  }
}

std::size_t Random::pick(const std::vector<double>& weights, double total) {
  double left = uniform() * total;
  std::size_t last = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] <= 0) continue;
    last = i;
    left -= weights[i];
    if (left < 0) break;
  }
  return last;
}

Variate Variate::fixed(double value) {
  Variate v;
  v.min_ = v.max_ = v.mean_ = value;
  return v;
}

Variate Variate::read(const JsonValue& json, double least, double most) {
  if (!json.is_object()) return fixed(json.number(least, most));
  JsonObject object = json.object();
  const std::string type = object.at("type").choice({"fixed", "uniform", "lognormal", "exponential", "histogram"});
  Variate v;
  v.min_ = least;
  v.max_ = most;
  if (type == "fixed") {
    v = fixed(object.at("value").number(least, most));
  } else if (type == "histogram") {
    v.type_ = Type::histogram;
    const JsonValue bins = object.at("bins");
    for (const JsonValue& bin : bins.array()) {
      const std::vector<JsonValue> entry = bin.array();
      if (entry.size() != 3) bin.expected("[from, to, weight]");
      v.from_.push_back(entry[0].number(least, most));
      v.to_.push_back(entry[1].number(v.from_.back(), most));
      v.weights_.push_back(entry[2].number(0, 1e12));
      v.total_ += v.weights_.back();
    }
    if (!(v.total_ > 0)) bins.expected("bins whose weights add up to more than 0");
  } else {
    if (type == "uniform") {
      v.type_ = Type::uniform;
      v.min_ = object.at("min").number(least, most);
      v.max_ = object.at("max").number(v.min_, most);
    } else {
      if (const auto min = object.find("min")) v.min_ = min->number(least, most);
      if (const auto max = object.find("max")) v.max_ = max->number(v.min_, most);
      v.mean_ = object.at("mean").number(std::max(least, 1e-9), most);
      v.type_ = type == "lognormal" ? Type::lognormal : Type::exponential;
      if (v.type_ == Type::lognormal) {
        v.sigma_ = object.at("sigma").number(0, 10);
        v.log_offset_ = portable_log(v.mean_) - v.sigma_ * v.sigma_ / 2;
      }
    }
  }
  object.done();
  return v;
}

double Variate::real(Random& random) const {
  switch (type_) {
    case Type::fixed: return mean_;
    case Type::uniform: return min_ + random.uniform() * (max_ - min_);
    case Type::lognormal: return std::clamp(portable_exp(log_offset_ + sigma_ * random.normal()), min_, max_);
    case Type::exponential: return std::clamp(mean_ * random.exponential(), min_, max_);
    case Type::histogram: {
      const std::size_t bin = random.pick(weights_, total_);
      return from_[bin] + random.uniform() * (to_[bin] - from_[bin]);
    }
  }
  return 0;
}

std::int64_t Variate::integer(Random& random) const {
  const auto between = [&](double from, double to) {
    const double low = std::ceil(from);
    const double count = std::max(1.0, std::floor(to) - low + 1);
    return static_cast<std::int64_t>(low + std::floor(random.uniform() * count));
  };
  switch (type_) {
    case Type::uniform: return between(min_, max_);
    case Type::histogram: {
      const std::size_t bin = random.pick(weights_, total_);
      return between(from_[bin], to_[bin]);
    }
    default: return static_cast<std::int64_t>(std::floor(real(random) + 0.5));
  }
}

}  // namespace tokenyard
