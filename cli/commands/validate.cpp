#include <fmt/core.h>

#include <charconv>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/output/say.h"
#include "core/base/input_error.h"
#include "core/base/json_reader.h"
#include "core/engine.h"
#include "core/metrics.h"
#include "sim/measured_run.h"
#include "sim/scenario.h"

namespace tokenyard::cli {
namespace {

struct ValidateOptions {
  std::string run, workload;
  std::vector<std::string> set, within;
};

// "tpot:5" ...: percent.
std::map<std::string, double> parse_limits(const std::vector<std::string>& words) {
  std::map<std::string, double> limits;
  for (const std::string& word : words) {
    const std::size_t colon = word.find(':');
    const std::string name = word.substr(0, colon);
    double percent = 0;
    const char* const end = word.data() + word.size();
    const char* const begin = colon == std::string::npos ? end : word.data() + colon + 1;
    const auto [stop, error] = std::from_chars(begin, end, percent);
    const bool known = name == "throughput" || name == "ttft" || name == "tpot" || name == "itl" || name == "e2el";
    if (!known || error != std::errc{} || stop != end || !(percent >= 0)) {
      throw InputError("--within: expected throughput, ttft, tpot, itl or e2el with percent as in tpot:5, found \"" + word +
                       "\"");
    }
    limits[name] = percent;
  }
  return limits;
}

// Measured beside predicted, line by line.
class Comparison {
 public:
  explicit Comparison(std::map<std::string, double> limits) : limits_(std::move(limits)) {
    say("{:<22} {:>12} {:>12} {:>8}\n", "", "measured", "predicted", "error");
  }
  void line(const std::string& key, const std::string& what, double real, double simulated) {
    const double error = real > 0 ? 100 * (simulated / real - 1) : 0;
    const auto limit = limits_.find(key);
    const bool off = limit != limits_.end() && std::fabs(error) > limit->second;
    fine_ = fine_ && !off;
    say("{:<22} {:>12.2f} {:>12.2f} {:>+7.1f}%{}\n", what, real, simulated, error,
        off ? fmt::format("  over {} %", limit->second) : "");
  }
  bool fine() const { return fine_; }

