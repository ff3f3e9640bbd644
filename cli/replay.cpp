#include "core/trace/replay.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/report.h"

namespace tokenyard::cli {
namespace {

struct Options {
  std::string trace, copy, json;
  std::vector<std::string> goodput;
};

int run_replay(const Options& options) {
  const Slo slo = parse_slo(options.goodput);
  TraceReader reader(options.trace);
  std::unique_ptr<TraceWriter> copy;
  if (!options.copy.empty()) copy = std::make_unique<TraceWriter>(options.copy);
  const ReplayOutcome outcome = replay(reader, copy.get(), slo);

  ReportContext context;
  context.scenario = options.trace;
  context.backend = reader.header().backend;
  context.engine = reader.header().engine;
  context.timing = "step times as recorded (" + context.backend + ")";
  if (!options.json.empty()) write_file(options.json, result_json(outcome.metrics, context));
  fmt::print("{}", result_table(outcome.metrics, context));
  if (!outcome.identical) {
    fmt::print("differs after {} steps: {}\n", outcome.steps, outcome.first_difference);
    return 1;
  }
  fmt::print("replayed: all {} steps identical{}\n", outcome.steps,
             outcome.complete ? "" : "; the trace was cut off there, its run did not end");
  return 0;
}

}  // namespace

void add_replay(CLI::App& app, Run& chosen) {
  auto* command = app.add_subcommand("replay", "Schedule a recorded run again and compare every decision");
  auto options = std::make_shared<Options>();
  command->add_option("trace", options->trace, "A trace of any backend")->required();
  command->add_option("--trace", options->copy, "Write the replayed run as a trace of its own");
  command->add_option("--json", options->json, "Write the result under the field names of `vllm bench serve`");
  command->add_option("--goodput", options->goodput, "Count requests within these limits, in ms: --goodput ttft:500 tpot:50")
      ->type_name("METRIC:MS");
  command->footer("No GPU is needed, whatever recorded the trace. Exit status: 1 when a decision differs.");
  command->callback([options, &chosen] { chosen = [options] { return run_replay(*options); }; });
}

}  // namespace tokenyard::cli
