#include "core/request.h"

#include <limits>

namespace tokenyard {

Token workload_token(const RequestSpec& spec, std::int32_t n) {
  if (static_cast<std::size_t>(n) < spec.scripted_output.size()) return spec.scripted_output[static_cast<std::size_t>(n)];
  return spec.output_tokens >= 0 && n + 1 >= std::max(spec.output_tokens, spec.min_tokens) ? kUnnamedEnd : kUnnamedToken;
}

std::int32_t unnamed_output(const RequestSpec& spec) {
  if (!spec.scripted_output.empty()) return 0;
  return spec.output_tokens < 0 ? std::numeric_limits<std::int32_t>::max() : std::max(spec.output_tokens, spec.min_tokens) - 1;
}

const char* name_of(FinishReason reason) {
  switch (reason) {
    case FinishReason::none: return "none";
    case FinishReason::stop: return "stop";
    case FinishReason::length: return "length";
    case FinishReason::kv_capacity: return "kv_capacity";
    case FinishReason::cancelled: return "cancelled";
    case FinishReason::refused: return "refused";
    case FinishReason::error: return "error";
  }
  return "?";
}

}  // namespace tokenyard
