// A product of any shape in the one order of sums that all products here keep: k ascending, sixteen at a time by the tensor
// cores, as one chain. Slow; what the others are held to: docs/kernels/small_gemm.md.
#pragma once

#include <cstdint>

#include "kernels/device.h"

namespace tokenyard::kernels {

struct OrderedGemm {
  const Bf16* weight;  // [rows, columns], its rows `stride` apart
  const Bf16* x;       // [tokens, columns], its rows `stride` apart
  std::int64_t tokens;
  std::int64_t rows;
  std::int64_t columns;
  std::int64_t stride;
};

// out[t][n] = sum over k of x[t][k] weight[n][k]; [tokens, rows], dense, written. REQUIRES: even columns, stride and rows.
void ordered_gemm(const OrderedGemm& args, Bf16* out, Stream stream);
void ordered_gemm(const OrderedGemm& args, float* out, Stream stream);

}  // namespace tokenyard::kernels
