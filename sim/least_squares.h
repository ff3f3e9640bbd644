// Finds the constants under which a model's times come closest to measured ones. Small problems: a handful of constants.
#pragma once

#include <functional>
#include <span>
#include <vector>

namespace tokenyard {

struct FitConstant {
  double start = 1;  // what it is drawn to, and stays at when the measurements say nothing of it
  double least = 0.1, most = 10;
  double pull = 1;  // share of the ridge: small where the start stands for "not known"
  // Tried as a start, too: what is hidden behind something larger does nothing there, and no step would lead out. 0: none.
  double also = 0;
};

struct FitProblem {
  std::vector<FitConstant> constants;
  std::vector<double> measured;
  std::vector<double> scale;   // an error is (predicted - measured) / scale; > 0
  std::vector<double> weight;  // of each measurement; they add up to 1
  // What a constant pays for being e times its start, against a mean squared error: sqrt of it is the error that justifies it.
  double ridge = 1e-7;
  // Predicts all measured values.
  std::function<void(std::span<const double> constants, std::span<double> predicted)> predict;
};

// Minimises the weighted mean of squared errors, and the ridge, by damped Gauss-Newton steps in the constants' logarithms with
// finite differences. Squares, because a step is a sum of kernels and its time shall not be off to one side; but errors above
// 0.2 count linearly, so that outliers do not pull. Deterministic. O(constants x predict) a round, at most 60 rounds a start.
// REQUIRES: measured is not empty, scale and weight are of its size, 0 < least <= start <= most.
std::vector<double> fit(const FitProblem& problem);

// How far predictions are off.
struct FitError {
  std::size_t count = 0;
  double mean = 0, p50 = 0, p90 = 0;  // of |predicted / measured - 1|
  double bias = 0;                    // mean of predicted / measured - 1
};
FitError fit_error(std::span<const double> predicted, std::span<const double> measured);

}  // namespace tokenyard
