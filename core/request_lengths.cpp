#include "core/request_lengths.h"

#include <limits>

#include "core/policy.h"

namespace tokenyard {

std::int32_t context_limit_of(const EngineConfig& config) {
  const std::int32_t limit = config.max_model_len > 0 ? config.max_model_len : std::numeric_limits<std::int32_t>::max();
  return config.policy->whole_contexts(config) ? std::min(limit, config.max_num_batched_tokens) : limit;
}

RequestLengths request_lengths(const EngineConfig& config, const RequestSpec& spec, std::int32_t prompt) {
  // With one token more than the pool holds, the next step could not be made; the peers try it for ever.
  const std::int64_t most = std::int64_t{usable_blocks(config)} * config.block_size + 1;
  const std::int64_t longest = longest_of(spec, prompt, context_limit_of(config));
  const auto limit = static_cast<std::int32_t>(config.strict_peer ? longest : std::min(longest, most));
  const std::int64_t expected = std::int64_t{prompt} + expected_output(spec);
  return {limit, static_cast<std::int32_t>(std::min<std::int64_t>(limit, expected)) - 1};  // the last token needs none
}

}  // namespace tokenyard
