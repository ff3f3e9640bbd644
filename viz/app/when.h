// Moments as users and lessons write them.
#pragma once

#include <string>

#include "viz/model/trace_model.h"

namespace tokenyard::viz {

// "1200ms", "1.2s", "800us", "step 57", "begin", "end", "arrival ID", "first-token ID", "finish ID", or one of "preemption",
// "refusal", "cancellation", "failure" with which of them, 1 being the first: "preemption 3". Throws InputError naming `place`
// when it is none of these, or the trace has no such moment.
TimeNs parse_when(const std::string& text, const TraceModel& model, const std::string& place);

}  // namespace tokenyard::viz
