#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/report.h"
#include "core/base/input_error.h"
#include "core/base/json_reader.h"
#include "core/base/model_json.h"
#include "sim/calibrate.h"

namespace tokenyard::cli {
namespace {

struct Options {
  std::vector<std::string> kernels;
  std::string trace, model, hardware, name, out, residuals;
};

std::string file_name(const std::string& path) { return std::filesystem::path(path).filename().string(); }

void print(const Calibration& calibration) {
  // bias: signed, so what remains of the error in a long sum
  fmt::print("{:<18} {:>7} {:>8}   {:>23}   {:>23}\n", "", "fitted", "held out", "error before", "error now");
  fmt::print("{:<18} {:>7} {:>8}   {:>7} {:>7} {:>7}   {:>7} {:>7} {:>7}   {}\n", "", "on", "", "mean", "P90", "bias", "mean",
             "P90", "bias", "constants");
  for (const CalibrationLine& line : calibration.lines) {
    fmt::print("{:<18} {:>7} {:>8}   {:>6.1f}% {:>6.1f}% {:>+6.1f}%   {:>6.1f}% {:>6.1f}% {:>+6.1f}%   {}\n", line.what,
               line.fitted, line.held_out.count, 100 * line.base.mean, 100 * line.base.p90, 100 * line.base.bias,
               100 * line.held_out.mean, 100 * line.held_out.p90, 100 * line.held_out.bias, line.constants);
  }
}

void write_residuals(const std::string& path, const TraceCalibration& calibration) {
  std::string text = "step,measured_ns,predicted_ns,error,held_out\n";
  for (const StepResidual& r : calibration.residuals) {
    const double error = static_cast<double>(r.predicted) / static_cast<double>(r.measured) - 1;
    text += fmt::format("{},{},{},{:.6f},{}\n", r.step, r.measured, r.predicted, error, r.held_out ? 1 : 0);
  }
  write_file(path, text);
}

int calibrate(const Options& options) {
  const HardwareSpec base = find_hardware(options.hardware);
  std::optional<ModelShape> model;
  if (!options.model.empty()) model = find_model(options.model);

  HardwareSpec hardware = base;
  if (!options.kernels.empty()) {
    KernelTimes times;
    std::string names;
    for (const std::string& path : options.kernels) {
      for (const std::string& file : kernel_time_files(path)) {
        read_kernel_times(file, model, times);
        names += (names.empty() ? "" : ", ") + file_name(file);
      }
    }
    const Calibration calibration = calibrate_kernels(times, hardware, names);
    print(calibration);
    hardware = calibration.hardware;
  }
  if (!options.trace.empty()) {
    const RecordedSteps recorded = read_recorded_steps(options.trace);
    if (!model) {
      if (recorded.model.empty()) throw InputError(options.trace + ": names no model; --model NAME says which it was");
      model = read_model(JsonValue::parse(recorded.model, options.trace + ": model"));
    }
    const TraceCalibration calibration =
        calibrate_steps(recorded.steps, *model, hardware, recorded.execution, file_name(options.trace));
    print(calibration);
    if (!options.residuals.empty()) write_residuals(options.residuals, calibration);
    hardware = calibration.hardware;
  }
  hardware.name = options.name.empty() ? base.name + "-calibrated" : options.name;
  write_file(options.out, JsonValue::parse(to_json(hardware), "hardware").raw().dump(2) + "\n");
  fmt::print("{}: {}; use it with --set hardware={}\n", options.out, hardware.known_error, options.out);
  return 0;
}

}  // namespace

void add_calibrate(CLI::App& app, Run& chosen) {
  auto* command = app.add_subcommand("calibrate", "Fit a GPU's constants to measured kernel times or to a recorded run");
  auto options = std::make_shared<Options>();
  command->add_option("--kernels", options->kernels, "Tables of kernel times (.csv, .csv.xz) or folders of them");
  auto* trace = command->add_option("--trace", options->trace, "A trace recorded on the real GPU");
  command->add_option("--hardware", options->hardware, "Datasheet and first guesses: a built-in name or a .json file")
      ->required();
  command->add_option("--model", options->model, "The model the trace, or a table that names layers, was measured with");
  command->add_option("--out", options->out, "The hardware file to write (.json)")->required();
  command->add_option("--name", options->name, "Its name; else that of --hardware with -calibrated");
  command->add_option("--residuals", options->residuals, "Write predicted and measured time of every step (.csv)")
      ->needs(trace);
  command->footer(
      "Fits on one half of the measurements and reports the error on the other. With both, kernels come first and the trace\n"
      "fits what kernels alone do not tell.\n"
      "Examples:\n"
      "  tokenyard calibrate --kernels gemm.csv attention.csv --hardware h100-sxm --out my-h100.json\n"
      "  tokenyard calibrate --trace run.trace --hardware rtx-4090 --out my-4090.json --residuals residuals.csv");
  command->callback([options, &chosen] {
    if (options->kernels.empty() && options->trace.empty()) {
      throw CLI::ValidationError("calibrate", "expected --kernels or --trace, found neither");
    }
    chosen = [options] { return calibrate(*options); };
  });
}

}  // namespace tokenyard::cli
