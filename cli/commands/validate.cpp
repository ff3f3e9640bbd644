#include <fmt/core.h>

#include <charconv>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/output/say.h"
#include "core/base/input_error.h"
#include "core/engine.h"
#include "core/metrics.h"
#include "sim/measured_run.h"
#include "sim/scenario.h"

namespace tokenyard::cli {
namespace {

struct ValidateOptions {
  std::string run;
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
    const bool known = name == "throughput" || name == "ttft" || name == "tpot" || name == "e2el";
    if (!known || error != std::errc{} || stop != end || !(percent >= 0)) {
      throw InputError("--within: expected throughput, ttft, tpot or e2el with percent as in tpot:5, found \"" + word + "\"");
    }
    limits[name] = percent;
  }
  return limits;
}

int validate(const ValidateOptions& options) {
  const std::map<std::string, double> limits = parse_limits(options.within);
  const Scenario scenario = load_scenario(options.run, options.set);
  const MeasuredRun measured = read_measured_run(options.run);
  const std::unique_ptr<SimBackend> backend = make_backend(scenario);
  const std::unique_ptr<RequestSource> source = make_source(scenario);
  Metrics predicted;
  Engine engine(scenario.engine, *backend, {&predicted});
  engine.run(*source);
  if (predicted.completed != measured.requests) {
    throw InputError(fmt::format("{}: expected the simulation to complete all {} requests, found {}{}", options.run,
                                 measured.requests, predicted.completed,
                                 predicted.first_refusals.empty() ? "" : "; " + predicted.first_refusals.front()));
  }

  bool fine = true;
  say("{:<22} {:>12} {:>12} {:>8}\n", "", "measured", "predicted", "error");
  const auto line = [&](const char* key, const std::string& what, double real, double simulated) {
    const double error = real > 0 ? 100 * (simulated / real - 1) : 0;
    const auto limit = limits.find(key);
    const bool off = limit != limits.end() && std::fabs(error) > limit->second;
    fine = fine && !off;
    say("{:<22} {:>12.2f} {:>12.2f} {:>+7.1f}%{}\n", what, real, simulated, error,
        off ? fmt::format("  over {} %", limit->second) : "");
  };
  const auto rate = [](std::int64_t tokens, TimeNs duration) {
    return duration > 0 ? static_cast<double>(tokens) * 1e9 / static_cast<double>(duration) : 0;
  };
  line("throughput", "Output tokens/s", rate(measured.output_tokens, measured.duration),
       rate(predicted.output_tokens, predicted.duration()));
  const auto latencies = [&](const char* key, const std::string& name, const Distribution& real,
                             const Distribution& simulated) {
    line(key, "Mean " + name + " (ms)", real.mean() / 1e6, simulated.mean() / 1e6);
    for (const int p : {50, 90, 99}) {
      line(key, fmt::format("P{} {} (ms)", p, name), real.percentile(p) / 1e6, simulated.percentile(p) / 1e6);
    }
  };
  latencies("ttft", "TTFT", measured.ttft, predicted.ttft);
  latencies("tpot", "TPOT", measured.tpot, predicted.tpot);
  latencies("e2el", "E2EL", measured.e2el, predicted.e2el);
  say("{} requests, {} steps, {} preemptions; {} blocks of {} tokens\n", measured.requests, predicted.steps,
      predicted.preemptions, scenario.engine.num_blocks, scenario.engine.block_size);
  say("{}\n", error_note(scenario));
  return fine ? 0 : 1;
}

}  // namespace

Command validate_command() {
  Command command("validate", "Simulate what a real vLLM served, and compare with what was measured");
  auto options = std::make_shared<ValidateOptions>();
  command.positional("REQUESTS", &options->run, "Its requests with their times (.jsonl), as docs/calibration.md describes")
      .required();
  command.option("--set", &options->set, "PATH=VALUE", "Say what ran: model=... hardware=... engine.num_blocks=...");
  command.option("--within", &options->within, "METRIC:PERCENT", "Exit with 1 beyond these errors: tpot:5 ttft:8");
  command.examples(
      {{"tokenyard validate requests.jsonl --set model=llama-3.1-8b hardware=rtx-4090 --within tpot:5 ttft:8", ""}});
  command.run([options] { return validate(*options); });
  return command;
}

}  // namespace tokenyard::cli
