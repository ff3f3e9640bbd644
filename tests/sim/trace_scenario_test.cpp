#include "sim/trace_scenario.h"

#include "core/trace/writer.h"
#include "sim/run.h"
#include "support.h"

using namespace tokenyard;

namespace {

Metrics run_recorded(const Scenario& scenario, const std::string& path) {
  TraceWriter writer(path);
  RunOptions options;
  options.trace = &writer;
  const Metrics metrics = run_scenario(scenario, options).metrics;
  writer.flush();
  return metrics;
}

}  // namespace

TEST_CASE("a trace is a scenario: the same traffic, which decides the same and can be varied") {
  const TemporaryFile trace("run.trace", "");
  for (const char* workload :
       {R"({"type": "generate", "count": 80, "arrivals": {"type": "poisson", "rate_per_s": 40}, "prompt_tokens": 100,
            "output_tokens": {"type": "uniform", "min": 1, "max": 60}, "system_prompts": [{"name": "s", "tokens": 70}],
            "priorities": [{"priority": 1}, {"priority": 2}]})",
        R"({"type": "requests", "requests": [{"id": "a", "prompt": [5, 6, 7], "max_tokens": 9, "outputs": [3, 4, 5]},
            {"id": "b", "prompt": [{"text": "t", "tokens": 40}, {"ids": [1, 2]}], "max_tokens": 4},
            {"id": "c", "arrival_ms": 3, "prompt_tokens": 40, "max_tokens": 30}]})"}) {
    std::filesystem::remove(trace.path());
    const Metrics recorded =
        run_recorded(scenario_of(constant_scenario(workload, R"({"num_blocks": 60, "max_num_seqs": 16})")), trace.path());
    CHECK_THAT(error_of([&] { load_scenario(trace.path(), {}); }), has_text("expected --set model=... hardware=..."));
    const Scenario again = load_scenario(trace.path(), {"step_time.per_step_us=1000"});
    const Metrics simulated = run_scenario(again).metrics;
    CHECK(simulated.joined == recorded.joined);
    CHECK(simulated.steps == recorded.steps);
    CHECK(simulated.preemptions == recorded.preemptions);
    CHECK(simulated.prefix_hits == recorded.prefix_hits);
    CHECK(simulated.ttft.mean() == recorded.ttft.mean());
    CHECK(simulated.duration() == recorded.duration());
    const Scenario roomy = load_scenario(trace.path(), {"step_time.per_step_us=1000", "engine.num_blocks=1000"});
    CHECK(run_scenario(roomy).metrics.preemptions == 0);
  }
}

TEST_CASE("a trace is simulated as it was run: cards, K/V in eight bits, no graphs") {
  const TemporaryFile trace("run.trace", "");
  const Scenario scenario = scenario_of(
      R"({"tokenyard_scenario":1,"name":"s","model":"qwen3-0.6b","hardware":"h200","tensor_parallel":2,"kv_dtype":"fp8",)"
      R"("cuda_graphs":false,"engine":{"num_blocks":100},)"
      R"("workload":[{"type":"requests","requests":[{"id":"a","prompt_tokens":40,"max_tokens":3}]}]})");
  const Metrics recorded = run_recorded(scenario, trace.path());
  const Scenario again = load_scenario(trace.path(), {});
  CHECK(again.execution.tensor_parallel == 2);
  CHECK(again.execution.kv_dtype == KvDtype::fp8);
  CHECK_FALSE(again.execution.cuda_graphs);
  CHECK(run_scenario(again).metrics.duration() == recorded.duration());
}

TEST_CASE("a trace that was cut off is a scenario as far as it goes") {
  const std::string head =
      R"({"tokenyard_trace":1,"program":"p","backend":"cpu","engine":{"policy":"vllm_v1","num_blocks":9,"block_size":4}})"
      "\n";
  const std::string join = R"({"join":0,"id":"a","step":0,"at":0,"arrival":0,"prompt":[[7,0,5]],"max_tokens":20})"
                           "\n";
  const std::string steps = R"({"step":0,"t":9,"dur":5,"admit":[[0,0,5,[1,2]]],"tokens":[5]})"
                            "\n"
                            R"({"step":1,"t":14,"dur":5,"tokens":[6]})"
                            "\n"
                            R"({"step":2,"t":19,"d)";
  const TemporaryFile cut("cut.trace", head + join + steps);
  const Metrics metrics = run_scenario(load_scenario(cut.path(), {"step_time.per_step_us=1000"})).metrics;
  CHECK(metrics.completed == 1);
  CHECK(metrics.output_tokens == 2);
  const TemporaryFile empty("empty.trace", head);
  CHECK_THAT(error_of([&] { load_scenario(empty.path(), {}); }), has_text("expected at least one request, found none"));
  const TemporaryFile wrong("wrong.trace", head + steps);
  CHECK_THAT(error_of([&] { load_scenario(wrong.path(), {}); }), has_text("wrong.trace"));
}
