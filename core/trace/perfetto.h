// Traces as Chrome/Perfetto JSON: a process a trace; in it a lane for the engine's steps, a lane a request, and counters.
#pragma once

#include <span>
#include <string>

#include "core/trace/source.h"

namespace tokenyard {

// `path`: as in core/base/output_file.h. A trace that was cut off is exported as far as it goes. Memory follows
// the requests. Throws InputError when a trace cannot be read or the file cannot be written.
void export_perfetto(std::span<TraceSource* const> traces, const std::string& path);

}  // namespace tokenyard
