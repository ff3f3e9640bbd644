// Finds the constants under which a model's times come closest to measured ones. Small problems: a handful of constants.
#pragma once

#include <functional>
#include <span>
#include <vector>

namespace tokenyard {

struct FitConstant {
  double start = 1;  // also what it stays at when the measurements say nothing of it
  double least = 0, most = 1;
};

struct FitProblem {
  std::vector<FitConstant> constants;
  std::vector<double> measured;  // > 0
  // Predicts all measured values. The nearer to linear in the constants the better: durations rather than rates.
  std::function<void(std::span<const double> constants, std::span<double> predicted)> predict;
};

// Minimises the sum of squared relative errors by damped Gauss-Newton steps with finite differences. Squares, because a step is
// a sum of kernels and its time shall not be off to one side; but errors above 20 % count linearly, so that outliers do not
// pull. Deterministic. O(constants x predict) a round, at most 60 rounds.
// REQUIRES: measured is not empty, least <= start <= most, start > 0.
std::vector<double> fit(const FitProblem& problem);

// How far predictions are off.
struct FitError {
  std::size_t count = 0;
  double mean = 0, p90 = 0;  // of |predicted / measured - 1|
  double bias = 0;           // mean of predicted / measured - 1
};
FitError fit_error(std::span<const double> predicted, std::span<const double> measured);

}  // namespace tokenyard
