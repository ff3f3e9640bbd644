// The rows of the embedding table that a step's tokens name: docs/kernels/embedding.md.
#pragma once

#include <cstdint>

#include "kernels/device.h"

namespace tokenyard::kernels {

struct Embedding {
  const Bf16* table;            // [vocabulary, hidden]
  const std::int32_t* ids;      // [tokens]: a token, or -1 - r for what sampled[r] holds when the kernel runs
  const std::int32_t* sampled;  // the tokens of the step before; may be null if no id is negative
  float* residual;              // [tokens, hidden], written
  std::int32_t vocabulary;
  std::int32_t hidden;
};

// An id that is none of the vocabulary's gives zeros. REQUIRES: hidden is a multiple of 8.
void embed(const Embedding& args, std::int32_t tokens, Stream stream);

}  // namespace tokenyard::kernels
