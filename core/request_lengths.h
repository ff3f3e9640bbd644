// How long requests may get.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/config.h"
#include "core/request.h"

namespace tokenyard {

// The longest sequence, prompt and output, that a configuration allows, whatever the pool holds.
std::int32_t context_limit_of(const EngineConfig& config);

// The longest that a request asks for, within that.
inline std::int32_t longest_of(const RequestSpec& spec, std::int32_t prompt, std::int32_t context_limit) {
  return static_cast<std::int32_t>(std::min<std::int64_t>(std::int64_t{prompt} + spec.max_tokens, context_limit));
}

// How long a request may get, prompt and output, whatever the workload says, and of how many tokens it will hold K/V at its
// end, as far as the workload tells.
struct RequestLengths {
  std::int32_t limit;
  std::int32_t expected_kv;
};
RequestLengths request_lengths(const EngineConfig& config, const RequestSpec& spec, std::int32_t prompt);

}  // namespace tokenyard
