// A run of a real backend, step by step, from its trace: what was computed, and how long it and its parts took.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/request.h"
#include "core/trace/records.h"
#include "sim/cost_model.h"

namespace tokenyard {

struct MeasuredStep {
  std::int64_t step = 0;
  StepLoad load;
  // From the end of the step before, if that had rows of these requests too, else from the step's start; to its end. So what
  // the host does between two steps is in it.
  TimeNs duration = 0;
  StepParts parts;  // add up to `duration`; all zero where the trace does not say
  // Planned ahead, the next step is launched while this one runs, so the host's time for it is in this one's duration. Where
  // the trace gives times by part, the host's is the step's own, and this is empty.
  std::optional<StepLoad> launched;
};

struct RecordedRun {
  std::string name;  // of the file
  ModelShape model;
  Execution execution;
  std::string program, device;  // as the header has them
  std::uint64_t hash = 0;       // of its steps and their times
  std::vector<MeasuredStep> steps;
};

// How the run was carried out, as far as its header says. Throws InputError.
Execution read_execution(const TraceHeader& header, const std::string& path);

// Steps without a duration are passed over. `model` stands for the header's where that names none, or is to be another. Throws
// InputError.
RecordedRun read_recorded_run(const std::string& path, const std::optional<ModelShape>& model = {});

}  // namespace tokenyard
