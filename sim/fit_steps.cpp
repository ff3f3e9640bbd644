#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "core/base/json_reader.h"
#include "core/trace/reader.h"
#include "core/trace/state.h"
#include "sim/fit.h"

namespace tokenyard {
namespace {

constexpr std::size_t kFewestSteps = 40;
constexpr std::size_t kMostBlock = 100;  // steps; neighbours are alike, so halves are made of blocks

// The constants whole steps tell of: times as they are, efficiencies as their inverses, in which a step's time is linear.
struct Knob {
  const char* name;
  bool efficiency;
  double& (*of)(HardwareSpec&);
};
constexpr Knob kKnobs[] = {
    {"host.step_us", false, [](HardwareSpec& h) -> double& { return h.host.step_us; }},
    {"gemm.flops_efficiency", true, [](HardwareSpec& h) -> double& { return h.gemm.flops_efficiency; }},
    {"gemm.bandwidth_efficiency", true, [](HardwareSpec& h) -> double& { return h.gemm.bandwidth_efficiency; }},
    {"decode_attention.per_sequence_us", false, [](HardwareSpec& h) -> double& { return h.decode_attention.per_sequence_us; }},
    {"decode_attention.bandwidth_efficiency", true,
     [](HardwareSpec& h) -> double& { return h.decode_attention.bandwidth_efficiency; }},
    {"prefill_attention.io_efficiency", true, [](HardwareSpec& h) -> double& { return h.prefill_attention.io_efficiency; }},
    {"prefill_attention.flops_efficiency", true,
     [](HardwareSpec& h) -> double& { return h.prefill_attention.flops_efficiency; }},
};

HardwareSpec with(const HardwareSpec& base, std::span<const double> constants) {
  HardwareSpec h = base;
  for (std::size_t i = 0; i < constants.size(); ++i) {
    kKnobs[i].of(h) = kKnobs[i].efficiency ? 1 / constants[i] : constants[i];
  }
  return h;
}

void predict(const std::vector<const MeasuredStep*>& steps, const CostModel& cost, std::span<double> predicted) {
  for (std::size_t i = 0; i < steps.size(); ++i) predicted[i] = static_cast<double>(cost.cost(steps[i]->load).total());
}

FitError error_of(const std::vector<const MeasuredStep*>& steps, const CostModel& cost) {
  std::vector<double> predicted(steps.size()), measured;
  predict(steps, cost, predicted);
  for (const MeasuredStep* step : steps) measured.push_back(static_cast<double>(step->duration));
  return fit_error(predicted, measured);
}

}  // namespace

RecordedSteps read_recorded_steps(const std::string& path) {
  TraceReader reader(path);
  const TraceHeader& header = reader.header();
  RecordedSteps out;
  out.model = header.model;
  out.execution.block_size = header.engine.block_size;
  out.execution.hides_host = header.engine.async_scheduling;
  if (!header.scenario.empty()) {
    JsonObject scenario = JsonValue::parse(header.scenario, path + ": scenario").object();
    if (const auto v = scenario.find("tensor_parallel")) out.execution.tensor_parallel = v->int32(1, 1024);
    if (const auto v = scenario.find("kv_dtype")) out.execution.kv_dtype = kv_dtype_of(v->choice({"auto", "fp8"}));
    if (const auto v = scenario.find("cuda_graphs")) out.execution.cuda_graphs = v->boolean();
  }
  TraceState state(header, path);
  for (TraceReader::Kind kind = reader.next(); kind != TraceReader::Kind::none; kind = reader.next()) {
    if (kind == TraceReader::Kind::join) state.apply(reader.join());
    if (kind == TraceReader::Kind::cancel) state.apply(reader.cancel());
    if (kind != TraceReader::Kind::step) continue;
    const StepRecord& record = reader.step();
    MeasuredStep step{record.step, {}, record.duration};
    for (const StepRecord::Blocks& moved : record.moved) {
      const auto number = static_cast<std::size_t>(moved.request);
      if (number < state.requests().size()) {
        step.load.copied_blocks += static_cast<std::int64_t>(state.requests()[number].blocks.size());
      }
    }
    state.begin(record);
    for (const TraceState::Row& row : state.rows()) step.load.add(row);
    state.finish(record);
    if (step.duration > 0) out.steps.push_back(step);
  }
  return out;
}

StepFit fit_steps(const std::vector<MeasuredStep>& steps, const ModelShape& model, const HardwareSpec& base,
                  const Execution& execution, const std::string& measured_by) {
  if (steps.size() < kFewestSteps) {
    throw InputError(
        fmt::format("{}: expected at least {} steps with a duration, found {}", measured_by, kFewestSteps, steps.size()));
  }
  const std::size_t block = std::min(kMostBlock, steps.size() / 20);
  std::vector<const MeasuredStep*> fitted, held_out;
  for (std::size_t i = 0; i < steps.size(); ++i) (i / block % 2 == 0 ? fitted : held_out).push_back(&steps[i]);

  FitProblem problem;
  HardwareSpec start = base;
  for (const Knob& knob : kKnobs) {
    const double value = knob.of(start);
    if (knob.efficiency) {
      problem.constants.push_back({1 / value, std::min(0.25, 1 / value), std::max(1000.0, 1 / value)});
    } else {
      problem.constants.push_back({std::max(value, 0.01), 0, 1e6});
    }
  }
  for (const MeasuredStep* step : fitted) problem.measured.push_back(static_cast<double>(step->duration));
  problem.predict = [&](std::span<const double> constants, std::span<double> predicted) {
    predict(fitted, CostModel(model, with(base, constants), execution), predicted);
  };
  std::vector<double> constants = fit(problem);
  HardwareSpec fitted_hardware = with(base, constants);
  for (const Knob& knob : kKnobs) knob.of(fitted_hardware) = std::stod(fmt::format("{:.4g}", knob.of(fitted_hardware)));

  StepFit out;
  const CostModel cost(model, fitted_hardware, execution);
  std::string shown;
  for (const Knob& knob : kKnobs) {
    shown += fmt::format("{}{} {}", shown.empty() ? "" : ", ", knob.name, knob.of(fitted_hardware));
  }
  out.lines.push_back(
      {"steps", shown, fitted.size(), error_of(held_out, cost), error_of(held_out, CostModel(model, base, execution))});
  for (std::size_t i = 0; i < steps.size(); ++i) {
    out.residuals.push_back({steps[i].step, steps[i].duration, cost.cost(steps[i].load).total(), i / block % 2 != 0});
  }
  out.hardware = fitted_hardware;
  const FitError& error = out.lines.front().held_out;
  out.hardware.known_error = fmt::format("mean error per step of {} on steps the fit never saw: {:.1f} % (P90 {:.1f} %)",
                                         model.name, 100 * error.mean, 100 * error.p90);
  out.hardware.source = fmt::format("host time and efficiencies fitted on {} steps of {} ({}); the rest as {}: {}",
                                    fitted.size(), measured_by, model.name, base.name, base.source);
  return out;
}

}  // namespace tokenyard
