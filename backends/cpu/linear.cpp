#include "backends/cpu/linear.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

namespace tokenyard {
namespace {

constexpr std::int64_t kLanes = 8;
constexpr std::int64_t kRows = 4;    // weight rows whose sums are formed together
constexpr std::int64_t kTokens = 2;  // with so many tokens: 8 sums in flight hide the latency of an addition

using Lanes = float __attribute__((vector_size(kLanes * sizeof(float))));
using Quad = float __attribute__((vector_size(4 * sizeof(float))));

#define TOKENYARD_INLINE inline __attribute__((always_inline))

TOKENYARD_INLINE void load(Lanes& lanes, const float* from) { std::memcpy(&lanes, from, sizeof lanes); }

// What one call of multiply_rows() computes: rows `first` .. `end`-1 of the weight, columns of y.
struct Range {
  const Matrix& w;
  std::int64_t first;
  std::int64_t end;
  const float* x;
  std::int64_t tokens;
  std::int64_t parts;
  float* y;
  std::int64_t y_stride;
  float* scratch;  // kRows rows of the weight
};

// What is added of eight lanes: (0+4)+(2+6) and (1+5)+(3+7), of one sum or of four at once.
TOKENYARD_INLINE Quad fold(const Lanes& s) {
  return __builtin_shufflevector(s, s, 0, 1, 2, 3) + __builtin_shufflevector(s, s, 4, 5, 6, 7);
}
TOKENYARD_INLINE float add_lanes(const Lanes (&sums)[1]) {
  const Quad q = fold(sums[0]);
  return (q[0] + q[2]) + (q[1] + q[3]);
}
TOKENYARD_INLINE Quad add_lanes(const Lanes (&sums)[4]) {
  const Quad a = fold(sums[0]);
  const Quad b = fold(sums[1]);
  const Quad c = fold(sums[2]);
  const Quad d = fold(sums[3]);
  const Quad ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
  const Quad ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
  const Quad cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5);
  const Quad cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  const Quad even = __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5) + __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5);
  const Quad odd = __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7) + __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
  return even + odd;
}
// One number a row.
template <std::int64_t Rows>
using Column = decltype(add_lanes(std::declval<const Lanes (&)[std::size_t{Rows}]>()));

// out[t][r] = dot(w + r stride, x + t stride), of n numbers, for Rows x Tokens pairs.
template <std::int64_t Rows, std::int64_t Tokens>
TOKENYARD_INLINE void dots(const float* w, const float* x, std::int64_t n, std::int64_t stride, Column<Rows>* out) {
  Lanes sums[std::size_t{Tokens}][std::size_t{Rows}] = {};
  std::int64_t k = 0;
  for (; k + kLanes <= n; k += kLanes) {
    Lanes b[std::size_t{Tokens}];
    for (std::int64_t t = 0; t < Tokens; ++t) load(b[t], x + t * stride + k);
    for (std::int64_t r = 0; r < Rows; ++r) {
      Lanes a;
      load(a, w + r * stride + k);
      for (std::int64_t t = 0; t < Tokens; ++t) sums[t][r] += a * b[t];
    }
  }
  for (std::int64_t t = 0; t < Tokens; ++t) {
    for (std::int64_t r = 0; r < Rows && k < n; ++r) {
      for (std::int64_t i = k; i < n; ++i) sums[t][r][i - k] += w[r * stride + i] * x[t * stride + i];
    }
    out[t] = add_lanes(sums[t]);
  }
}

// The rows in scratch by Tokens tokens from `x` on, into `y`.
template <std::int64_t Rows, std::int64_t Tokens>
TOKENYARD_INLINE void rows_by_tokens(const Range& range, const float* x, float* y) {
  const std::int64_t columns = range.w.columns;
  Column<Rows> sums[std::size_t{Tokens}][kMostRanks] = {};
  for (std::int64_t p = 0; p < range.parts; ++p) {
    const std::int64_t first = p * columns / range.parts;
    Column<Rows> part[std::size_t{Tokens}];
    dots<Rows, Tokens>(range.scratch + first, x + first, (p + 1) * columns / range.parts - first, columns, part);
    for (std::int64_t t = 0; t < Tokens; ++t) sums[t][p] = part[t];
  }
  for (std::int64_t t = 0; t < Tokens; ++t) {
    const Column<Rows> sum = sum_as_tree(sums[t], range.parts);
    std::memcpy(y + t * range.y_stride, &sum, sizeof sum);
  }
}

template <std::int64_t Rows>
TOKENYARD_INLINE void rows_by_all_tokens(const Range& range, std::int64_t row) {
  std::int64_t t = 0;
  const auto x = [&] { return range.x + t * range.w.columns; };
  const auto y = [&] { return range.y + t * range.y_stride + row; };
  for (; t + kTokens <= range.tokens; t += kTokens) rows_by_tokens<Rows, kTokens>(range, x(), y());
  for (; t < range.tokens; ++t) rows_by_tokens<Rows, 1>(range, x(), y());
}

TOKENYARD_INLINE void multiply_rows(const Range& range) {
  const Matrix& w = range.w;
  for (std::int64_t r = range.first; r < range.end;) {
    const std::int64_t rows = range.end - r >= kRows ? kRows : 1;
    for (std::int64_t i = 0; i < rows; ++i) to_floats(w.dtype, w.row(r + i), w.columns, range.scratch + i * w.columns);
    if (rows == kRows) {
      rows_by_all_tokens<kRows>(range, r);
    } else {
      rows_by_all_tokens<1>(range, r);
    }
    r += rows;
  }
}

using MultiplyRows = void (*)(const Range&);

void multiply_rows_plain(const Range& range) { multiply_rows(range); }

#if defined(__x86_64__)
__attribute__((target("avx2"))) void multiply_rows_avx2(const Range& range) { multiply_rows(range); }
MultiplyRows best_multiply_rows() { return __builtin_cpu_supports("avx2") ? multiply_rows_avx2 : multiply_rows_plain; }
#else
MultiplyRows best_multiply_rows() { return multiply_rows_plain; }
#endif

void multiply_all(const Matrix& w, const float* x, std::int64_t tokens, std::int64_t parts, float* y, std::int64_t y_stride,
                  ThreadPool& pool) {
  static const MultiplyRows multiply_rows_here = best_multiply_rows();
  const std::int64_t groups = (w.rows + kRows - 1) / kRows;
  pool.for_range(groups, w.rows * w.columns * tokens, [&](std::int64_t begin, std::int64_t end) {
    thread_local std::vector<float> scratch;
    scratch.resize(static_cast<std::size_t>(kRows * w.columns));
    multiply_rows_here({w, begin * kRows, std::min(end * kRows, w.rows), x, tokens, parts, y, y_stride, scratch.data()});
  });
}

}  // namespace

void multiply(const Matrix& w, const float* x, std::int64_t tokens, float* y, std::int64_t y_stride, ThreadPool& pool) {
  multiply_all(w, x, tokens, 1, y, y_stride, pool);
}

void multiply_in_parts(const Matrix& w, const float* x, std::int64_t tokens, std::int64_t parts, float* y, ThreadPool& pool) {
  multiply_all(w, x, tokens, parts, y, w.rows, pool);
}

float dot(const float* a, const float* b, std::int64_t n) {
  float out;
  dots<1, 1>(a, b, n, n, &out);
  return out;
}

}  // namespace tokenyard
