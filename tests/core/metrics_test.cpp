#include <cmath>
#include <random>

#include "catch.h"
#include "core/metrics.h"

using namespace tokenyard;

TEST_CASE("percentiles are numpy's while exact", "[metrics]") {
  Distribution d;
  for (const int v : {10, 20, 30, 40}) d.add(v);
  CHECK(d.percentile(0) == 10);
  CHECK(d.percentile(50) == 25);
  CHECK(d.percentile(99) == Approx(39.7));
  CHECK(d.percentile(100) == 40);
  CHECK(d.mean() == 25);
  CHECK(d.std_dev() == Approx(std::sqrt(125.0)));
  CHECK(d.share_up_to(20) == 0.5);
  CHECK(d.share_up_to(9) == 0);
  CHECK(Distribution().percentile(50) == 0);
}

TEST_CASE("beyond a million samples a percentile is off by at most one percent", "[metrics]") {
  std::mt19937_64 random(3);
  Distribution d;
  std::vector<double> all;
  for (int i = 0; i < 1'200'000; ++i) {
    const auto v = static_cast<std::int64_t>(std::exp2(static_cast<double>(random() % 40000) / 1000.0));
    d.add(v);
    all.push_back(static_cast<double>(v));
  }
  CHECK_FALSE(d.exact());
  std::sort(all.begin(), all.end());
  for (const double p : {0.1, 1.0, 25.0, 50.0, 90.0, 99.0, 99.9}) {
    const double truth = all[static_cast<std::size_t>(p / 100 * static_cast<double>(all.size() - 1))];
    CHECK(std::abs(d.percentile(p) - truth) <= std::max(0.5, 0.01 * truth));
  }
  double sum = 0;
  for (const double v : all) sum += v;
  CHECK(d.mean() == Approx(sum / static_cast<double>(all.size())));
}

TEST_CASE("weighted samples count as often as they weigh", "[metrics]") {
  Distribution once;
  Distribution many;
  for (int i = 0; i < 7; ++i) once.add(5);
  once.add(9);
  many.add(5, 7);
  many.add(9, 1);
  CHECK(once.percentile(80) == many.percentile(80));
  CHECK(once.count() == many.count());
}
