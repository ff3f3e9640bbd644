// docs/sampling.md on the CPU.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/request.h"

namespace tokenyard {

// One thread's working memory for rows of one vocabulary.
class Sampler {
 public:
  // Token ids in rows and requests are 0 .. vocabulary-1; only the first `num_ids` are ever sampled.
  Sampler(std::int32_t vocabulary, std::int32_t num_ids);

  // The next token of `request` given its logits (vocabulary of them), or nothing when none of them is finite. O(vocabulary).
  std::optional<Token> sample(std::span<const float> logits, const Request& request, Token eos_token_id);

  // Of `chosen` and the `top` most likely, under the raw logits. O(vocabulary x log top).
  TokenLogprobs logprobs(std::span<const float> logits, Token chosen, std::int32_t top) const;

 private:
  std::int32_t vocabulary_;
  std::int32_t num_ids_;
  std::vector<float> logits_;
  std::vector<std::uint32_t> orders_;
  std::vector<std::uint64_t> masses_;
  std::vector<bool> seen_;
};

// Why a backend that computes can't serve this request whatever its load: a token id that is none of the `num_ids` known ones,
// a sampling parameter out of its range, stop ids that leave nothing to say. One sentence, or nothing. Ask before
// Engine::submit: a backend takes what is left for a failure of its own, which ends every request. O(prompt + stop ids x log).
std::optional<std::string> refusal(const RequestSpec& spec, std::int32_t num_ids);

}  // namespace tokenyard
