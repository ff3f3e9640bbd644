// bench --profile: one step, kernel by kernel.
#pragma once

#include <string>
#include <vector>

#include "backends/gpu/gpu.h"

namespace tokenyard::cli {

struct ProfileOptions {
  bool wanted = false;
  std::vector<int> rows;  // empty: as many as there are seats
  int context = 1024;
  std::string timeline;  // a file, or none
};

// Prints a table for each number of rows; the last one's kernels go to the timeline.
void profile_steps(GpuBackend& backend, const ProfileOptions& options, int seats, float temperature);

}  // namespace tokenyard::cli
