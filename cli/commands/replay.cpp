#include "core/trace/replay.h"

#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/output/report.h"
#include "cli/output/say.h"
#include "core/base/output_file.h"
#include "core/trace/reader.h"
#include "core/trace/writer.h"

namespace tokenyard::cli {
namespace {

struct ReplayOptions {
  std::string trace, copy, json;
  std::vector<std::string> goodput;
};

int run_replay(const ReplayOptions& options) {
  const Slo slo = parse_slo(options.goodput);
  TraceReader reader(options.trace);
  std::unique_ptr<TraceWriter> copy;
  if (!options.copy.empty()) copy = std::make_unique<TraceWriter>(options.copy);
  const ReplayOutcome outcome = replay(reader, copy.get(), slo);
  if (copy) copy->finish();

  ReportContext context;
  context.scenario = options.trace;
  context.backend = reader.header().backend;
  context.engine = reader.header().engine;
  context.timing = "step times as recorded (" + context.backend + ")";
  if (!options.json.empty()) write_file(options.json, result_json(outcome.metrics, context));
  print_result(outcome.metrics, context);
  if (!outcome.identical) {
    say("differs after {} steps: {}\n", outcome.steps, outcome.first_difference);
    return 1;
  }
  say("replayed: all {} steps identical{}\n", outcome.steps,
      outcome.complete ? "" : "; the trace was cut off there, its run did not end");
  return 0;
}

}  // namespace

Command replay_command() {
  Command command("replay", "Schedule a recorded run again and compare every decision");
  auto options = std::make_shared<ReplayOptions>();
  command.positional("TRACE", &options->trace, "A trace of any backend").required();
  command.option("--trace", &options->copy, "FILE.trace", "Write the replayed run as a trace of its own").writes();
  command.option("--json", &options->json, "FILE.json", "Write the result under the field names of `vllm bench serve`")
      .writes();
  command.option("--goodput", &options->goodput, "METRIC:MS", "Count requests within these limits, in ms: ttft:500 tpot:50");
  command.notes("No GPU is needed, whatever recorded the trace. Exit status: 1 when a decision differs.");
  command.examples({{"tokenyard simulate head-of-line --trace run.trace", ""},
                    {"tokenyard replay run.trace", ""},
                    {"tokenyard replay scenarios/recorded/h100-nano-vllm.trace", "recorded on a real H100"}});
  command.run([options] { return run_replay(*options); });
  return command;
}

}  // namespace tokenyard::cli
