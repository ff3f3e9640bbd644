// Dot products whose bits depend on nothing but their operands.
//
// A sum over k is eight sums, lane k mod 8 each in ascending k, added as ((0+4)+(2+6)) + ((1+5)+(3+7)); a product and a sum are
// two roundings. So a wider instruction set, another batch or thread count changes the speed only.
#pragma once

#include <cstdint>

#include "backends/cpu/thread_pool.h"
#include "backends/model/weights.h"

namespace tokenyard {

// y[t][n] = sum over k of x[t][k] w[n][k]. x is [tokens, w.columns], y [tokens, w.rows].
void multiply(const Matrix& w, const float* x, std::int64_t tokens, float* y, ThreadPool& pool);

float dot(const float* a, const float* b, std::int64_t n);

}  // namespace tokenyard
