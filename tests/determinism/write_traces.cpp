// What compare.sh compares: write_traces SOURCE_DIR OUT_DIR writes a trace and the result's numbers for every policy, with a
// pool so small that preemption, eviction and moves happen, and a story of the embedded model.
#include <cstdio>
#include <exception>
#include <fstream>
#include <string>
#include <vector>

#include "backends/text/text_engine.h"
#include "core/trace/writer.h"
#include "sim/result_values.h"
#include "sim/run.h"

namespace {

using namespace tokenyard;

void run(const std::string& scenario, const std::string& policy, const std::string& rule, const std::string& out) {
  std::vector<std::string> overrides = {"engine.policy=" + policy, "engine.num_blocks=700"};
  for (const char* each : {"0", "1", "2"}) overrides.push_back("workload." + std::string(each) + ".duration_s=300");
  if (!rule.empty()) overrides.push_back("engine." + rule);
  TraceWriter trace(out + ".trace");
  RunOptions options;
  options.trace = &trace;
  const RunResult result = run_scenario(load_scenario(scenario, overrides), options);
  trace.flush();
  std::ofstream numbers(out + ".txt");
  for (const ResultValue& value : result_values(result.metrics)) numbers << value.name << ' ' << result_text(value) << '\n';
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const std::string source = argv[1], out = std::string(argv[2]) + "/";
  try {
    const std::string scenario = source + "/scenarios/chat-hour.json";
    run(scenario, "vllm_v1", "queue_order=priority", out + "priority");
    run(scenario, "vllm_v1", "free_order=lru_all", out + "lru_all");
    run(scenario, "nano_vllm", "", out + "nano_vllm");
    run(scenario, "orca", "reservation=pow2", out + "orca");
    run(scenario, "static", "", out + "static");

    TextEngine engine(source + "/scenarios/models/story");
    Sampling sampling = default_sampling(engine.model());
    sampling.max_tokens = 80;
    sampling.params.seed = 3;
    std::ofstream(out + "story.txt") << engine.submit("Once upon a time", sampling).completion.get().text << '\n';
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}
