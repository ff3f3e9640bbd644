// Fits all of a GPU's constants (hardware_spec.h) to measured kernel times and recorded runs at once. docs/calibration.md.
//
// One half of the measurements is fitted, the other judged; the halves are fixed, so that two runs agree. Better: whole runs
// are judged that no fit has seen.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/hardware_spec.h"
#include "sim/kernel_times.h"
#include "sim/least_squares.h"
#include "sim/recorded_run.h"

namespace tokenyard {

// Of a class of kernels, relative to each kernel's own time; or of a part of a run's steps, relative to the whole step's time,
// so that the parts' biases add up to the step's.
struct FitLine {
  std::string what;  // "GEMM", "steps", "attention", ...
  double share = 1;  // of the run's time: a part's
  FitError error;    // of the fitted constants on measurements the fit never saw
  FitError base;     // of the constants it started from, on the same
};

struct KernelLine : FitLine {
  std::size_t fitted = 0;
};

struct StepResidual {
  std::int64_t step = 0;
  TimeNs measured = 0, predicted = 0;
  bool held_out = false;
};

struct RunReport {
  std::string name;
  std::size_t fitted = 0;                   // steps; 0: the fit saw nothing of this run
  std::vector<FitLine> lines;               // "steps", then their parts
  std::vector<StepResidual> residuals;      // every step
  std::vector<StepResidual> worst() const;  // the five that cost most: |predicted - measured|, of those held out
};

struct HardwareFit {
  HardwareSpec hardware;
  std::vector<KernelLine> kernels;
  std::vector<RunReport> runs;
  std::vector<std::string> constants;  // "gemm.t0_us 3.5 -> 2.9", those that were fitted
  std::vector<std::string> notes;      // what was refused, and what it means; sentences
};

struct FitInput {
  KernelTimes kernels;
  std::string kernel_files;  // for the hardware's source
  std::vector<RecordedRun> runs;
  std::vector<RecordedRun> judged;  // runs that are predicted and not fitted
};

// Constants that nothing in the input tells of stay `base`'s; the others are drawn to them by a ridge. No efficiency of the
// card's memory or arithmetic becomes more than 1: where the measurements ask for it a note says so. Throws InputError when
// there is too little to fit: fewer than 8 kernels of a class, or 40 steps.
HardwareFit fit_hardware(const FitInput& input, const HardwareSpec& base);

// How far `hardware` is off on a run, all of it held out.
RunReport judge_run(const RecordedRun& run, const HardwareSpec& hardware, const HardwareSpec& base);

}  // namespace tokenyard
