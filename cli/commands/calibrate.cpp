#include <fmt/core.h>

#include <ctime>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/commands/generation.h"
#include "cli/commands/gpu_run.h"
#include "cli/known_cards.h"
#include "cli/output/report.h"
#include "cli/output/say.h"
#include "cli/scenario_files.h"
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
  bool this_gpu = false;
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

// Runs that excite every term: batches of all sizes, chunks beside decodes and behind long prefixes, a host that is not hidden,
// two models; and two that are only judged.
struct GpuRun {
  const char* name;  // of fidelity/NAME.json; 0.6b-offline is nano-vLLM's benchmark
  bool judged;
};
constexpr GpuRun kGpuRuns[] = {{"0.6b-offline", false}, {"0.6b-poisson", false}, {"0.6b-long", false},
                               {"0.6b-chunks", false},  {"0.6b-few", false},     {"0.6b-sync", false},
                               {"4b-poisson", false},   {"0.6b-overload", true}, {"8b-bursts", true}};

std::string today() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  return fmt::format("{:04}-{:02}-{:02}", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday);
}

// Where --this-gpu keeps its recordings: my-gpu.json has them in my-gpu-runs/. Nobody named them, so none is overwritten.
std::string runs_folder(const std::string& out) {
  namespace fs = std::filesystem;
  if (is_stream(out))
    throw InputError("--this-gpu: expected --out to name a file, beside which its recordings go, found " + out);
  std::string folder = fs::path(out).replace_extension().string() + "-runs";
  std::error_code ignored;
  if (fs::exists(fs::symlink_status(folder)) && !(fs::is_directory(folder, ignored) && fs::is_empty(folder, ignored))) {
    throw InputError(folder + ": is there already and stays as it is; give --out another name, or fit its recordings with " +
                     "--trace and --judge");
  }
  return folder;
}

void make_folder(const std::string& path) {
  std::error_code why;
  std::filesystem::create_directory(path, why);
  if (why) throw InputError(path + ": cannot be made: " + why.message());
}

// Where the fit of this engine on `card` begins: another engine's constants on it are further away than this one's elsewhere.
HardwareSpec start_on(const KnownCard& card) {
  HardwareSpec sheet = hardware_of(card);
  HardwareSpec start = find_hardware("h200");
  if (sheet.engine == start.engine) return sheet;
  start.source = std::string("datasheet of ") + card.words + ", first guesses of h200";
  start.bf16_tflops = sheet.bf16_tflops;
  start.memory_gb_per_s = sheet.memory_gb_per_s;
  start.memory_bytes = sheet.memory_bytes;
  start.link_gb_per_s = sheet.link_gb_per_s;
  if (start.link_gb_per_s <= 0) start.all_reduce.clear();
  return start;
}

// Adds recordings of this machine's card to the options' runs, and its datasheet where none is named. A run that does not fit
// the card's memory is left out.
GpuFacts record_runs(CalibrateOptions& options, std::optional<HardwareSpec>& hardware) {
  const std::string folder = runs_folder(options.out);
  if (const std::string& why = why_no_gpu(); !why.empty()) throw BackendError(why);
  make_folder(folder);
  note_gpu();
  GpuFacts facts;
  for (const GpuRun& run : kGpuRuns) {
    const std::string_view name = run.name;
    const std::string trace = folder + "/" + run.name + ".trace";
    const std::string scenario = name.ends_with("-offline") ? find_scenario("nano-vllm-bench") : find_fidelity_run(run.name);
    try {
      facts = record_on_gpu(scenario, !name.ends_with("-sync"), trace);
    } catch (const BackendError& error) {
      if (facts.device.empty()) throw;  // not even the smallest
      warn("note: {} is left out: {}\n", run.name, error.what());
      continue;
    }
    warn("{} recorded\n", trace);
    (run.judged ? options.judged : options.traces).push_back(trace);
    if (hardware) continue;
    const KnownCard* const card = find_card(facts.device);
    if (card == nullptr) {
      throw InputError("--hardware: expected the datasheet of " + facts.device +
                       ", a card that is not known here (docs/calibration.md, step 1), found none");
    }
    hardware = start_on(*card);
    hardware->elementwise.rows_at_once = facts.multiprocessors;
  }
  return facts;
}

