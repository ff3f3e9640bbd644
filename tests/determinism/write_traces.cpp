// What compare.sh compares: write_traces SOURCE_DIR OUT_DIR writes a trace and the result's numbers for every policy, with a
// pool so small that preemption, eviction and moves happen, and a story of the embedded model.
#include <cstdio>
#include <exception>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "backends/text/loaded_model.h"
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

// On this thread, since the browser's build has no other.
void tell_a_story(const std::string& folder, const std::string& out) {
  struct Listener final : RequestListener {
    void on_token(const Request&, Token token, const TokenLogprobs*) override { tokens.push_back(token); }
    void on_end(const Request&, const std::string&) override {}
    std::vector<Token> tokens;
  };
  TextOptions options;
  options.backend = TextBackend::cpu;
#ifdef __EMSCRIPTEN__
  options.threads = 1;
#endif
  LoadedModel model(folder, options);
  Sampling sampling = default_sampling(model.weights.config());
  sampling.max_tokens = 80;
  sampling.params.seed = 3;
  Engine engine(model.engine, *model.backend);
  const auto listener = std::make_shared<Listener>();
  engine.submit(request_spec(model.tokenizer.encode("Once upon a time"), sampling, model.weights.config().eos_token_ids),
                listener);
  while (engine.step(nullptr)) {
  }
  std::ofstream(out) << model.tokenizer.decode(listener->tokens, /*skip_special=*/true) << '\n';
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

    tell_a_story(source + "/scenarios/models/story", out + "story.txt");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}
