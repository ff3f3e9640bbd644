#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/plot.h"
#include "cli/report.h"
#include "cli/scenario_files.h"
#include "cli/timeline.h"
#include "core/trace/trace.h"
#include "sim/lesson.h"
#include "sim/run.h"

namespace tokenyard::cli {
namespace {

struct Options {
  std::string scenario, variant, policy, trace, json, plot;
  std::vector<std::string> set, goodput;
};

int simulate(const Options& options) {
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
    result = run_scenario(scenario, {slo, trace.get(), "tokenyard " TOKENYARD_VERSION,
                                     [&](const Engine& engine, const Metrics& metrics, TimeNs now) {
                                       progress.update(engine, metrics, now);
                                       if (!options.plot.empty()) timeline.add(engine, metrics, now);
                                     }});
  }
  if (trace) trace->flush();

  ReportContext context;
  context.scenario = scenario.name;
  context.backend = "sim";
  context.engine = result.engine;
  if (scenario.model) context.model = scenario.model->name;
  if (scenario.hardware) context.hardware = scenario.hardware->name;
  context.timing = scenario.model ? context.model + " on " + context.hardware : "constant step time";
  context.error_note = error_note(scenario);
  if (!options.json.empty()) write_file(options.json, result_json(result.metrics, context));
  fmt::print("{}", result_table(result.metrics, context));
  if (!options.trace.empty()) fmt::print("trace: {}\n", options.trace);
  if (!options.plot.empty()) {
    const std::string name = scenario.title.empty() ? scenario.name : scenario.title;
    const std::string variant = options.variant.empty() ? "" : options.variant + ": ";
    save_plot(options.plot,
              timeline.draw(name, variant + "policy " + name_of(result.engine.policy) + ", " + context.timing, result.metrics));
    fmt::print("plot: {}\n", options.plot);
  }
  return 0;
}

}  // namespace

void add_simulate(CLI::App& app, Run& chosen) {
  auto* command = app.add_subcommand("simulate", "Run a scenario, or recorded traffic, on a simulated GPU");
  auto options = std::make_shared<Options>();
  command
      ->add_option("scenario", options->scenario,
                   "A scenario (.json), an Azure 2023 trace (.csv), a Mooncake trace (.jsonl), or a peer's workload")
      ->required();
  command->add_option("--variant", options->variant, "One of a classroom scenario's variants (see tokenyard explain)");
  command->add_option("--policy", options->policy, "static, orca, nano_vllm or vllm_v1; short for --set engine.policy=...");
  command->add_option("--set", options->set, "Change a value: --set engine.max_num_seqs=64 hardware=h100-sxm")
      ->type_name("PATH=VALUE");
  command->add_option("--trace", options->trace, "Write every decision with its reason to this file (JSON Lines)");
  command->add_option("--json", options->json, "Write the result under the field names of `vllm bench serve`");
  command->add_option("--plot", options->plot, "Draw latencies, memory and queues (.svg or .png)");
  command->add_option("--goodput", options->goodput, "Count requests within these limits, in ms: --goodput ttft:500 tpot:50")
      ->type_name("METRIC:MS");
  command->footer(
      "Examples:\n"
      "  tokenyard simulate scenarios/chat-hour.json --goodput ttft:500 tpot:50\n"
      "  tokenyard simulate AzureLLMInferenceTrace_conv.csv --set model=llama-3.1-8b hardware=a100-80gb --trace azure.trace");
  command->callback([options, &chosen] { chosen = [options] { return simulate(*options); }; });
}

}  // namespace tokenyard::cli
