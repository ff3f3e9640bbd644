#include <cmath>
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

RecordedRun record(const Scenario& scenario, const std::string& name) {
  const TemporaryFile file(name, "");
  const auto backend = make_backend(scenario);
  TraceWriter trace(file.path());
  TraceRecorder recorder(trace);
  Engine engine(scenario.engine, *backend, {&recorder});
  trace.on_header(
      {"vLLM 9", "sim", engine.scheduler().config(), scenario.json, to_json(*scenario.model), R"({"name":"a card"})"});
  engine.run(*make_source(scenario));
  trace.on_end(engine.num_steps(), backend->now());
  trace.finish();
  return read_recorded_run(file.path());
}

double noise(std::mt19937_64& engine) { return 0.97 + 0.06 * static_cast<double>(engine() >> 11) * 0x1p-53; }

HardwareFit fit_runs(std::vector<RecordedRun> runs, const HardwareSpec& base, std::vector<RecordedRun> judged = {}) {
  FitInput input;
  input.runs = std::move(runs);
  input.judged = std::move(judged);
  return fit_hardware(input, base);
}

HardwareSpec another_a100() {
  HardwareSpec truth = find_hardware("a100-80gb");
  truth.host.step_us = 1500;
  truth.gemm.flops_efficiency = 0.5;
  truth.gemm.bandwidth_efficiency = 0.5;
  truth.decode_attention.per_sequence_us = 1;
  truth.decode_attention.bandwidth_efficiency = 0.5;
  truth.prefill_attention.io_efficiency = 0.25;
  truth.prefill_attention.flops_efficiency = 0.4;
  return truth;
}

}  // namespace

TEST_CASE("a run's steps give back the constants they were made with, in spite of noise") {
  const HardwareSpec base = find_hardware("a100-80gb");
  const Scenario scenario = mixed_traffic(another_a100());
  RecordedRun run = record(scenario, "run.trace");
  REQUIRE(run.steps.size() > 500);
  CHECK(to_json(run.model) == to_json(*scenario.model));
  CHECK(run.device == "a card");

  // What the trace says of a step is what it cost, part by part.
  const CostModel exact = make_cost_model(scenario);
  for (const MeasuredStep& step : run.steps) REQUIRE(exact.cost(step.load) == step.parts);

  // +-3 % each, and a hiccup of the machine once in a hundred steps; and nothing but whole steps.
  std::mt19937_64 engine(11);
  for (MeasuredStep& step : run.steps) {
    step.duration = static_cast<TimeNs>(static_cast<double>(step.duration) * noise(engine) * (engine() % 100 == 0 ? 4 : 1));
    step.parts = {};
  }
  const HardwareFit found = fit_runs({run}, base);
  const RunReport& report = found.runs.at(0);
  CHECK(report.lines.size() == 1);
  CHECK(report.lines.at(0).error.mean < 0.05);  // of which the hiccups are 0.03
  CHECK(report.lines.at(0).error.p50 < 0.025);
  CHECK(report.lines.at(0).base.mean > 0.1);
  CHECK(report.fitted + report.lines.at(0).error.count == run.steps.size());
  REQUIRE(report.residuals.size() == run.steps.size());
  CHECK(report.worst().size() == 5);
  CHECK(report.worst()[0].measured > 2 * report.worst()[0].predicted);
  const HardwareSpec& h = found.hardware;
  CHECK(h.gemm.flops_efficiency == Approx(0.5).epsilon(0.05));
  CHECK(h.decode_attention.bandwidth_efficiency == Approx(0.5).epsilon(0.1));
  CHECK(h.gemm.bandwidth_efficiency == h.decode_attention.bandwidth_efficiency);  // nothing tells them apart
  CHECK_THAT(h.known_error, has_text("never saw: run.trace"));
  CHECK(h.fitted_on.card == "a card");
  CHECK_THAT(h.fitted_on.data, has_text("run.trace (hash "));
}

