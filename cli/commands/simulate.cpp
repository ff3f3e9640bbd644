#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/output/plot.h"
#include "cli/output/report.h"
#include "cli/output/say.h"
#include "cli/output/timeline.h"
#include "cli/scenario_files.h"
#include "cli/version.h"
#include "core/base/output_file.h"
#include "core/trace/writer.h"
#include "sim/lesson.h"
#include "sim/run.h"

namespace tokenyard::cli {
namespace {

struct SimulateOptions {
  std::string scenario, variant, policy, trace, json, plot;
  std::vector<std::string> set, goodput;
};

int simulate(const SimulateOptions& options) {
  if (!options.plot.empty()) require_plot_format(options.plot);
  std::vector<std::string> overrides = options.set;
  if (!options.policy.empty()) overrides.push_back("engine.policy=" + options.policy);
  const Slo slo = parse_slo(options.goodput);
  const std::string path = find_scenario(options.scenario);
  if (!options.variant.empty()) {
    const std::vector<std::string> variant = find_variant(load_lesson(path), options.variant).overrides;
    overrides.insert(overrides.begin(), variant.begin(), variant.end());
  }
  const Scenario scenario = load_scenario(path, overrides);

  std::unique_ptr<TraceWriter> trace;
  if (!options.trace.empty()) trace = std::make_unique<TraceWriter>(options.trace);
  RunResult result;
  Timeline timeline;
  {
    Progress progress;
    result = run_scenario(scenario, {slo, trace.get(), kProgram, [&](const Engine& engine, const Metrics& metrics, TimeNs now) {
                                       progress.update(engine, metrics, now);
                                       if (!options.plot.empty()) timeline.add(engine, metrics, now);
                                     }});
  }
  if (trace) trace->finish();

  ReportContext context;
  context.scenario = scenario.name;
  context.backend = "sim";
  context.engine = result.engine;
  if (scenario.model) context.model = scenario.model->name;
  if (scenario.hardware) context.hardware = scenario.hardware->name;
  context.timing = scenario.model ? context.model + " on " + context.hardware : "constant step time";
  context.error_note = error_note(scenario);
  if (!options.json.empty()) write_file(options.json, result_json(result.metrics, context));
  print_result(result.metrics, context);
  if (!options.trace.empty()) say("trace: {}\n", options.trace);
  if (!options.plot.empty()) {
    const std::string name = scenario.title.empty() ? scenario.name : scenario.title;
    const std::string variant = options.variant.empty() ? "" : options.variant + ": ";
    save_plot(options.plot,
              timeline.draw(name, variant + "policy " + name_of(result.engine.policy) + ", " + context.timing, result.metrics));
    say("plot: {}\n", options.plot);
  }
  return 0;
}

}  // namespace

Command simulate_command() {
  Command command("simulate", "Run a scenario, or recorded traffic, on a simulated GPU");
  auto options = std::make_shared<SimulateOptions>();
  command
      .positional("SCENARIO", &options->scenario,
                  "A scenario's name or file, recorded traffic (docs/scenarios.md lists the kinds) or a peer's workload")
      .required();
  command.option("--variant", &options->variant, "NAME", "One of a classroom scenario's variants, as explain lists them");
  command.option("--policy", &options->policy, "NAME", "Short for --set engine.policy=NAME").one_of(all_names<Policy>());
  command.option("--set", &options->set, "PATH=VALUE", "Change values: engine.max_num_seqs=64 hardware=h100-sxm");
  command.option("--trace", &options->trace, "FILE.trace", "Write every decision with its reason (JSON Lines)").writes();
  command.option("--json", &options->json, "FILE.json", "Write the result under the field names of `vllm bench serve`")
      .writes();
  command.option("--plot", &options->plot, "FILE.svg", "Draw latencies, memory and queues (.svg or .png)").writes();
  command.option("--goodput", &options->goodput, "METRIC:MS", "Count requests within these limits, in ms: ttft:500 tpot:50");
  command.examples({{"tokenyard simulate chat-hour --goodput ttft:500 tpot:50", ""},
                    {"tokenyard simulate chat-hour --set engine.num_blocks=700 --trace small.trace --plot small.svg", ""},
                    {"tokenyard simulate paged-memory --variant orca_max", ""},
                    {"tokenyard simulate AzureLLMInferenceTrace_conv.csv --set model=llama-3.1-8b hardware=a100-80gb", ""}});
  command.run([options] { return simulate(*options); });
  return command;
}

}  // namespace tokenyard::cli
