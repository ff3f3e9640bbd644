// Dot products whose bits depend on nothing but their operands.
//
// A sum over k is eight sums, lane k mod 8 each in ascending k, added as ((0+4)+(2+6)) + ((1+5)+(3+7)); a product and a sum are
// two roundings. So a wider instruction set, another batch or thread count changes the speed only.
#pragma once

#include <cstdint>

#include "backends/cpu/thread_pool.h"
#include "backends/model/rank_team.h"
#include "backends/model/weights.h"

namespace tokenyard {

// y[t][n] = sum over k of x[t][k] w[n][k]. x is [tokens, w.columns], y [tokens, w.rows] with rows `y_stride` apart.
void multiply(const Matrix& w, const float* x, std::int64_t tokens, float* y, std::int64_t y_stride, ThreadPool& pool);

// The same as a sum of `parts` sums, in the order of sum_as_tree(): part p is over k from p w.columns / parts, rounded down, to
// where the next begins. y is dense. REQUIRES: parts is a power of two, at most kMostRanks.
void multiply_in_parts(const Matrix& w, const float* x, std::int64_t tokens, std::int64_t parts, float* y, ThreadPool& pool);

// Neighbours first: ((0+1)+(2+3)) + ((4+5)+(6+7)). So the sums of two halves are what their own trees give. Overwrites `sums`.
// REQUIRES: n is a power of two.
template <typename Number>
inline __attribute__((always_inline)) Number sum_as_tree(Number* sums, std::int64_t n) {
  for (; n > 1; n /= 2) {
    for (std::int64_t i = 0; i < n / 2; ++i) sums[i] = sums[2 * i] + sums[2 * i + 1];
  }
  return sums[0];
}

float dot(const float* a, const float* b, std::int64_t n);

}  // namespace tokenyard
