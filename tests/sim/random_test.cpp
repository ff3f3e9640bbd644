#include "sim/random.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>

#include "core/base/json_reader.h"
#include "core/base/portable_math.h"
#include "support.h"

using namespace tokenyard;

namespace {

constexpr int kDraws = 20'000;

std::vector<double> draws(const std::function<double(Random&)>& draw, std::uint64_t stream = 0) {
  Random random(42, 0, stream);
  std::vector<double> all;
  for (int i = 0; i < kDraws; ++i) all.push_back(draw(random));
  return all;
}

double mean(const std::vector<double>& all) {
  double sum = 0;
  for (const double x : all) sum += x;
  return sum / static_cast<double>(all.size());
}

double variance(const std::vector<double>& all) {
  const double m = mean(all);
  double sum = 0;
  for (const double x : all) sum += (x - m) * (x - m);
  return sum / static_cast<double>(all.size());
}

// Kolmogorov and Smirnov's statistic, scaled: above 1.95 in one case of a thousand if the draws follow `cdf`.
double ks(std::vector<double> all, const std::function<double(double)>& cdf) {
  std::sort(all.begin(), all.end());
  const auto n = static_cast<double>(all.size());
  double largest = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const double f = cdf(all[i]);
    largest = std::max({largest, f - static_cast<double>(i) / n, static_cast<double>(i + 1) / n - f});
  }
  return largest * std::sqrt(n);
}

double normal_cdf(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

// The regularised lower incomplete gamma function by its series.
double gamma_cdf(double shape, double x) {
  double term = 1 / shape;
  double sum = term;
  for (int n = 1; n < 1000; ++n) {
    term *= x / (shape + n);
    sum += term;
  }
  return sum * std::exp(shape * std::log(x) - x - std::lgamma(shape));
}

Variate variate(const std::string& json, double least = 0, double most = 1e9) {
  return Variate::read(JsonValue::parse(json, "v.json"), least, most);
}

}  // namespace

TEST_CASE("our log and exp agree with the library's") {
  std::mt19937_64 engine(1);
  for (int i = 0; i < 200'000; ++i) {
    const double x = std::ldexp(1 + static_cast<double>(engine() >> 11) * 0x1p-53, static_cast<int>(engine() % 2000) - 1000);
    const double log = std::log(x);
    REQUIRE(std::abs(portable_log(x) - log) <= 1e-15 * std::max(std::abs(log), 1e-3));
    const double y = (static_cast<double>(engine() >> 11) * 0x1p-53 - 0.5) * 1400;
    REQUIRE(portable_exp(y) == Approx(std::exp(y)).epsilon(1e-15));
  }
  for (const double near_one : {0x1.fffffffffffffp-1, 0x1.0000000000001p0, 0.999, 1.001}) {
    CHECK(portable_log(near_one) == Approx(std::log(near_one)).epsilon(1e-15));
  }
  CHECK(portable_log(1) == 0);
  CHECK(portable_exp(0) == 1);
  CHECK(portable_exp(-1e6) == 0);
  CHECK(std::isfinite(portable_exp(1e6)));
}

TEST_CASE("the basic distributions follow their theory") {
  const auto uniform = draws([](Random& r) { return r.uniform(); });
  CHECK(ks(uniform, [](double x) { return x; }) < 1.95);
  CHECK(*std::max_element(uniform.begin(), uniform.end()) < 1);

  const auto exponential = draws([](Random& r) { return r.exponential(); }, 1);
  CHECK(ks(exponential, [](double x) { return 1 - std::exp(-x); }) < 1.95);

  const auto normal = draws([](Random& r) { return r.normal(); }, 2);
  CHECK(ks(normal, normal_cdf) < 1.95);
  CHECK(std::abs(mean(normal)) < 4 / std::sqrt(kDraws));
  CHECK(variance(normal) == Approx(1).epsilon(0.04));

  for (const double shape : {0.25, 0.5, 1.0, 3.0}) {
    const auto gamma = draws([&](Random& r) { return r.gamma(shape); }, 3);
    CAPTURE(shape);
    CHECK(ks(gamma, [&](double x) { return gamma_cdf(shape, x); }) < 1.95);
    CHECK(mean(gamma) == Approx(shape).epsilon(0.06));
    CHECK(variance(gamma) == Approx(shape).epsilon(0.15));
  }
}

