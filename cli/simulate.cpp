#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/report.h"
#include "core/engine.h"
#include "core/trace.h"
#include "sim/scenario.h"

namespace tokenyard::cli {
namespace {

struct Options {
  std::string scenario, policy, trace, json;
  std::vector<std::string> set, goodput;
};

int simulate(const Options& options) {
  std::vector<std::string> overrides = options.set;
  if (!options.policy.empty()) overrides.push_back("engine.policy=" + options.policy);
  const Slo slo = parse_slo(options.goodput);
  const Scenario scenario = load_scenario(options.scenario, overrides);
  const std::unique_ptr<SimBackend> backend = make_backend(scenario);
  const std::unique_ptr<RequestSource> source = make_source(scenario);

  std::unique_ptr<TraceWriter> trace;
  if (!options.trace.empty()) trace = std::make_unique<TraceWriter>(options.trace);
  Engine engine(scenario.engine, *backend, {slo, trace.get()});
  if (trace) {
    trace->on_header({"tokenyard " TOKENYARD_VERSION, "sim", engine.scheduler().config(), scenario.json,
                      scenario.model ? to_json(*scenario.model) : "", scenario.hardware ? to_json(*scenario.hardware) : ""});
  }
  {
    Progress progress;
    while (engine.step(source.get())) progress.update(engine, backend->now());
  }
  if (trace) {
    trace->on_end(engine.num_steps(), backend->now());
    trace->flush();
  }

  ReportContext context;
  context.scenario = scenario.name;
  context.backend = "sim";
  context.engine = engine.scheduler().config();
  if (scenario.model) context.model = scenario.model->name;
  if (scenario.hardware) context.hardware = scenario.hardware->name;
  context.timing = scenario.model ? context.model + " on " + context.hardware : "constant step time";
  context.error_note = error_note(scenario);
  if (!options.json.empty()) write_file(options.json, result_json(engine.metrics(), context));
  fmt::print("{}", result_table(engine.metrics(), context));
  if (!options.trace.empty()) fmt::print("trace: {}\n", options.trace);
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
  command->add_option("--policy", options->policy, "static, orca, nano_vllm or vllm_v1; short for --set engine.policy=...");
  command->add_option("--set", options->set, "Change a value: --set engine.max_num_seqs=64 hardware=h100-sxm")
      ->type_name("PATH=VALUE");
  command->add_option("--trace", options->trace, "Write every decision with its reason to this file (JSON Lines)");
  command->add_option("--json", options->json, "Write the result under the field names of `vllm bench serve`");
  command->add_option("--goodput", options->goodput, "Count requests within these limits, in ms: --goodput ttft:500 tpot:50")
      ->type_name("METRIC:MS");
  command->footer(
      "Examples:\n"
      "  tokenyard simulate scenarios/chat-hour.json --goodput ttft:500 tpot:50\n"
      "  tokenyard simulate AzureLLMInferenceTrace_conv.csv --set model=llama-3.1-8b hardware=a100-80gb --trace azure.trace");
  command->callback([options, &chosen] { chosen = [options] { return simulate(*options); }; });
}

}  // namespace tokenyard::cli
