#include "sim/least_squares.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace tokenyard {
namespace {

constexpr int kMostRounds = 60;
constexpr double kNudge = 1e-2;   // of a constant's logarithm, to see what it does
constexpr double kOutlier = 0.2;  // errors above count linearly
constexpr double kMostStep = 1;   // of a logarithm in one round: its curvature is not known further away

// Huber's: the square, and beyond kOutlier its tangent.
double loss_of(double error) {
  const double e = std::fabs(error);
  return e < kOutlier ? e * e : kOutlier * (2 * e - kOutlier);
}

// Solves Ad = b by Cholesky's factors for the unknowns that are `free`; the others are given in `d`.
// REQUIRES: A is symmetric, positive definite.
void solve_free(const std::vector<double>& a, const std::vector<double>& b, const std::vector<bool>& free,
                std::vector<double>& d) {
  const std::size_t n = b.size();
  std::vector<std::size_t> at;
  for (std::size_t i = 0; i < n; ++i) {
    if (free[i]) at.push_back(i);
  }
  const std::size_t m = at.size();
  std::vector<double> l(m * m, 0), y(m);
  for (std::size_t i = 0; i < m; ++i) {
    y[i] = b[at[i]];
    for (std::size_t j = 0; j < n; ++j) {
      if (!free[j]) y[i] -= a[at[i] * n + j] * d[j];
    }
    for (std::size_t j = 0; j <= i; ++j) {
      double sum = a[at[i] * n + at[j]];
      for (std::size_t k = 0; k < j; ++k) sum -= l[i * m + k] * l[j * m + k];
      l[i * m + j] = i == j ? std::sqrt(std::max(sum, 1e-300)) : sum / l[j * m + j];
    }
    for (std::size_t j = 0; j < i; ++j) y[i] -= l[i * m + j] * y[j];
    y[i] /= l[i * m + i];
  }
  for (std::size_t i = m; i-- > 0;) {
    for (std::size_t j = i + 1; j < m; ++j) y[i] -= l[j * m + i] * d[at[j]];
    d[at[i]] = y[i] / l[i * m + i];
  }
}

// The same with low <= d <= high: what would leave its bounds is set to them, and the rest solved again.
std::vector<double> solve_bounded(const std::vector<double>& a, const std::vector<double>& b, const std::vector<double>& low,
                                  const std::vector<double>& high) {
  const std::size_t n = b.size();
  std::vector<double> d(n, 0);
  std::vector<bool> free(n, true);
  for (bool again = true; again;) {
    solve_free(a, b, free, d);
    again = false;
    for (std::size_t i = 0; i < n; ++i) {
      if (!free[i] || (d[i] >= low[i] && d[i] <= high[i])) continue;
      d[i] = std::clamp(d[i], low[i], high[i]);
      free[i] = false;
      again = true;
    }
  }
  return d;
}

std::vector<double> constants_at(const FitProblem& problem, const std::vector<double>& x) {
  std::vector<double> constants;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const FitConstant& c = problem.constants[i];
    constants.push_back(std::clamp(c.start * std::exp(x[i]), c.least, c.most));
  }
  return constants;
}

// Moves `x`, the logarithms of constants over their starts, to where the loss is least near it. Returns that.
double descend(const FitProblem& problem, std::vector<double>& x) {
  const std::size_t n = problem.constants.size();
  const std::size_t rows = problem.measured.size();
  std::vector<double> trial(n), predicted(rows), nudged(rows);
  const auto loss_at = [&](const std::vector<double>& at, std::vector<double>& out) {
    problem.predict(constants_at(problem, at), out);
    double loss = 0;
    for (std::size_t r = 0; r < rows; ++r) {
      loss += problem.weight[r] * loss_of((out[r] - problem.measured[r]) / problem.scale[r]);
    }
    for (std::size_t i = 0; i < n; ++i) loss += problem.ridge * problem.constants[i].pull * at[i] * at[i];
    return loss;
  };

  double loss = loss_at(x, predicted);
  std::vector<double> gradient(rows * n);  // of the error by each unknown
  for (int round = 0; round < kMostRounds; ++round) {
    for (std::size_t i = 0; i < n; ++i) {
      trial = x;
      // Away from the upper bound, where a constant could not be seen to do anything.
      const double nudge = x[i] + kNudge < std::log(problem.constants[i].most / problem.constants[i].start) ? kNudge : -kNudge;
      trial[i] += nudge;
      problem.predict(constants_at(problem, trial), nudged);
      for (std::size_t r = 0; r < rows; ++r) gradient[r * n + i] = (nudged[r] - predicted[r]) / (nudge * problem.scale[r]);
    }
    std::vector<double> a(n * n, 0), b(n, 0), low(n), high(n);
    for (std::size_t r = 0; r < rows; ++r) {
      const double error = (predicted[r] - problem.measured[r]) / problem.scale[r];
      const double weight = problem.weight[r] * kOutlier / std::max(std::fabs(error), kOutlier);
      for (std::size_t i = 0; i < n; ++i) {
        const double g = weight * gradient[r * n + i];
        if (g == 0) continue;  // most measurements know of few constants
        b[i] -= g * error;
        for (std::size_t j = 0; j < n; ++j) a[i * n + j] += g * gradient[r * n + j];
      }
    }
    for (std::size_t i = 0; i < n; ++i) {
      const FitConstant& c = problem.constants[i];
      a[i * n + i] += problem.ridge * c.pull;
      b[i] -= problem.ridge * c.pull * x[i];
      low[i] = std::max(std::log(c.least / c.start) - x[i], -kMostStep);
      high[i] = std::min(std::log(c.most / c.start) - x[i], kMostStep);
    }
    const std::vector<double> step = solve_bounded(a, b, low, high);
    double better = loss;
    for (double share = 1; share > 1e-3; share *= 0.5) {
      for (std::size_t i = 0; i < n; ++i) trial[i] = x[i] + share * step[i];
      better = loss_at(trial, nudged);
      if (better < loss) break;
    }
    if (better >= loss) break;
    const bool settled = loss - better < 1e-7 * loss;
    x = trial;
    predicted.swap(nudged);
    loss = better;
    if (settled) break;
  }
  return loss;
}

}  // namespace

std::vector<double> fit(const FitProblem& problem) {
  std::vector<double> x(problem.constants.size(), 0);
  double least = descend(problem, x);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const FitConstant& c = problem.constants[i];
    if (c.also <= 0) continue;
    std::vector<double> from = x;
    from[i] = std::log(c.also / c.start);
    if (const double loss = descend(problem, from); loss < least) {
      least = loss;
      x = from;
    }
  }
  return constants_at(problem, x);
}

FitError fit_error(std::span<const double> predicted, std::span<const double> measured) {
  FitError error;
  error.count = measured.size();
  if (measured.empty()) return error;
  std::vector<double> sizes;
  sizes.reserve(measured.size());
  for (std::size_t r = 0; r < measured.size(); ++r) {
    const double e = predicted[r] / measured[r] - 1;
    sizes.push_back(std::fabs(e));
    error.mean += std::fabs(e);
    error.bias += e;
  }
  error.mean /= static_cast<double>(error.count);
  error.bias /= static_cast<double>(error.count);
  std::sort(sizes.begin(), sizes.end());
  error.p50 = sizes[(sizes.size() - 1) / 2];
  error.p90 = sizes[(sizes.size() - 1) * 9 / 10];
  return error;
}

}  // namespace tokenyard