TEST_CASE("variates follow their theory") {
  const Variate lognormal = variate(R"({"type": "lognormal", "mean": 500, "sigma": 0.8})");
  const auto l = draws([&](Random& r) { return lognormal.real(r); });
  CHECK(mean(l) == Approx(500).epsilon(0.03));
  CHECK(ks(l, [](double x) { return normal_cdf((std::log(x) - (std::log(500.0) - 0.32)) / 0.8); }) < 1.95);
  CHECK(variance(l) == Approx(250000 * (std::exp(0.64) - 1)).epsilon(0.15));

  const Variate die = variate(R"({"type": "uniform", "min": 1, "max": 6})");
  const auto d = draws([&](Random& r) { return static_cast<double>(die.integer(r)); });
  CHECK(*std::min_element(d.begin(), d.end()) == 1);
  CHECK(*std::max_element(d.begin(), d.end()) == 6);
  CHECK(mean(d) == Approx(3.5).epsilon(0.02));
  CHECK(variance(d) == Approx(35.0 / 12).epsilon(0.03));

  const Variate bins = variate(R"({"type": "histogram", "bins": [[1, 1, 1], [5, 6, 3], [9, 9, 0]]})");
  const auto b = draws([&](Random& r) { return static_cast<double>(bins.integer(r)); });
  CHECK(static_cast<double>(std::count(b.begin(), b.end(), 1.0)) / kDraws == Approx(0.25).epsilon(0.05));
  CHECK(static_cast<double>(std::count(b.begin(), b.end(), 6.0)) / kDraws == Approx(0.375).epsilon(0.05));
  CHECK(std::count(b.begin(), b.end(), 9.0) == 0);

  const Variate clamped = variate(R"({"type": "exponential", "mean": 10, "min": 5, "max": 20})");
  for (const double x : draws([&](Random& r) { return clamped.real(r); })) REQUIRE((x >= 5 && x <= 20));
  Random random(1, 0, 0);
  CHECK(variate("17").integer(random) == 17);
}

TEST_CASE("variates refuse what is no distribution") {
  const auto error = [](const std::string& json) { return error_of([&] { variate(json, 1, 1000); }); };
  CHECK_THAT(error("0"), has_text("expected a number between 1 and 1000"));
  CHECK_THAT(error("\"many\""), has_text("expected a number"));
  CHECK_THAT(error(R"({"type": "zipf"})"), has_text("/type"));
  CHECK_THAT(error(R"({"type": "uniform", "min": 9, "max": 3})"), has_text("/max"));
  CHECK_THAT(error(R"({"type": "lognormal", "mean": 5, "sigma": -1})"), has_text("/sigma"));
  CHECK_THAT(error(R"({"type": "histogram", "bins": []})"), has_text("/bins"));
  CHECK_THAT(error(R"({"type": "histogram", "bins": [[1, 2]]})"), has_text("/bins/0"));
  CHECK_THAT(error(R"({"type": "fixed", "value": 3, "sigma": 1})"), has_text("unknown key"));
}

TEST_CASE("streams differ from each other and repeat themselves") {
  Random a(1, 0, 0), again(1, 0, 0), stream(1, 0, 1), workload(1, 1, 0), seed(2, 0, 0);
  const double x = a.uniform();
  CHECK(x == again.uniform());
  CHECK(x != stream.uniform());
  CHECK(x != workload.uniform());
  CHECK(x != seed.uniform());
}