int calibrate(CalibrateOptions options) {
  if (options.kernels.empty() && options.traces.empty() && !options.this_gpu)
    throw InputError("tokenyard calibrate: expected --this-gpu, --trace or --kernels, found none");
  std::optional<HardwareSpec> hardware;
  if (!options.hardware.empty()) hardware = find_hardware(options.hardware);
  std::optional<ModelShape> model;
  if (!options.model.empty()) model = find_model(options.model);

  FitInput input;
  for (const std::string& path : options.kernels) {
    for (const std::string& file : kernel_time_files(path)) {
      read_kernel_times(file, model, input.kernels);
      input.kernel_files += (input.kernel_files.empty() ? "" : ", ") + file_name(file);
    }
  }
  GpuFacts facts;
  if (options.this_gpu) facts = record_runs(options, hardware);
  if (!hardware)
    throw InputError(
        "tokenyard calibrate: expected --hardware with the card's datasheet, a built-in name or a file, found none");
  const HardwareSpec& base = *hardware;
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
  if (options.this_gpu) {
    fit.hardware.fitted_on.date = today();
    fit.hardware.fitted_on.driver = fmt::format("CUDA {}.{}", facts.driver_cuda / 1000, facts.driver_cuda % 1000 / 10);
  }
  fit.hardware.name = !options.name.empty() ? options.name : options.this_gpu ? facts.device : base.name + "-calibrated";
  write_file(options.out, Json::parse(to_json(fit.hardware), "hardware").dump(2) + "\n");
  const std::string use = is_stream(options.out) ? "" : "; use it with --set hardware=" + options.out;
  say("{}: {}{}\n", options.out, fit.hardware.known_error, use);
  return 0;
}

}  // namespace

Command calibrate_command() {
  Command command("calibrate", "Fit a GPU's constants to this machine's card, to recorded runs or to measured kernel times");
  auto options = std::make_shared<CalibrateOptions>();
  command.flag(
      "--this-gpu", options->this_gpu,
      "Record nine runs on this machine's GPU, a minute on an H200, into a new folder beside --out (my-gpu-runs); fit seven of "
      "them, judge two");
  command.option("--kernels", &options->kernels, "FILE.csv", "Tables of kernel times (.csv, packed or not) or folders of them");
  command.option("--trace", &options->traces, "FILE.trace", "Runs recorded on the real GPU, to be fitted");
  command.option("--judge", &options->judged, "FILE.trace",
                 "Runs to be predicted and not fitted; else half of each run's steps");
  command.option(
      "--hardware", &options->hardware, "GPU",
      "Datasheet and first guesses: a built-in name or a .json file; --this-gpu knows the cards of tokenyard doctor --cards");
  command.option("--model", &options->model, "NAME", "The model the trace, or a table that names layers, was measured with");
  command.option("--out", &options->out, "FILE.json", "The hardware file to write").writes().required();
  command.option("--name", &options->name, "NAME", "Its name; else the card's, or that of --hardware with -calibrated");
  command.option("--residuals", &options->residuals, "FILE.csv", "Write predicted and measured time of every step")
      .writes()
      .needs("--trace");
  command.notes(
      "Fits all constants to kernel times and runs at once and reports the error on what the fit did not see, part by part. "
      "Where the measurements say little, constants stay near those of --hardware.");
  command.examples(
      {{"tokenyard calibrate --this-gpu --out my-gpu.json", "needs an NVIDIA GPU"},
       {"tokenyard calibrate --trace scenarios/recorded/h100-poisson.trace --hardware h100-sxm --out my-h100.json", ""},
       {"tokenyard simulate chat-hour --set hardware=my-h100.json", ""},
       {"tokenyard calibrate --kernels gemm.csv attention.csv --hardware rtx-4090 --out my-4090.json", ""}});
  command.run([options] { return calibrate(*options); });
  return command;
}

}  // namespace tokenyard::cli
