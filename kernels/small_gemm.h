// A GEMM for few tokens, in the accumulation order of cuBLASLt's kernels without split-K: docs/kernels/small_gemm.md.
#pragma once

#include <cstdint>

#include "kernels/device.h"

namespace tokenyard::kernels {

inline constexpr std::int32_t kSmallGemmTokens = 8;

// out[t][n] = sum over k of x[t][k] weight[n][k]: weight [rows, columns], x [tokens, columns], out [tokens, rows], written.
// Weights are read before the kernel's predecessors have finished: no step may write them. REQUIRES: tokens <= 8, rows is a
// multiple of 8, columns is a multiple of 64 and at most 6144.
void small_gemm(const Bf16* weight, const Bf16* x, std::int32_t tokens, std::int32_t rows, std::int32_t columns, Bf16* out,
                Stream stream);

}  // namespace tokenyard::kernels