 private:
  std::map<std::string, double> limits_;
  bool fine_ = true;
};

struct ComparedLatency {
  const char* key;
  const char* name;
  const Distribution& simulated;
};

double per_second(std::int64_t tokens, TimeNs duration) {
  return duration > 0 ? static_cast<double>(tokens) * 1e9 / static_cast<double>(duration) : 0;
}

void check_completed(const std::string& path, std::int64_t measured, const Metrics& predicted) {
  if (predicted.completed == measured) return;
  throw InputError(fmt::format("{}: expected the simulation to complete all {} requests, found {}{}", path, measured,
                               predicted.completed,
                               predicted.first_refusals.empty() ? "" : "; " + predicted.first_refusals.front()));
}

bool compare_runs(const MeasuredRun& measured, const Metrics& predicted, Comparison table) {
  table.line("throughput", "Output tokens/s", per_second(measured.output_tokens, measured.duration),
             per_second(predicted.output_tokens, predicted.duration()));
  const auto latencies = [&](const ComparedLatency& latency, const Distribution& real) {
    const std::string name = latency.name;
    table.line(latency.key, "Mean " + name + " (ms)", real.mean() / 1e6, latency.simulated.mean() / 1e6);
    for (const int p : {50, 90, 99}) {
      table.line(latency.key, fmt::format("P{} {} (ms)", p, name), real.percentile(p) / 1e6,
                 latency.simulated.percentile(p) / 1e6);
    }
  };
  latencies({"ttft", "TTFT", predicted.ttft}, measured.ttft);
  latencies({"tpot", "TPOT", predicted.tpot}, measured.tpot);
  latencies({"e2el", "E2EL", predicted.e2el}, measured.e2el);
  return table.fine();
}

// The figures that a result without details has, by vLLM's names.
bool compare_figures(const JsonValue& summary, const Metrics& predicted, Comparison table) {
  constexpr double most = 1e12;
  JsonObject object = summary.object();
  table.line("throughput", "Output tokens/s", object.at("output_throughput").number(0, most),
             per_second(predicted.output_tokens, predicted.duration()));
  for (const ComparedLatency& latency :
       {ComparedLatency{"ttft", "TTFT", predicted.ttft}, ComparedLatency{"tpot", "TPOT", predicted.tpot},
        ComparedLatency{"itl", "ITL", predicted.itl}, ComparedLatency{"e2el", "E2EL", predicted.e2el}}) {
    const auto line = [&](const std::string& figure, const std::string& title, double simulated) {
      const auto real = object.find(figure + "_" + latency.key + "_ms");
      if (real && !real->is_null()) {
        table.line(latency.key, title + " " + latency.name + " (ms)", real->number(0, most), simulated / 1e6);
      }
    };
    line("mean", "Mean", latency.simulated.mean());
    line("median", "P50", latency.simulated.percentile(50));
    for (const int p : {90, 95, 99}) line(fmt::format("p{}", p), fmt::format("P{}", p), latency.simulated.percentile(p));
  }
  return table.fine();
}

int validate(const ValidateOptions& options) {
  const std::map<std::string, double> limits = parse_limits(options.within);
  const Scenario scenario = load_scenario(options.workload.empty() ? options.run : options.workload, options.set);
  std::optional<JsonValue> summary;
  std::optional<MeasuredRun> measured;
  if (options.workload.empty()) {
    measured = read_measured_run(options.run);
    if (limits.contains("itl")) throw InputError("--within: expected itl only beside --workload, found it");
  } else {
    summary = JsonValue::load(options.run);
    if (is_bench_result(*summary)) throw InputError(options.run + ": expected no --workload beside a result with lengths");
  }
  const std::unique_ptr<SimBackend> backend = make_backend(scenario);
  const std::unique_ptr<RequestSource> source = make_source(scenario);
  Metrics predicted;
  Engine engine(scenario.engine, *backend, {&predicted});
  engine.run(*source);
  const std::int64_t requests =
      measured ? measured->requests : summary->object().at("completed").integer(1, std::int64_t{1} << 40);
  check_completed(options.run, requests, predicted);
  const bool fine = measured ? compare_runs(*measured, predicted, Comparison(limits))
                             : compare_figures(*summary, predicted, Comparison(limits));
  say("{} on {}: {} requests, {} steps, {} preemptions; {} blocks of {} tokens\n",
      scenario.model ? scenario.model->name : "no model", scenario.hardware ? scenario.hardware->name : "constant time",
      requests, predicted.steps, predicted.preemptions, scenario.engine.num_blocks, scenario.engine.block_size);
  say("{}\n", error_note(scenario));
  return fine ? 0 : 1;
}

}  // namespace

Command validate_command() {
  Command command("validate", "Simulate what a real vLLM served, and compare with what was measured");
  auto options = std::make_shared<ValidateOptions>();
  command.positional("REQUESTS", &options->run, "Its requests with their times (.jsonl), as docs/calibration.md describes")
      .required();
  command.option("--workload", &options->workload, "SCENARIO",
                 "What its clients sent, for a result of vllm bench serve without --save-detailed");
  command.option("--set", &options->set, "PATH=VALUE", "Say what ran: model=... hardware=... engine.num_blocks=...");
  command.option("--within", &options->within, "METRIC:PERCENT", "Exit with 1 beyond these errors: tpot:5 ttft:8");
  command.examples(
      {{"tokenyard validate requests.jsonl --set model=llama-3.1-8b hardware=rtx-4090 --within tpot:5 ttft:8", ""}});
  command.run([options] { return validate(*options); });
  return command;
}

}  // namespace tokenyard::cli
