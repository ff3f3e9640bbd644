// Runs of a scenario on this machine's GPU with random weights in its model's shape.
#pragma once

#include <string>

#include "backends/gpu/gpu.h"

namespace tokenyard::cli {

// Runs it to its end and writes the trace, with times by part. `ahead`: steps are planned while the one before runs, where the
// policy can. Throws InputError for the scenario, BackendError when the card cannot do it.
GpuFacts record_on_gpu(const std::string& scenario, bool ahead, const std::string& trace);

}  // namespace tokenyard::cli
