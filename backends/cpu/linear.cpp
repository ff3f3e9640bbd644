#include "backends/cpu/linear.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace tokenyard {
namespace {

constexpr std::int64_t kLanes = 8;
constexpr std::int64_t kRows = 4;    // weight rows whose sums are formed together
constexpr std::int64_t kTokens = 2;  // with so many tokens: 8 sums in flight hide the latency of an addition

using Lanes = float __attribute__((vector_size(kLanes * sizeof(float))));

#define TOKENYARD_INLINE inline __attribute__((always_inline))

TOKENYARD_INLINE void load(Lanes& lanes, const float* from) { std::memcpy(&lanes, from, sizeof lanes); }

// out[t * token_stride + r] = dot(w + r n, x + t n) for Rows x Tokens pairs.
template <std::int64_t Rows, std::int64_t Tokens>
TOKENYARD_INLINE void dots(const float* w, const float* x, std::int64_t n, float* out, std::int64_t token_stride) {
  Lanes sums[std::size_t{Rows}][std::size_t{Tokens}] = {};
  std::int64_t k = 0;
  for (; k + kLanes <= n; k += kLanes) {
    Lanes b[std::size_t{Tokens}];
    for (std::int64_t t = 0; t < Tokens; ++t) load(b[t], x + t * n + k);
    for (std::int64_t r = 0; r < Rows; ++r) {
      Lanes a;
      load(a, w + r * n + k);
      for (std::int64_t t = 0; t < Tokens; ++t) sums[r][t] += a * b[t];
    }
  }
  for (std::int64_t r = 0; r < Rows; ++r) {
    for (std::int64_t t = 0; t < Tokens; ++t) {
      float s[kLanes];
      std::memcpy(s, &sums[r][t], sizeof s);
      for (std::int64_t i = k; i < n; ++i) s[i - k] += w[r * n + i] * x[t * n + i];
      out[t * token_stride + r] = ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
    }
  }
}

template <std::int64_t Rows>
TOKENYARD_INLINE void rows_times_tokens(const float* w, const float* x, std::int64_t n, std::int64_t tokens, float* y,
                                        std::int64_t y_stride) {
  std::int64_t t = 0;
  for (; t + kTokens <= tokens; t += kTokens) dots<Rows, kTokens>(w, x + t * n, n, y + t * y_stride, y_stride);
  for (; t < tokens; ++t) dots<Rows, 1>(w, x + t * n, n, y + t * y_stride, y_stride);
}

// Columns `first` .. `end`-1 of y. `scratch` holds kRows rows.
TOKENYARD_INLINE void multiply_rows(const Matrix& w, std::int64_t first, std::int64_t end, const float* x, std::int64_t tokens,
                                    float* y, float* scratch) {
  for (std::int64_t r = first; r < end;) {
    const std::int64_t rows = end - r >= kRows ? kRows : 1;
    for (std::int64_t i = 0; i < rows; ++i) to_floats(w.dtype, w.row(r + i), w.columns, scratch + i * w.columns);
    if (rows == kRows) {
      rows_times_tokens<kRows>(scratch, x, w.columns, tokens, y + r, w.rows);
    } else {
      rows_times_tokens<1>(scratch, x, w.columns, tokens, y + r, w.rows);
    }
    r += rows;
  }
}

using MultiplyRows = void (*)(const Matrix&, std::int64_t, std::int64_t, const float*, std::int64_t, float*, float*);

void multiply_rows_plain(const Matrix& w, std::int64_t first, std::int64_t end, const float* x, std::int64_t tokens, float* y,
                         float* scratch) {
  multiply_rows(w, first, end, x, tokens, y, scratch);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) void multiply_rows_avx2(const Matrix& w, std::int64_t first, std::int64_t end, const float* x,
                                                        std::int64_t tokens, float* y, float* scratch) {
  multiply_rows(w, first, end, x, tokens, y, scratch);
}
MultiplyRows best_multiply_rows() { return __builtin_cpu_supports("avx2") ? multiply_rows_avx2 : multiply_rows_plain; }
#else
MultiplyRows best_multiply_rows() { return multiply_rows_plain; }
#endif

}  // namespace

void multiply(const Matrix& w, const float* x, std::int64_t tokens, float* y, ThreadPool& pool) {
  static const MultiplyRows multiply_rows_here = best_multiply_rows();
  const std::int64_t groups = (w.rows + kRows - 1) / kRows;
  pool.for_range(groups, w.rows * w.columns * tokens, [&](std::int64_t begin, std::int64_t end) {
    thread_local std::vector<float> scratch;
    scratch.resize(static_cast<std::size_t>(kRows * w.columns));
    multiply_rows_here(w, begin * kRows, std::min(end * kRows, w.rows), x, tokens, y, scratch.data());
  });
}

float dot(const float* a, const float* b, std::int64_t n) {
  float out;
  dots<1, 1>(a, b, n, &out, 1);
  return out;
}

}  // namespace tokenyard
