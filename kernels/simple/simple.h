// Operations of kernels/ as anyone would write them first: where their pages in docs/kernels/ begin. Parameters and results are
// those of the fast ones, bits need not be.
#pragma once

#include "kernels/heads.h"
#include "kernels/norm.h"
#include "kernels/sample.h"

namespace tokenyard::gpu::simple {

using kernels::Bf16;
using kernels::Stream;

void add_and_norm(const kernels::Norm& args, std::int32_t tokens, Stream stream);
void gather_and_norm(const kernels::Norm& args, const std::int32_t* tokens_of, std::int32_t rows, Stream stream);
void prepare_heads(const kernels::Heads& args, std::int32_t tokens, Stream stream);
void swiglu(const Bf16* gate_up, std::int32_t tokens, std::int32_t intermediate, Bf16* out, Stream stream);
void small_gemm(const Bf16* weight, const Bf16* x, std::int32_t tokens, std::int32_t rows, std::int32_t columns, Bf16* out,
                Stream stream);
// The same tokens, bit by bit, but no log probabilities.
void sample(const kernels::Sample& args, std::int32_t rows, Stream stream);

}  // namespace tokenyard::gpu::simple