TEST_CASE("steps with their parts tell every constant, and another model's run is met") {
  const HardwareSpec base = find_hardware("a100-80gb");
  HardwareSpec truth = another_a100();
  truth.gemm.t0_us = 4;
  truth.elementwise.t0_us = 3;
  truth.decode_attention.t0_us = 8;
  truth.sampler = {40, 0.5};
  truth.t0_growth = 0.1;
  truth.t0_one_row = 0.7;
  truth.host.row_us = 6;
  RecordedRun run = record(mixed_traffic(truth), "run.trace");
  std::mt19937_64 engine(12);
  for (MeasuredStep& step : run.steps) {
    const auto noisy = [&](TimeNs& part) { part = static_cast<TimeNs>(static_cast<double>(part) * noise(engine)); };
    for (TimeNs* part :
         {&step.parts.gemm, &step.parts.attention, &step.parts.elementwise, &step.parts.head, &step.parts.host}) {
      noisy(*part);
    }
    step.duration = step.parts.total();
  }
  Scenario other = mixed_traffic(truth);
  other.model = find_model("qwen3-4b");
  const HardwareFit found = fit_runs({run}, base, {record(other, "other.trace")});
  const HardwareSpec& h = found.hardware;
  CHECK(h.gemm.flops_efficiency == Approx(0.5).epsilon(0.03));
  CHECK(h.elementwise.t0_us == Approx(3).epsilon(0.2));
  CHECK(h.t0_one_row < 0.9);
  CHECK(h.host.step_us + 32 * h.host.row_us == Approx(1500 + 32 * 6).epsilon(0.03));
  CHECK(h.host.step_us == Approx(1500).epsilon(0.08));  // noise tells the two apart less well than their sum
  CHECK(h.host.row_us > 3);                             // the base has 0
  CHECK(h.host.row_us < 10);
  CHECK(found.notes.empty());

  REQUIRE(found.runs.size() == 2);
  CHECK(found.runs[1].fitted == 0);
  REQUIRE(found.runs[1].lines.size() == 7);
  double parts = 0;
  for (std::size_t i = 1; i < 7; ++i) parts += found.runs[1].lines[i].error.bias;
  CHECK(parts == Approx(found.runs[1].lines[0].error.bias).margin(1e-6));  // signed errors add up
  CHECK(found.runs[1].lines[0].error.mean < 0.02);
  CHECK_THAT(h.known_error, has_text("never saw: other.trace"));
}

TEST_CASE("slow launches are found where they stand: in the step that runs meanwhile") {
  const HardwareSpec base = find_hardware("a100-80gb");
  HardwareSpec truth = base;
  truth.host.launch_us = 160;  // some 55 ms a step of more than 512 tokens, longer than such a step here
  truth.host.piece_us = 1500;
  Scenario scenario = mixed_traffic(truth);
  scenario.model = find_model("qwen3-0.6b");
  RecordedRun run = record(scenario, "run.trace");
  for (MeasuredStep& step : run.steps) step.load.ahead = true;
  const CostModel cost(run.model, truth, run.execution);
  for (std::size_t i = 0; i < run.steps.size(); ++i) {
    const StepParts own = cost.cost(run.steps[i].load);
    const StepParts next = cost.cost(run.steps[std::min(i + 1, run.steps.size() - 1)].load);
    run.steps[i].duration = own.total() - own.host + next.host;
    run.steps[i].parts = {};
    if (i + 1 < run.steps.size()) run.steps[i].launched = run.steps[i + 1].load;
  }
  const HardwareFit found = fit_runs({run}, base);
  CHECK(found.hardware.host.launch_us == Approx(160).epsilon(0.1));
  CHECK(found.hardware.host.piece_us == Approx(1500).epsilon(0.1));
  CHECK(found.runs[0].lines[0].error.mean < 0.02);
}

TEST_CASE("a recording of an engine that plans ahead says which launch stands in a step") {
  const RecordedRun run = read_recorded_run(std::string(TOKENYARD_SOURCE_DIR) + "/scenarios/recorded/vllm-0.26-h200-live.trace",
                                            find_model("qwen3-0.6b"));
  std::size_t shown = 0;
  for (std::size_t i = 0; i + 1 < run.steps.size(); ++i) {
    const StepLoad& next = run.steps[i + 1].load;
    CHECK(run.steps[i].launched.has_value() == next.ahead);
    if (run.steps[i].launched) shown += run.steps[i].launched->positions == next.positions;
  }
  CHECK(shown > 2000);
  // Its short prompts take the host 7 ms and its long ones 17, whatever their tokens.
  const HardwareFit found = fit_runs({run}, find_hardware("h200-vllm"));
  CHECK(found.hardware.host.piece_us * 28 == Approx(7300).epsilon(0.15));
  CHECK(found.hardware.host.launch_us * 28 * 11 == Approx(17500).epsilon(0.15));
}

TEST_CASE("no efficiency of a card becomes more than 1") {
  RecordedRun run = record(mixed_traffic(another_a100()), "run.trace");
  for (MeasuredStep& step : run.steps) {
    step.parts.gemm /= 4;  // faster than the card can multiply and read
    step.duration = step.parts.total();
  }
  const HardwareFit found = fit_runs({run}, find_hardware("a100-80gb"));
  CHECK(found.hardware.gemm.flops_efficiency <= 1);
  CHECK(found.hardware.gemm.bandwidth_efficiency <= 1);
  REQUIRE_FALSE(found.notes.empty());
  CHECK_THAT(found.notes.front(), has_text("the measurements ask for more than 1, which no card can do"));
}

TEST_CASE("constants that a run does not show stay as they were") {
  // Nothing but decodes of one sequence.
  const HardwareSpec base = find_hardware("a100-80gb");
  HardwareSpec truth = base;
  truth.host.step_us = 900;
  RecordedRun run{"t", find_model("llama-3.1-8b"), {}, "", "", 0, {}};
  const CostModel cost(run.model, truth, {});
  for (std::int32_t i = 0; i < 100; ++i) {
    MeasuredStep step;
    step.step = i;
    step.load.add(Row{nullptr, 500 + i, 1, 0, true});
    step.duration = cost.cost(step.load).total();
    run.steps.push_back(step);
  }
  const HardwareFit found = fit_runs({run}, base);
  CHECK(found.runs[0].lines[0].error.mean < 1e-2);
  CHECK(found.hardware.prefill_attention == base.prefill_attention);
  CHECK(found.hardware.all_reduce == base.all_reduce);
}

