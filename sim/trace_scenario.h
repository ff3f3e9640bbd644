// A recorded run as a scenario: the same arrivals, lengths and shared beginnings, for other settings.
#pragma once

#include <string>
#include <string_view>

#include "core/base/json.h"

namespace tokenyard {

// Whether `line`, a file's first, is a trace's.
bool begins_trace(std::string_view line);

// Model and hardware are the trace's own, if it has them. Requests are as long as they were, so one that was cut short is so
// again; what runs when the trace ends, which a killed server's does in the middle, is as long as it had come. Throws
// InputError.
Json trace_scenario(const std::string& path);

}  // namespace tokenyard
