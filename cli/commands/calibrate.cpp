#include <fmt/core.h>

#include <filesystem>
#include <map>
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
  std::vector<std::string> kernels, traces, judged;
  std::string model, hardware, name, out, residuals;
};

std::string file_name(const std::string& path) { return std::filesystem::path(path).filename().string(); }

std::string errors(const FitError& e) {
  return fmt::format("{:>+7.1f}% {:>6.1f}% {:>6.1f}% {:>6.1f}%", 100 * e.bias, 100 * e.mean, 100 * e.p50, 100 * e.p90);
}

// bias: signed, so what remains of the error in a long sum
void print(const HardwareFit& fit, const std::map<std::string, std::string>& paths) {
  const std::string columns = fmt::format("{:>8} {:>7} {:>7} {:>7}", "bias", "mean", "P50", "P90");
  if (!fit.kernels.empty()) {
    say("{:<36} {:>6} {:>9}   was {}   now {}\n", "% of each kernel's time", "fitted", "held out", columns.substr(4),
        columns.substr(4));
    for (const KernelLine& line : fit.kernels) {
      say("{:<36} {:>6} {:>9}   {}   {}\n", line.what, line.fitted, line.error.count, errors(line.base), errors(line.error));
    }
  }
  for (const RunReport& run : fit.runs) {
    say("\n{}: {}\n", run.name,
        run.fitted > 0 ? fmt::format("{} steps fitted, the errors are of {} {}", run.fitted, run.lines.front().error.count,
                                     run.lines.front().error.count == run.fitted ? "the same" : "others")
                       : fmt::format("{} steps, none of them fitted", run.lines.front().error.count));
    say("  {:<16} {:>6}   was {}   now {}\n", "% of a step", "time", columns.substr(4), columns.substr(4));
    for (const FitLine& line : run.lines) {
      say("  {:<16} {:>5.1f}%   {}   {}\n", line.what, 100 * line.share, errors(line.base), errors(line.error));
    }
    const auto path = paths.find(run.name);
    for (const StepResidual& r : run.worst()) {
      const double error = 100 * (static_cast<double>(r.predicted) / static_cast<double>(r.measured) - 1);
      say("  step {:<8} {:>9.3f} ms, predicted {:>9.3f} ({:+.1f} %)   tokenyard view {} --at 'step {}' --describe\n", r.step,
          static_cast<double>(r.measured) / 1e6, static_cast<double>(r.predicted) / 1e6, error,
          path == paths.end() ? run.name : path->second, r.step);
    }
  }
  say("\nConstants\n");
  for (const std::string& constant : fit.constants) say("  {}\n", constant);
  for (const std::string& note : fit.notes) warn("note: {}\n", note);
}

void write_residuals(const std::string& path, const HardwareFit& fit) {
  std::string text = "run,step,measured_ns,predicted_ns,error,held_out\n";
  for (const RunReport& run : fit.runs) {
    for (const StepResidual& r : run.residuals) {
      const double error = static_cast<double>(r.predicted) / static_cast<double>(r.measured) - 1;
      text += fmt::format("{},{},{},{},{:.6f},{}\n", run.name, r.step, r.measured, r.predicted, error, r.held_out ? 1 : 0);
    }
  }
  write_file(path, text);
}

int calibrate(const CalibrateOptions& options) {
  if (options.kernels.empty() && options.traces.empty())
    throw InputError("tokenyard calibrate: expected --kernels or --trace, found neither");
  const HardwareSpec base = find_hardware(options.hardware);
  std::optional<ModelShape> model;
  if (!options.model.empty()) model = find_model(options.model);

  FitInput input;
  for (const std::string& path : options.kernels) {
    for (const std::string& file : kernel_time_files(path)) {
      read_kernel_times(file, model, input.kernels);
      input.kernel_files += (input.kernel_files.empty() ? "" : ", ") + file_name(file);
    }
  }
  std::map<std::string, std::string> paths;
  const auto read_runs = [&](const std::vector<std::string>& files, std::vector<RecordedRun>& runs) {
    for (const std::string& path : files) {
      runs.push_back(read_recorded_run(path, model));
      paths[runs.back().name] = path;
    }
  };
  read_runs(options.traces, input.runs);
  read_runs(options.judged, input.judged);

  HardwareFit fit = fit_hardware(input, base);
  print(fit, paths);
  if (!options.residuals.empty()) write_residuals(options.residuals, fit);
  fit.hardware.name = options.name.empty() ? base.name + "-calibrated" : options.name;
  write_file(options.out, Json::parse(to_json(fit.hardware), "hardware").dump(2) + "\n");
  const std::string use = is_stream(options.out) ? "" : "; use it with --set hardware=" + options.out;
  say("{}: {}{}\n", options.out, fit.hardware.known_error, use);
  return 0;
}

}  // namespace

Command calibrate_command() {
  Command command("calibrate", "Fit a GPU's constants to measured kernel times or to a recorded run");
  auto options = std::make_shared<CalibrateOptions>();
  command.option("--kernels", &options->kernels, "FILE.csv", "Tables of kernel times (.csv, packed or not) or folders of them");
  command.option("--trace", &options->traces, "FILE.trace", "Runs recorded on the real GPU, to be fitted");
  command.option("--judge", &options->judged, "FILE.trace",
                 "Runs to be predicted and not fitted; else half of each run's steps");
  command.option("--hardware", &options->hardware, "GPU", "Datasheet and first guesses: a built-in name or a .json file")
      .required();
  command.option("--model", &options->model, "NAME", "The model the trace, or a table that names layers, was measured with");
  command.option("--out", &options->out, "FILE.json", "The hardware file to write").writes().required();
  command.option("--name", &options->name, "NAME", "Its name; else that of --hardware with -calibrated");
  command.option("--residuals", &options->residuals, "FILE.csv", "Write predicted and measured time of every step")
      .writes()
      .needs("--trace");
  command.notes(
      "Fits all constants to kernel times and runs at once and reports the error on what the fit did not see, part by part. "
      "Where the "
      "measurements say little, constants stay near those of --hardware.");
  command.examples(
      {{"tokenyard calibrate --trace scenarios/recorded/h100-poisson.trace --hardware h100-sxm --out my-h100.json", ""},
       {"tokenyard simulate chat-hour --set hardware=my-h100.json", ""},
       {"tokenyard calibrate --kernels gemm.csv attention.csv --hardware rtx-4090 --out my-4090.json", ""}});
  command.run([options] { return calibrate(*options); });
  return command;
}

}  // namespace tokenyard::cli
