#include <random>

#include "core/base/model_json.h"
#include "core/trace/recorder.h"
#include "core/trace/writer.h"
#include "sim/fit.h"
#include "support.h"

using namespace tokenyard;

namespace {

// Each term of the cost model is large somewhere: many short sequences, few long ones, one alone, and prompts of all lengths.
Scenario mixed_traffic(const HardwareSpec& hardware) {
  return scenario_of(R"({"tokenyard_scenario": 1, "name": "t", "model": "llama-3.1-8b", "seed": 5, "hardware": )" +
                     to_json(hardware) + R"(, "engine": {"num_blocks": 20000, "max_num_batched_tokens": 4096}, "workload": [
    {"type": "generate", "count": 240, "arrivals": {"type": "all_at_once"}, "prompt_tokens": 20,
     "output_tokens": {"type": "uniform", "min": 50, "max": 400}},
    {"type": "generate", "start_s": 60, "count": 8, "arrivals": {"type": "all_at_once"}, "prompt_tokens": 15000, "output_tokens": 300},
    {"type": "generate", "start_s": 120, "count": 60, "arrivals": {"type": "poisson", "rate_per_s": 1},
     "prompt_tokens": {"type": "lognormal", "mean": 1500, "sigma": 1.2, "max": 16000}, "output_tokens": 20}]})");
}

std::string record(const Scenario& scenario, const std::string& path) {
  const auto backend = make_backend(scenario);
  TraceWriter trace(path);
  TraceRecorder recorder(trace);
  Engine engine(scenario.engine, *backend, {&recorder});
  trace.on_header(
      {"test", "sim", engine.scheduler().config(), scenario.json, to_json(*scenario.model), to_json(*scenario.hardware)});
  engine.run(*make_source(scenario));
  trace.on_end(engine.num_steps(), backend->now());
  trace.flush();
  return path;
}

}  // namespace

TEST_CASE("a run's steps give back the constants they were made with, in spite of noise") {
  const HardwareSpec base = find_hardware("a100-80gb");
  HardwareSpec truth = base;
  truth.host.step_us = 1500;
  truth.gemm.flops_efficiency = 0.5;
  truth.gemm.bandwidth_efficiency = 0.85;
  truth.decode_attention.per_sequence_us = 1;
  truth.decode_attention.bandwidth_efficiency = 0.5;
  truth.prefill_attention.io_efficiency = 0.25;
  truth.prefill_attention.flops_efficiency = 0.4;
  const Scenario scenario = mixed_traffic(truth);
  const TemporaryFile file("run.trace", "");
  RecordedSteps recorded = read_recorded_steps(record(scenario, file.path()));
  REQUIRE(recorded.steps.size() > 500);
  CHECK(recorded.model == to_json(*scenario.model));
  CHECK(recorded.execution.tensor_parallel == 1);

  // What the trace says of a step is what it cost.
  const CostModel exact = make_cost_model(scenario);
  for (const MeasuredStep& step : recorded.steps) REQUIRE(exact.cost(step.load).total() == step.duration);

  // +-3 % each, and a hiccup of the machine once in a hundred steps.
  std::mt19937_64 engine(11);
  for (MeasuredStep& step : recorded.steps) {
    const double noise = 0.97 + 0.06 * static_cast<double>(engine() >> 11) * 0x1p-53;
    step.duration = static_cast<TimeNs>(static_cast<double>(step.duration) * noise * (engine() % 100 == 0 ? 4 : 1));
  }
  const StepFit found = fit_steps(recorded.steps, *scenario.model, base, recorded.execution, "run.trace");
  const HardwareSpec& h = found.hardware;
  CHECK(h.host.step_us == Approx(1500).epsilon(0.15));
  CHECK(h.gemm.flops_efficiency == Approx(0.5).epsilon(0.05));
  CHECK(h.gemm.bandwidth_efficiency == Approx(0.85).epsilon(0.05));
  CHECK(h.decode_attention.bandwidth_efficiency == Approx(0.5).epsilon(0.05));
  CHECK(h.decode_attention.per_sequence_us == Approx(1).epsilon(0.15));
  CHECK(h.prefill_attention.flops_efficiency == Approx(0.4).epsilon(0.15));
  CHECK(h.gemm.t0_us == base.gemm.t0_us);

  const FitLine& line = found.lines.at(0);
  CHECK(line.held_out.mean < 0.03);
  CHECK(line.base.mean > 0.1);
  CHECK(line.fitted + line.held_out.count == recorded.steps.size());
  REQUIRE(found.residuals.size() == recorded.steps.size());
  for (const StepResidual& r : found.residuals) CHECK(r.predicted > 0);
  CHECK(h.known_error.find("never saw") != std::string::npos);
}

TEST_CASE("constants that a run does not show stay as they were") {
  // Nothing but decodes of one sequence.
  const HardwareSpec base = find_hardware("a100-80gb");
  const ModelShape model = find_model("llama-3.1-8b");
  HardwareSpec truth = base;
  truth.host.step_us = 900;
  const CostModel cost(model, truth, {});
  std::vector<MeasuredStep> steps;
  for (std::int32_t i = 0; i < 100; ++i) {
    MeasuredStep step{i, {}, 0};
    step.load.add(Row{nullptr, 500 + i, 1, 0, true});
    step.duration = cost.cost(step.load).total();
    steps.push_back(step);
  }
  const StepFit found = fit_steps(steps, model, base, {}, "t");
  CHECK(found.lines[0].held_out.mean < 1e-3);
  CHECK(found.hardware.prefill_attention == base.prefill_attention);
  CHECK(found.hardware.gemm.flops_efficiency == base.gemm.flops_efficiency);
}

TEST_CASE("too few steps are refused") {
  const std::vector<MeasuredStep> steps(39);
  CHECK_THAT(error_of([&] { fit_steps(steps, find_model("llama-3.1-8b"), find_hardware("l4"), {}, "run.trace"); }),
             has_text("run.trace: expected at least 40 steps with a duration, found 39"));
}
