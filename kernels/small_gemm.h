// A GEMM for few tokens, in the accumulation order of cuBLASLt's kernels without split-K: docs/kernels/small_gemm.md.
#pragma once

#include <cstdint>

#include "kernels/device.h"
#include "kernels/norm.h"

namespace tokenyard::kernels {

inline constexpr std::int32_t kSmallGemmTokens = 8;

// Which shapes it computes on this card. One tile of the weight, 8 rows, must fit a block's shared memory beside x: 227 KiB
// have room for up to 6,144 columns beside eight tokens, 99 KiB beside one token for 5,568.
bool fits_small_gemm(std::int64_t tokens, std::int64_t rows, std::int64_t columns);

// A block makes all rows of the norm by itself: so many warps of add_and_norm() at most.
inline constexpr std::int32_t kMaxNormedWarps = 32;
constexpr bool fits_small_gemm_of_norm(std::int64_t tokens, std::int64_t hidden) {
  return tokens * ((hidden + 255) / 256) <= kMaxNormedWarps;
}

// out[t][n] = sum over k of x[t][k] weight[n][k]: weight [rows, columns], x [tokens, columns], out [tokens, rows], written.
// Weights are read before the kernel's predecessors have finished: no step may write them. Throws
// std::invalid_argument for a shape that does not fit.
void small_gemm(const Bf16* weight, const Bf16* x, std::int32_t tokens, std::int32_t rows, std::int32_t columns, Bf16* out,
                Stream stream);

// The same over `parts` equal ranges of the columns, whose results are kept apart, in fp32: part p from out + p part_stride on.
// REQUIRES: parts divides columns. A part must fit, not the whole.
void small_gemm_in_parts(const Bf16* weight, const Bf16* x, std::int32_t tokens, std::int32_t rows, std::int32_t columns,
                         std::int32_t parts, float* out, std::int64_t part_stride, Stream stream);

// small_gemm() of what add_and_norm(norm, tokens) makes, in one kernel and the same bits. The sum that would go to
// norm.residual goes to `residual`, another [tokens, hidden], since every block reads the former. norm.out is not used.
// REQUIRES: fits_small_gemm_of_norm(tokens, norm.hidden).
void small_gemm_of_norm(const Bf16* weight, const Norm& norm, float* residual, std::int32_t tokens, std::int32_t rows,
                        Bf16* out, Stream stream);

}  // namespace tokenyard::kernels
