// Residual addition and RMSNorm in one pass over the row: docs/kernels/norm.md.
#pragma once

#include <cstdint>

#include "kernels/device.h"

namespace tokenyard::kernels {

// A row is read once: a thread of the block holds eight numbers of it.
inline constexpr std::int32_t kMaxHidden = 8192;

struct Norm {
  float* residual;          // [tokens, hidden]
  const float* partial[2];  // [tokens, hidden] each: their sum is added to the residual first; null: nothing is
  const Bf16* weight;       // [hidden]
  float epsilon;
  std::int32_t hidden;
  Bf16* out;  // [rows, hidden], written: x / sqrt(mean(x^2) + epsilon) * weight, x the row of the residual
};

// One row a token; the residual keeps the sum. REQUIRES for both: hidden is a multiple of 8 and at most kMaxHidden.
void add_and_norm(const Norm& args, std::int32_t tokens, Stream stream);

// out[r] is the norm of token tokens_of[r], -1: zeros. The residual stays as it was: the last norm's sums go nowhere else.
void gather_and_norm(const Norm& args, const std::int32_t* tokens_of, std::int32_t rows, Stream stream);

}  // namespace tokenyard::kernels
