// Where two traces part.
#pragma once

#include <cstdint>
#include <string>

#include "core/trace/source.h"

namespace tokenyard {

struct TraceDiffOptions {
  bool ignore_time = false;  // compare decisions only, not when they fell nor how long steps took
};

struct TraceDifference {
  bool same = true;
  std::int64_t steps = 0;  // that both have in common
  // Lines for a user, without a final line end: who was scheduled and what else was decided on one side only, and the refusals
  // that stand on each side with their reasons; or that nothing differs.
  std::string text;
  std::string headers;  // engine fields that differ, one a line: "policy: orca, vllm_v1"; no difference in itself
};

// Reads both traces step by step up to the first difference, comparing requests by id. Memory follows the requests.
TraceDifference diff_traces(TraceSource& a, TraceSource& b, const TraceDiffOptions& options = {});

}  // namespace tokenyard