TEST_CASE("too few steps are refused") {
  RecordedRun run{"run.trace", find_model("llama-3.1-8b"), {}, "", "", 0, std::vector<MeasuredStep>(39)};
  CHECK_THAT(error_of([&] { fit_runs({run}, find_hardware("l4")); }),
             has_text("run.trace: expected at least 40 steps with a duration, found 39"));
}

TEST_CASE("recorded runs of an H200 that no fit has seen are met as documented") {
  const std::string folder = std::string(TOKENYARD_SOURCE_DIR) + "/scenarios/recorded/h200/h200-";
  const HardwareSpec h200 = find_hardware("h200");
  struct Expected {
    const char* run;
    double mean, p90;
  };
  for (const Expected& e : {Expected{"0.6b-overload", 0.04, 0.1},
                            {"4b-offline", 0.04, 0.1},
                            {"8b-bursts", 0.04, 0.1},
                            {"8b-bursts-two", 0.04, 0.1},
                            {"8b-long", 0.04, 0.1}}) {
    CAPTURE(e.run);
    RecordedRun run;
    try {
      run = read_recorded_run(folder + e.run + ".trace.xz");
    } catch (const InputError& error) {
      REQUIRE_THAT(std::string(error.what()), has_text("without liblzma"));
      WARN("skipped: " << error.what());
      return;
    }
    CHECK(h200.fitted_on.data.find(e.run) == std::string::npos);
    const RunReport report = judge_run(run, h200, h200);
    REQUIRE(report.lines.size() == 7);  // parts are in it: 5 is communication
    CHECK(std::abs(report.lines[5].error.bias) < (run.execution.tensor_parallel > 1 ? 0.03 : 1e-9));
    CHECK(report.lines[0].error.mean < e.mean);
    CHECK(report.lines[0].error.p90 < e.p90);
  }
}

TEST_CASE("fitted to one model, an H200 is met on two others, whatever the fit began with") {
  const std::string folder = std::string(TOKENYARD_SOURCE_DIR) + "/scenarios/recorded/h200/h200-";
  std::vector<RecordedRun> runs, others;
  try {
    for (const char* run : {"0.6b-offline", "0.6b-poisson", "0.6b-long", "0.6b-chunks", "0.6b-few", "0.6b-sync"})
      runs.push_back(read_recorded_run(folder + run + ".trace.xz"));
    for (const char* run : {"4b-poisson", "4b-offline", "8b-bursts", "8b-long"})
      others.push_back(read_recorded_run(folder + run + ".trace.xz"));
  } catch (const InputError& error) {
    REQUIRE_THAT(std::string(error.what()), has_text("without liblzma"));
    return;
  }
  HardwareSpec base = find_hardware("h200-vllm");  // another engine's kernels
  base.elementwise.rows_at_once = 132;
  const HardwareFit found = fit_runs(std::move(runs), base, std::move(others));
  for (const RunReport& report : found.runs) {
    if (report.fitted > 0) continue;
    CAPTURE(report.name);
    // Prompts of up to 24,000 tokens in the larger model are missed by more than the 5 % that is the goal.
    CHECK(report.lines[0].error.mean < (report.name == "h200-8b-long.trace.xz" ? 0.065 : 0.05));
  }
}

TEST_CASE("the built-in H200 is what its recorded runs give") {
  const std::string folder = std::string(TOKENYARD_SOURCE_DIR) + "/scenarios/recorded/h200/h200-";
  std::vector<RecordedRun> runs;
  try {
    for (const char* run : {"0.6b-offline", "0.6b-poisson", "0.6b-long", "0.6b-chunks", "0.6b-few", "0.6b-sync", "4b-poisson"})
      runs.push_back(read_recorded_run(folder + run + ".trace.xz"));
    const RecordedRun judged = read_recorded_run(folder + "8b-bursts.trace.xz");
    const HardwareSpec h200 = find_hardware("h200");
    const HardwareSpec again = fit_runs(std::move(runs), h200, {judged}).hardware;
    CHECK(again.gemm.t0_us == Approx(h200.gemm.t0_us).epsilon(0.1));
    CHECK(again.gemm.bandwidth_efficiency == Approx(h200.gemm.bandwidth_efficiency).epsilon(0.05));
    CHECK(again.decode_attention.bandwidth_efficiency == Approx(h200.decode_attention.bandwidth_efficiency).epsilon(0.05));
    CHECK(h200.fitted_on.data.find(again.fitted_on.data.substr(again.fitted_on.data.find("(hash"))) != std::string::npos);
  } catch (const InputError& error) {
    REQUIRE_THAT(std::string(error.what()), has_text("without liblzma"));
  }
}
