// Runs a recorded trace again: the same requests join before the same steps, every step takes as long and says the same tokens
// as recorded, and every record the engine makes is compared with the recorded one. Any run can be replayed, a GPU's with live
// arrivals too: where the scheduler decides alike, the outcome is the same.
#pragma once

#include <cstdint>
#include <string>

#include "core/metrics.h"
#include "core/trace/source.h"

namespace tokenyard {

struct ReplayOutcome {
  std::int64_t steps = 0;  // reproduced
  bool identical = true;
  bool complete = true;          // false: the trace has no end; what there is was replayed
  std::string first_difference;  // what was recorded and what happened here, in one line; empty when identical
  Metrics metrics;               // of the replayed run
};

// `copy`, if not null, receives the replayed run as a trace, up to the first difference. Throws InputError when the trace
// cannot be read. Memory follows the live requests.
ReplayOutcome replay(TraceSource& trace, TraceSink* copy = nullptr, const Slo& slo = {});

}  // namespace tokenyard
