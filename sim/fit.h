// Fits a GPU's constants (hardware_spec.h) to measurements. docs/calibration.md shows how to use it.
//
// Everything is fitted on one half of the measurements and judged on the other; the halves are fixed, so that two runs agree.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/cost_model.h"
#include "sim/hardware_spec.h"
#include "sim/kernel_times.h"
#include "sim/least_squares.h"

namespace tokenyard {

struct FitLine {
  std::string what;       // "GEMM", "steps", ...
  std::string constants;  // as fitted, for a user
  std::size_t fitted = 0;
  FitError held_out;  // of the fitted constants on measurements the fit never saw
  FitError base;      // of the constants it started from, on the same
};

struct HardwareFit {
  HardwareSpec hardware;
  std::vector<FitLine> lines;
};

// Constants of the classes of operation that `times` has at least 8 rows of; the others stay `base`'s. `measured_by` goes into
// the hardware's source. Throws InputError when no class has enough.
HardwareFit fit_kernels(const KernelTimes& times, const HardwareSpec& base, const std::string& measured_by);

// One step of a recorded run.
struct MeasuredStep {
  std::int64_t step = 0;
  StepLoad load;
  TimeNs duration = 0;
};

struct RecordedSteps {
  std::vector<MeasuredStep> steps;
  std::string model;  // JSON text of the trace's header, or empty
  Execution execution;
};

// The steps of a trace, with what of its header bears on their duration. Throws InputError.
RecordedSteps read_recorded_steps(const std::string& path);

struct StepResidual {
  std::int64_t step;
  TimeNs measured, predicted;
  bool held_out;
};

struct StepFit : HardwareFit {
  std::vector<StepResidual> residuals;
};

// What whole steps tell: host time per step, decode attention's time per sequence, and the efficiencies of GEMM, decode and
// prefill attention. The times per kernel (t0) and the rest stay `base`'s: every step has the same kernels, so its duration
// cannot tell them from the host's time. Every second block of steps is held out. Throws InputError when there are fewer than
// 40 steps.
StepFit fit_steps(const std::vector<MeasuredStep>& steps, const ModelShape& model, const HardwareSpec& base,
                  const Execution& execution, const std::string& measured_by);

}  // namespace tokenyard
