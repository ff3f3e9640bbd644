// How a request's next token is chosen from the logits. The definition is in docs/sampling.md; every backend that computes
// follows it, so that a request says the same on each.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/types.h"

namespace tokenyard {

// What becomes of a temperature where a request enters the engine, as in vLLM: clients send a tiny one to mean greedy, and a
// small one makes infinities of a half-precision model's logits.
inline constexpr float kGreedyBelow = 1e-5f, kLeastTemperature = 0.01f;
constexpr float taken_temperature(float asked) {
  if (!(asked >= 0)) return asked;  // for the backend to refuse
  return asked < kGreedyBelow ? 0 : asked < kLeastTemperature ? kLeastTemperature : asked;
}

// -1: whoever turns text into requests draws a seed and says which.
inline constexpr std::uint64_t kDrawSeed = ~std::uint64_t{0};

struct SamplingParams {
  float temperature = 0;         // 0: greedy, the most likely token; taken_temperature()
  std::int32_t top_k = 0;        // keep the k most likely; 0: all
  float top_p = 1;               // keep the fewest most likely whose probabilities add up to p
  float min_p = 0;               // keep those at least this share of the most likely one's probability
  float repetition_penalty = 1;  // of tokens in the prompt and the output so far
  std::uint64_t seed = 0;
  std::int32_t logprobs = -1;  // report the chosen token's and this many most likely ones'; -1: none

  friend bool operator==(const SamplingParams&, const SamplingParams&) = default;
};

// Natural logarithms of probabilities under the raw logits, before penalty, temperature and cuts.
struct TokenLogprobs {
  struct Candidate {
    Token token;
    float logprob;
  };
  Candidate chosen;
  std::int32_t rank;           // of the chosen token, 1 is the most likely
  std::vector<Candidate> top;  // most likely first, ties by lower id
};

}  // namespace tokenyard
