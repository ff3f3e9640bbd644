// The next token of every row of logits, exactly as docs/sampling.md defines it and as the CPU computes it:
// docs/kernels/sampling.md.
#pragma once

#include <cstdint>

#include "core/base/exact_math.h"
#include "kernels/device.h"

namespace tokenyard::kernels {

// What a row asks for. In device memory, so that one captured graph serves any requests.
struct SampleRow {
  std::uint64_t seed;
  std::int32_t position;  // where the new token will stand; -1: a padded row, nothing is written for it
  float temperature;      // 0: greedy
  std::int32_t top_k;     // 0: all
  float top_p;
  float min_p;
  float repetition_penalty;
  std::int32_t seen_row;      // of `seen`, read unless the penalty is 1; the sampled token joins it. -1: none, the penalty is 1
  std::int32_t first_masked;  // masked_ids[first_masked .. + num_masked) can't be sampled
  std::int32_t num_masked;
  std::int32_t logprobs;  // of the chosen and so many most likely tokens; -1: none
};

struct Sample {
  const Bf16* logits;              // [rows, stride]
  const SampleRow* rows;           // [rows]
  const std::int32_t* masked_ids;  // may repeat and may name no token
  std::uint32_t* seen;             // [seen rows, seen_words(stride)]: bit i of a row says that token i occurred
  std::int32_t stride;             // vocabulary, a multiple of 8
  std::int32_t num_ids;            // tokens that can be sampled: 0 .. num_ids-1
  std::int32_t top_capacity;       // REQUIRES: rows[..].logprobs <= top_capacity

  // Written. The last four only for rows with logprobs >= 0; null if there are none.
  std::int32_t* tokens;      // [rows]; -1: no logit is finite
  float* logprobs;           // [rows]
  std::int32_t* ranks;       // [rows]
  std::int32_t* top_tokens;  // [rows, top_capacity], the most likely first
  float* top_logprobs;       // [rows, top_capacity]
};

TOKENYARD_HD std::int32_t seen_words(std::int32_t stride) { return (stride + 31) / 32; }

// REQUIRES: stride at most 800,000.
void sample(const Sample& args, std::int32_t rows, Stream stream);

// Token `token` occurred in the text of row `row` of `seen`.
struct Occurrence {
  std::int32_t row;
  std::int32_t token;
};
void mark_seen(std::uint32_t* seen, std::int32_t stride, const Occurrence* occurrences, std::int32_t count, Stream stream);

}  // namespace tokenyard::kernels
