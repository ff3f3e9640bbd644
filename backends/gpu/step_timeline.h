// A profiled step as a file for Perfetto and chrome://tracing.
#pragma once

#include <string>

#include "backends/gpu/gpu.h"

namespace tokenyard {

// Chrome's trace format (a JSON object with traceEvents): one process, named after device and step, with one thread, which has
// a complete event for every kernel, times in microseconds.
std::string timeline_of(const StepProfile& profile, const ProfiledStep& step, const std::string& device);

}  // namespace tokenyard
