// A GEMM for few tokens, up to 16, in the accumulation order of cuBLASLt's kernels without split-K:
// docs/kernels/skinny_gemm.md.
#pragma once

#include <cstdint>

#include "kernels/device.h"
#include "kernels/norm.h"

namespace tokenyard::kernels {

inline constexpr std::int32_t kSkinnyGemmTokens = 16;
// So many rows of a norm every block makes for itself; more are shared by the blocks of a cluster, where there are clusters.
inline constexpr std::int32_t kSkinnyGemmUnshared = 2;

// Which shapes it computes on this card. All columns of 16 rows of the weight and of x must fit a block's shared memory.
bool fits_skinny_gemm(std::int64_t tokens, std::int64_t rows, std::int64_t columns);
// Whether it can make the norm of so many rows, too.
bool fits_skinny_gemm_of_norm(std::int64_t tokens, std::int64_t rows, std::int64_t hidden);

// out[t][n] = sum over k of x[t][k] weight[n][k]: weight [rows, columns], x [tokens, columns], out [tokens, rows], written.
// Weights are read before the kernel's predecessors have finished: no step may write them. Throws
// std::invalid_argument for a shape that does not fit.
void skinny_gemm(const Bf16* weight, const Bf16* x, std::int32_t tokens, std::int32_t rows, std::int32_t columns, Bf16* out,
                 Stream stream);

// The same and swiglu() of it in one kernel, and the same bits: of the rows the first half is the gate. out [tokens, rows / 2].
void skinny_gemm_gated(const Bf16* weight, const Bf16* x, std::int32_t tokens, std::int32_t rows, std::int32_t columns,
                       Bf16* out, Stream stream);

// The two of what add_and_norm(norm, tokens) makes, in one kernel and the same bits. The sum that would go to norm.residual
// goes to `residual`, another [tokens, hidden], since others read the former. norm.out is not used. REQUIRES:
// fits_skinny_gemm_of_norm(tokens, rows, norm.hidden).
void skinny_gemm_of_norm(const Bf16* weight, const Norm& norm, float* residual, std::int32_t tokens, std::int32_t rows,
                         Bf16* out, Stream stream);
void skinny_gemm_gated_of_norm(const Bf16* weight, const Norm& norm, float* residual, std::int32_t tokens, std::int32_t rows,
                               Bf16* out, Stream stream);

}  // namespace tokenyard::kernels
