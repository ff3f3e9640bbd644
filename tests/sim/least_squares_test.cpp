#include <random>

#include "sim/least_squares.h"
#include "support.h"

using namespace tokenyard;

namespace {

double noise(std::mt19937_64& engine, double size) {
  return 1 + size * (2 * static_cast<double>(engine() >> 11) * 0x1p-53 - 1);
}

// t0 + max(a x, b y), what a GEMM's time is.
FitProblem roofline(double spread) {
  std::mt19937_64 engine(1);
  static std::vector<std::pair<double, double>> rows;
  rows.clear();
  FitProblem problem;
  for (int x = 1; x <= 30; ++x) {
    for (int y = 1; y <= 30; ++y) {
      rows.emplace_back(x, y);
      problem.measured.push_back((4 + std::max(1.5 * x, 0.8 * y)) * noise(engine, spread));
    }
  }
  problem.scale = problem.measured;
  problem.weight.assign(rows.size(), 1.0 / static_cast<double>(rows.size()));
  problem.constants = {{1, 0.01, 100}, {1, 0.01, 100}, {1, 0.01, 100}};
  problem.predict = [](std::span<const double> c, std::span<double> out) {
    for (std::size_t i = 0; i < rows.size(); ++i) out[i] = c[0] + std::max(c[1] * rows[i].first, c[2] * rows[i].second);
  };
  return problem;
}

}  // namespace

TEST_CASE("a fit finds the constants of exact times") {
  const auto found = fit(roofline(0));
  CHECK(found[0] == Approx(4).epsilon(1e-3));
  CHECK(found[1] == Approx(1.5).epsilon(1e-3));
  CHECK(found[2] == Approx(0.8).epsilon(1e-3));
}

TEST_CASE("noise of 20 % moves fitted constants by a few percent") {
  const auto found = fit(roofline(0.2));
  CHECK(found[0] == Approx(4).epsilon(0.08));
  CHECK(found[1] == Approx(1.5).epsilon(0.05));
  CHECK(found[2] == Approx(0.8).epsilon(0.05));
}

TEST_CASE("one time in twenty that is ten times too long moves them by less than 5 %") {
  FitProblem problem = roofline(0.05);
  for (std::size_t i = 0; i < problem.measured.size(); i += 20) problem.measured[i] *= 10;
  problem.scale = problem.measured;
  const auto found = fit(problem);
  CHECK(found[1] == Approx(1.5).epsilon(0.05));
  CHECK(found[2] == Approx(0.8).epsilon(0.05));
}

TEST_CASE("constants keep to their bounds, and to their start where nothing is said of them") {
  FitProblem problem = roofline(0);
  problem.constants[0].most = 2;
  problem.constants.push_back({7, 0.01, 100});
  const auto found = fit(problem);
  CHECK(found[0] == 2);
  CHECK(found[3] == Approx(7));
}

TEST_CASE("a ridge holds constants near their start, each measurement's weight against it") {
  FitProblem problem = roofline(0);
  problem.ridge = 100;
  CHECK(fit(problem)[1] == Approx(1).epsilon(0.02));
  problem.ridge = 1e-3;
  CHECK(fit(problem)[1] == Approx(1.5).epsilon(0.05));
  // What has no weight is not heard.
  for (std::size_t i = 0; i < problem.measured.size(); ++i) {
    if (i % 2 == 0) {
      problem.weight[i] = 0;
      problem.measured[i] *= 3;
    }
  }
  problem.ridge = 1e-7;
  CHECK(fit(problem)[1] == Approx(1.5).epsilon(1e-3));
}

TEST_CASE("errors are counted on both sides") {
  const std::vector<double> measured{1, 1, 1, 1}, predicted{1.1, 0.9, 1.3, 1.0};
  const FitError error = fit_error(predicted, measured);
  CHECK(error.count == 4);
  CHECK(error.mean == Approx(0.125));
  CHECK(error.bias == Approx(0.075));
  CHECK(error.p90 == Approx(0.1));
}
