#include <fmt/core.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/output/report.h"
#include "cli/output/say.h"
#include "core/base/input_error.h"
#include "core/base/json_reader.h"
#include "core/base/model_json.h"
#include "core/base/output_file.h"
#include "sim/fit.h"

namespace tokenyard::cli {
namespace {

struct CalibrateOptions {
  std::vector<std::string> kernels;
  std::string trace, model, hardware, name, out, residuals;
};

std::string file_name(const std::string& path) { return std::filesystem::path(path).filename().string(); }

void print(const HardwareFit& fit) {
  // bias: signed, so what remains of the error in a long sum
  say("{:<18} {:>7} {:>8}   {:>23}   {:>23}\n", "", "fitted", "held out", "error before", "error now");
  say("{:<18} {:>7} {:>8}   {:>7} {:>7} {:>7}   {:>7} {:>7} {:>7}   {}\n", "", "on", "", "mean", "P90", "bias", "mean", "P90",
      "bias", "constants");
  for (const FitLine& line : fit.lines) {
    say("{:<18} {:>7} {:>8}   {:>6.1f}% {:>6.1f}% {:>+6.1f}%   {:>6.1f}% {:>6.1f}% {:>+6.1f}%   {}\n", line.what, line.fitted,
        line.held_out.count, 100 * line.base.mean, 100 * line.base.p90, 100 * line.base.bias, 100 * line.held_out.mean,
        100 * line.held_out.p90, 100 * line.held_out.bias, line.constants);
  }
}

void write_residuals(const std::string& path, const StepFit& fit) {
  std::string text = "step,measured_ns,predicted_ns,error,held_out\n";
  for (const StepResidual& r : fit.residuals) {
    const double error = static_cast<double>(r.predicted) / static_cast<double>(r.measured) - 1;
    text += fmt::format("{},{},{},{:.6f},{}\n", r.step, r.measured, r.predicted, error, r.held_out ? 1 : 0);
  }
  write_file(path, text);
}

int calibrate(const CalibrateOptions& options) {
  if (options.kernels.empty() && options.trace.empty())
    throw InputError("tokenyard calibrate: expected --kernels or --trace, found neither");
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
    const HardwareFit fit = fit_kernels(times, hardware, names);
    print(fit);
    hardware = fit.hardware;
  }
  if (!options.trace.empty()) {
    const RecordedSteps recorded = read_recorded_steps(options.trace);
    if (!model) {
      if (recorded.model.empty()) throw InputError(options.trace + ": names no model; --model NAME says which it was");
      model = read_model(JsonValue::parse(recorded.model, options.trace + ": model"));
    }
    const StepFit fit = fit_steps(recorded.steps, *model, hardware, recorded.execution, file_name(options.trace));
    print(fit);
    if (!options.residuals.empty()) write_residuals(options.residuals, fit);
    hardware = fit.hardware;
  }
  hardware.name = options.name.empty() ? base.name + "-calibrated" : options.name;
  write_file(options.out, Json::parse(to_json(hardware), "hardware").dump(2) + "\n");
  const std::string use = is_stream(options.out) ? "" : "; use it with --set hardware=" + options.out;
  say("{}: {}{}\n", options.out, hardware.known_error, use);
  return 0;
}

}  // namespace

Command calibrate_command() {
  Command command("calibrate", "Fit a GPU's constants to measured kernel times or to a recorded run");
  auto options = std::make_shared<CalibrateOptions>();
  command.option("--kernels", &options->kernels, "FILE.csv", "Tables of kernel times (.csv, packed or not) or folders of them");
  command.option("--trace", &options->trace, "FILE.trace", "A trace recorded on the real GPU");
  command.option("--hardware", &options->hardware, "GPU", "Datasheet and first guesses: a built-in name or a .json file")
      .required();
  command.option("--model", &options->model, "NAME", "The model the trace, or a table that names layers, was measured with");
  command.option("--out", &options->out, "FILE.json", "The hardware file to write").writes().required();
  command.option("--name", &options->name, "NAME", "Its name; else that of --hardware with -calibrated");
  command.option("--residuals", &options->residuals, "FILE.csv", "Write predicted and measured time of every step of the trace")
      .writes()
      .needs("--trace");
  command.notes(
      "Fits on one half of the measurements and reports the error on the other. With both, kernels come first and the trace "
      "fits what kernels alone do not tell.");
  command.examples(
      {{"tokenyard calibrate --trace scenarios/recorded/h100-poisson.trace --hardware h100-sxm --out my-h100.json", ""},
       {"tokenyard simulate chat-hour --set hardware=my-h100.json", ""},
       {"tokenyard calibrate --kernels gemm.csv attention.csv --hardware rtx-4090 --out my-4090.json", ""}});
  command.run([options] { return calibrate(*options); });
  return command;
}

}  // namespace tokenyard::cli
