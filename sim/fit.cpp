#include "sim/fit.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <set>

#include "core/base/input_error.h"

namespace tokenyard {
namespace {

constexpr std::size_t kFewestRows = 8;
constexpr std::size_t kFewestSteps = 40;
constexpr std::size_t kMostBlock = 100;             // steps; neighbours are alike, so halves are made of blocks
constexpr double kBytes = 2;                        // of a bf16 element
constexpr double kMostReduced = 128 * 1024 * 1024;  // bytes: 8,192 tokens of 8,192 numbers; larger messages say nothing here
constexpr double kRidge = 1e-5;                     // a constant e times its start must mend an error of 0.3 %

// Every constant of a hardware file, how far it may go, and what stands for a start of 0.
struct Knob {
  std::string name;
  double least, most;
  double* (*of)(HardwareSpec&, std::size_t);  // null: this hardware has none
  std::size_t index = 0;                      // of an all-reduce
  bool physical = false;                      // a share of what the card can do
  double also = 0;                            // FitConstant::also
};

constexpr double kLeastUs = 1e-3, kMostConstantUs = 1e5;
constexpr double kLeastRowUs = 1e-4;
constexpr double kLeastShare = 0.02;
constexpr double kSlowLaunchUs = 50, kSlowPieceUs = 200;  // an interpreter's

// `runs`: there are any. `products`: they have a share of the bandwidth of their own.
std::vector<Knob> knobs_of(const HardwareSpec& hardware, bool runs, bool products) {
  using H = HardwareSpec;
  using Index = std::size_t;
  std::vector<Knob> knobs = {
      {"gemm.t0_us", kLeastUs, kMostConstantUs, [](H& h, Index) { return &h.gemm.t0_us; }},
      {"gemm.flops_efficiency", kLeastShare, 1, [](H& h, Index) { return &h.gemm.flops_efficiency; }, 0, true},
      {"decode_attention.t0_us", kLeastUs, kMostConstantUs, [](H& h, Index) { return &h.decode_attention.t0_us; }},
      {"decode_attention.per_sequence_us", kLeastRowUs, kMostConstantUs,
       [](H& h, Index) { return &h.decode_attention.per_sequence_us; }},
      {"decode_attention.bandwidth_efficiency", kLeastShare, 1,
       [](H& h, Index) { return &h.decode_attention.bandwidth_efficiency; }, 0, true},
      {"prefill_attention.t0_us", kLeastUs, kMostConstantUs, [](H& h, Index) { return &h.prefill_attention.t0_us; }},
      {"prefill_attention.io_efficiency", kLeastShare, 1, [](H& h, Index) { return &h.prefill_attention.io_efficiency; }, 0,
       true},
      {"prefill_attention.flops_efficiency", kLeastShare, 1, [](H& h, Index) { return &h.prefill_attention.flops_efficiency; },
       0, true},
      {"mixed_attention.per_row_us", kLeastRowUs, kMostConstantUs,
       [](H& h, Index) { return h.mixed_attention ? &h.mixed_attention->per_row_us : nullptr; }},
      // Heads that share K and V find them in the cache.
      {"mixed_attention.read_efficiency", kLeastShare, 64,
       [](H& h, Index) { return h.mixed_attention ? &h.mixed_attention->read_efficiency : nullptr; }},
      {"elementwise.t0_us", kLeastUs, kMostConstantUs, [](H& h, Index) { return &h.elementwise.t0_us; }},
      // Activations may stay in the cache.
      {"elementwise.bandwidth_efficiency", kLeastShare, 4, [](H& h, Index) { return &h.elementwise.bandwidth_efficiency; }},
      {"sampler.t0_us", kLeastUs, kMostConstantUs, [](H& h, Index) { return &h.sampler.t0_us; }},
      {"sampler.per_sequence_us", kLeastRowUs, kMostConstantUs, [](H& h, Index) { return &h.sampler.per_sequence_us; }},
      {"host.step_us", kLeastUs, kMostConstantUs, [](H& h, Index) { return &h.host.step_us; }},
      {"host.row_us", 0.01, kMostConstantUs, [](H& h, Index) { return &h.host.row_us; }},
      // Where launching is hidden behind the GPU's work, a little more or less of it changes nothing.
      {"host.launch_us", kLeastUs, kMostConstantUs, [](H& h, Index) { return &h.host.launch_us; }, 0, false, kSlowLaunchUs},
      {"host.piece_us", kLeastUs, kMostConstantUs, [](H& h, Index) { return &h.host.piece_us; }, 0, false, kSlowPieceUs}};
  if (products) {
    knobs.push_back(
        {"gemm.bandwidth_efficiency", kLeastShare, 1, [](H& h, Index) { return &h.gemm.bandwidth_efficiency; }, 0, true});
  }
  if (runs) {  // of products and element-wise kernels alike, and tables know the rows of products only
    knobs.push_back({"t0_growth", 1e-3, 10, [](H& h, Index) { return &h.t0_growth; }});
    knobs.push_back({"t0_one_row", 0.05, 4, [](H& h, Index) { return &h.t0_one_row; }});
    // A table's rows are of one length: reading and merging grow alike.
    knobs.push_back(
        {"decode_attention.merge_us_per_1000", 1e-3, 100, [](H& h, Index) { return &h.decode_attention.merge_us_per_1000; }});
    knobs.push_back({"throttle", 0.05, 4, [](H& h, Index) { return &h.throttle; }});
  }
  for (std::size_t i = 0; i < hardware.all_reduce.size(); ++i) {
    const std::string of = fmt::format("all_reduce of {}: ", hardware.all_reduce[i].tensor_parallel);
    knobs.push_back(
        {of + "latency_us", kLeastUs, kMostConstantUs, [](H& h, Index at) { return &h.all_reduce[at].latency_us; }, i});
    knobs.push_back(
        {of + "link_efficiency", kLeastShare, 1, [](H& h, Index at) { return &h.all_reduce[at].link_efficiency; }, i, true});
  }
  return knobs;
}

// What is printed is what is used.
double rounded(double x) { return std::stod(fmt::format("{:.4g}", x)); }

// Which half a kernel belongs to depends on its shape alone.
bool in_second_half(std::initializer_list<double> shape) {
  std::uint64_t hash = 14695981039346656037U;
  for (const double number : shape) {
    hash ^= static_cast<std::uint64_t>(std::min(number, 1e18));
    hash *= 0x9E3779B97F4A7C15U;
    hash ^= hash >> 29;
  }
  return (hash & 1) != 0;
}

using Attention = KernelTimes::Attention;

bool attention_held_out(const Attention& r) {
  return in_second_half({r.heads, r.kv_heads, r.head_dim, r.decodes, r.decode_kv, r.chunks, r.chunk_tokens, r.chunk_kv});
}

// Microseconds of one kernel: the cost model's formulas for shapes instead of a model's layers.
double time_of(const KernelTimes::Gemm& r, const HardwareSpec& h) {
  const double compute = 2 * r.m * r.n * r.k / (h.gemm.flops_efficiency * h.bf16_tflops * 1e6);
  const double read = kBytes * (r.m * r.k + r.k * r.n + r.m * r.n) / (h.gemm.bandwidth_efficiency * h.memory_gb_per_s * 1e3);
  return h.gemm.t0_us * t0_share(static_cast<std::int64_t>(r.m), h) + std::sqrt(compute * compute + read * read);
}
double time_of(const Attention& r, const HardwareSpec& h) {
  const double flops_per_us = h.bf16_tflops * 1e6, bytes_per_us = h.memory_gb_per_s * 1e3;
  const double per_position = 2 * r.head_dim * kBytes;  // K and V of one head
  double us = 0;
  if (r.chunks > 0) {
    const double pairs = r.chunks * r.chunk_tokens * (r.chunk_kv - r.chunk_tokens + (r.chunk_tokens + 1) / 2);
    const double bytes = per_position * r.chunks * (r.kv_heads * r.chunk_kv + r.heads * r.chunk_tokens);
    const auto& p = h.prefill_attention;
    us += p.t0_us + bytes / (p.io_efficiency * bytes_per_us) +
          4 * r.heads * r.head_dim * pairs / (p.flops_efficiency * flops_per_us);
  }
  if (r.decodes > 0 && r.chunks > 0 && h.mixed_attention) {
    us += r.heads * h.mixed_attention->per_row_us * r.decodes +
          per_position * r.heads * r.decodes * r.decode_kv / (h.mixed_attention->read_efficiency * bytes_per_us);
  } else if (r.decodes > 0) {
    const auto& d = h.decode_attention;
    us += d.t0_us + d.per_sequence_us * r.decodes +
          per_position * r.kv_heads * r.decodes * r.decode_kv / (d.bandwidth_efficiency * bytes_per_us);
  }
  return us;
}
double time_of(const KernelTimes::Elementwise& r, const HardwareSpec& h) {
  return h.elementwise.t0_us + r.bytes / (h.elementwise.bandwidth_efficiency * h.memory_gb_per_s * 1e3);
}
double time_of(const KernelTimes::Sampler& r, const HardwareSpec& h) {
  return h.sampler.t0_us + h.sampler.per_sequence_us * r.sequences;
}
double time_of(const KernelTimes::AllReduce& r, const HardwareSpec& h) {
  for (const HardwareSpec::AllReduce& a : h.all_reduce) {
    if (a.tensor_parallel != static_cast<std::int32_t>(r.tensor_parallel)) continue;
    return a.latency_us +
           2 * (r.tensor_parallel - 1) / r.tensor_parallel * r.bytes / (a.link_efficiency * h.link_gb_per_s * 1e3);
  }
  return 0;
}

// Some measurements with what predicts them. A fit sees several such groups, each with the same weight in all.
struct Group {
  std::vector<double> measured, scale, weight;
  bool logarithms = false;
  std::function<void(const HardwareSpec&, std::span<double>)> predict;
};

template <typename Row>
Group kernels_group(std::vector<Row> rows) {
  Group group;
  // Twice as long and half as long are equally wrong. predicted / measured - 1 would say 1 and -1/2, and where a formula is
  // rough the fit would stay below most kernels.
  group.logarithms = true;
  for (const Row& row : rows) group.measured.push_back(std::log(row.us));
  group.scale.assign(rows.size(), 1);
  group.weight.assign(rows.size(), 1);
  group.predict = [rows = std::move(rows)](const HardwareSpec& h, std::span<double> predicted) {
    for (std::size_t i = 0; i < rows.size(); ++i) predicted[i] = std::log(time_of(rows[i], h));
  };
  return group;
}

constexpr TimeNs StepParts::*kParts[] = {&StepParts::gemm, &StepParts::attention,     &StepParts::elementwise,
                                         &StepParts::head, &StepParts::communication, &StepParts::host};
constexpr const char* kPartNames[] = {"products", "attention", "element-wise", "head", "communication", "host"};

bool has_parts(const MeasuredStep& step) { return step.parts != StepParts{}; }

StepParts predict(const MeasuredStep& step, const CostModel& cost) {
  StepParts parts = cost.cost(step.load);
  if (step.launched) parts.host = cost.cost(*step.launched).host;
  return parts;
}

// A step's time, and its parts where they are known, all relative to the step's. The whole counts as much as all parts
// together: it is exact, while the parts are those of one layer, between whose kernels events stand, which lengthens the short
// ones.
Group steps_group(const RecordedRun& run, std::vector<const MeasuredStep*> steps) {
  Group group;
  const auto put = [&](TimeNs measured, TimeNs scale, double weight) {
    group.measured.push_back(static_cast<double>(measured));
    group.scale.push_back(static_cast<double>(scale));
    group.weight.push_back(weight);
  };
  for (const MeasuredStep* step : steps) {
    put(step->duration, step->duration, static_cast<double>(std::size(kParts)));
    if (!has_parts(*step)) continue;
    for (const auto part : kParts) put(step->parts.*part, step->duration, 1);
  }
  group.predict = [&run, steps = std::move(steps)](const HardwareSpec& h, std::span<double> predicted) {
    const CostModel cost(run.model, h, run.execution);
    std::size_t at = 0;
    for (const MeasuredStep* step : steps) {
      const StepParts parts = predict(*step, cost);
      predicted[at++] = static_cast<double>(parts.total());
      if (!has_parts(*step)) continue;
      for (const auto part : kParts) predicted[at++] = static_cast<double>(parts.*part);
    }
  };
  return group;
}

FitError error_of(const Group& group, const HardwareSpec& hardware) {
  std::vector<double> predicted(group.measured.size());
  group.predict(hardware, predicted);
  std::vector<double> measured = group.measured;
  if (group.logarithms) {
    for (auto* values : {&predicted, &measured}) {
      for (double& value : *values) value = std::exp(value);
    }
  }
  return fit_error(predicted, measured);
}

class Fit {
 public:
  Fit(const FitInput& input, const HardwareSpec& base) : input_(input), base_(base) {}

  HardwareFit run() {
    take_kernels();
    for (const RecordedRun& run : input_.runs) take_run(run);
    if (fitted_.empty()) throw InputError(fmt::format("expected at least {} kernels of a class, found fewer", kFewestRows));
    solve();
    report();
    return std::move(out_);
  }

 private:
  template <typename Row>
  void take(const char* what, const std::vector<Row>& all, const std::function<bool(const Row&)>& is_held_out) {
    std::vector<Row> fitted, held_out;
    for (const Row& row : all) (is_held_out(row) ? held_out : fitted).push_back(row);
    if (fitted.size() + held_out.size() < kFewestRows || fitted.empty() || held_out.empty()) return;
    KernelLine line;
    line.what = what;
    line.fitted = fitted.size();
    out_.kernels.push_back(line);
    fitted_.push_back(kernels_group(std::move(fitted)));
    held_out_.push_back(kernels_group(std::move(held_out)));
  }

  void take_kernels() {
    const KernelTimes& t = input_.kernels;
    take<KernelTimes::Gemm>("GEMM", t.gemm, [](const auto& r) { return in_second_half({r.m, r.n, r.k}); });
    take<Attention>("decode attention", t.decode, attention_held_out);
    take<Attention>("prefill attention", t.prefill, attention_held_out);
    if (!t.mixed.empty() && !base_.mixed_attention) base_.mixed_attention = {0.05, 1};
    take<Attention>("mixed attention", t.mixed, attention_held_out);
    take<KernelTimes::Elementwise>("element-wise", t.elementwise, [](const auto& r) { return in_second_half({r.bytes}); });
    take<KernelTimes::Sampler>("sampler", t.sampler, [](const auto& r) { return in_second_half({r.sequences}); });
    if (!t.all_reduce.empty() && base_.link_gb_per_s <= 0) {
      throw InputError("all-reduce times: expected a link_gb_per_s above 0 in the hardware, found 0");
    }
    std::set<double> sizes;
    for (const auto& row : t.all_reduce) sizes.insert(row.tensor_parallel);
    for (const double size : sizes) {
      std::vector<KernelTimes::AllReduce> of_size;
      for (const auto& row : t.all_reduce) {
        if (row.tensor_parallel == size && row.bytes <= kMostReduced) of_size.push_back(row);
      }
      const auto tp = static_cast<std::int32_t>(size);
      auto& known = base_.all_reduce;
      const auto entry = std::find_if(known.begin(), known.end(), [&](const auto& a) { return a.tensor_parallel >= tp; });
      if (entry == known.end() || entry->tensor_parallel != tp) {
        known.insert(entry, {tp, 10, 0.5});
      } else {
        entry->norms = false;  // a table has sums by themselves
      }
      take<KernelTimes::AllReduce>(fmt::format("all-reduce of {}", tp).c_str(), of_size, [](const auto& r) {
        return in_second_half({r.tensor_parallel, r.bytes});
      });
    }
  }

  static std::size_t block_of(const RecordedRun& run) { return std::clamp<std::size_t>(run.steps.size() / 20, 1, kMostBlock); }
  bool is_held_out(const RecordedRun& run, std::size_t step) const {
    return input_.judged.empty() && step / block_of(run) % 2 != 0;
  }

  // Steps that only decode and the others are a group each: a run has many of the former, and TTFT is made in the latter.
  void take_run(const RecordedRun& run) {
    if (run.steps.size() < kFewestSteps) {
      throw InputError(
          fmt::format("{}: expected at least {} steps with a duration, found {}", run.name, kFewestSteps, run.steps.size()));
    }
    std::vector<const MeasuredStep*> decodes, others;
    for (std::size_t i = 0; i < run.steps.size(); ++i) {
      if (is_held_out(run, i)) continue;
      const StepLoad& load = run.steps[i].load;
      (load.positions == load.decode_rows ? decodes : others).push_back(&run.steps[i]);
    }
    for (auto* steps : {&decodes, &others}) {
      if (steps->size() >= kFewestRows) fitted_.push_back(steps_group(run, std::move(*steps)));
    }
  }

  // A run tells products in sums only, and a small model's, which last little longer than t0, pass for slow reading. All that
  // stream read the same memory, so without a table of products these take the share of it that decode attention does.
  bool products_read_as_decodes() const { return !input_.runs.empty() && input_.kernels.gemm.empty(); }

  HardwareSpec with(const std::vector<Knob>& knobs, std::span<const double> constants) const {
    HardwareSpec h = base_;
    for (std::size_t i = 0; i < knobs.size(); ++i) {
      if (double* const value = knobs[i].of(h, knobs[i].index)) *value = constants[i];
    }
    if (products_read_as_decodes()) h.gemm.bandwidth_efficiency = h.decode_attention.bandwidth_efficiency;
    return h;
  }

  void solve() {
    const std::vector<Knob> knobs = knobs_of(base_, !input_.runs.empty(), !products_read_as_decodes());
    FitProblem problem;
    problem.ridge = kRidge;
    HardwareSpec start = base_;
    for (const Knob& knob : knobs) {
      const double* const value = knob.of(start, knob.index);
      // What is 0 begins where it hardly counts, and stays 0 if nothing asks for more.
      const double from = value ? std::clamp(*value, 10 * knob.least, knob.most) : knob.most;
      problem.constants.push_back({from, knob.least, knob.most, value && *value > 0 ? 1.0 : 1e-3, knob.also});
    }
    for (const Group& group : fitted_) {
      problem.measured.insert(problem.measured.end(), group.measured.begin(), group.measured.end());
      problem.scale.insert(problem.scale.end(), group.scale.begin(), group.scale.end());
      const double all = std::accumulate(group.weight.begin(), group.weight.end(), 0.0) * static_cast<double>(fitted_.size());
      for (const double weight : group.weight) problem.weight.push_back(weight / all);
    }
    problem.predict = [&](std::span<const double> constants, std::span<double> predicted) {
      const HardwareSpec hardware = with(knobs, constants);
      std::size_t at = 0;
      for (const Group& group : fitted_) {
        group.predict(hardware, predicted.subspan(at, group.measured.size()));
        at += group.measured.size();
      }
    };
    std::vector<double> constants = fit(problem);
    for (std::size_t i = 0; i < knobs.size(); ++i) {
      const double before = problem.constants[i].start;
      const double* const value = knobs[i].of(start, knobs[i].index);
      const bool moved = value && std::fabs(constants[i] / before - 1) > 1e-6;
      constants[i] = moved ? rounded(constants[i]) : value ? *value : before;
      if (moved) out_.constants.push_back(fmt::format("{} {:g} -> {:g}", knobs[i].name, *value, constants[i]));
      if (moved && knobs[i].physical && constants[i] >= 1) {
        out_.notes.push_back(fmt::format(
            "{}: the measurements ask for more than 1, which no card can do; it stays at 1. Look at the datasheet's figures in "
            "--hardware, at data that comes from a cache, and at what else takes less time than the model says",
            knobs[i].name));
      }
    }
    out_.hardware = with(knobs, constants);
    if (products_read_as_decodes()) {
      out_.constants.push_back(fmt::format("gemm.bandwidth_efficiency {:g} -> {:g}, as decode attention's",
                                           base_.gemm.bandwidth_efficiency, out_.hardware.gemm.bandwidth_efficiency));
    }
  }

  void report() {
    HardwareSpec& h = out_.hardware;
    for (std::size_t i = 0; i < out_.kernels.size(); ++i) {
      out_.kernels[i].error = error_of(held_out_[i], h);
      out_.kernels[i].base = error_of(held_out_[i], base_);
    }
    for (const RecordedRun& run : input_.runs) {
      RunReport report = judge_run(run, h, base_);
      if (input_.judged.empty()) keep_held_out(run, report);
      report.fitted = run.steps.size() - (input_.judged.empty() ? report.lines.front().error.count : 0);
      for (std::size_t i = 0; i < run.steps.size(); ++i) report.residuals[i].held_out = is_held_out(run, i);
      out_.runs.push_back(std::move(report));
    }
    for (const RecordedRun& run : input_.judged) out_.runs.push_back(judge_run(run, h, base_));

    std::string kernels;
    for (const KernelLine& line : out_.kernels) {
      kernels += fmt::format("{}{} {:.0f} % ({:+.0f})", kernels.empty() ? "" : ", ", line.what, 100 * line.error.mean,
                             100 * line.error.bias);
    }
    std::string runs;
    for (const RunReport& run : out_.runs) {
      if (run.fitted > 0 && !input_.judged.empty()) continue;
      const FitError& e = run.lines.front().error;
      runs += fmt::format("{}{} {:.1f} % (P90 {:.1f}, bias {:+.1f})", runs.empty() ? "" : ", ", run.name, 100 * e.mean,
                          100 * e.p90, 100 * e.bias);
    }
    h.known_error = !runs.empty() ? "mean error of a step's time the fit never saw: " + runs : "";
    if (!kernels.empty()) {
      h.known_error += (runs.empty() ? "mean error per kernel the fit never saw (bias): " : "; per kernel (bias): ") + kernels;
    }
    if (runs.empty()) h.known_error += "; host time and whole steps not fitted, no end-to-end check";
    std::string fitted_to = input_.kernel_files;
    std::set<std::string> models;
    std::uint64_t hash = 0;
    for (const RecordedRun& run : input_.runs) {
      fitted_to += (fitted_to.empty() ? "" : ", ") + run.name;
      models.insert(run.model.name);
      hash = hash * 0x9E3779B97F4A7C15U + run.hash;
      h.fitted_on.card = run.device;
      h.fitted_on.engine = run.program;
      if (run.program.starts_with("tokenyard")) h.engine = "Tokenyard";
    }
    std::string names;
    for (const std::string& model : models) names += (names.empty() ? "" : ", ") + model;
    h.fitted_on.models = names;
    h.fitted_on.data = fitted_to + (input_.runs.empty() ? "" : fmt::format(" (hash {:016x})", hash));
    h.source = fmt::format("fitted to {}, drawn to {}: {}", fitted_to, base_.name, base_.source);
  }

  // Of a run that was fitted in part: the errors on the rest.
  void keep_held_out(const RecordedRun& run, RunReport& report) const {
    RecordedRun rest = run;
    rest.steps.clear();
    for (std::size_t i = 0; i < run.steps.size(); ++i) {
      if (is_held_out(run, i)) rest.steps.push_back(run.steps[i]);
    }
    report.lines = judge_run(rest, out_.hardware, base_).lines;
  }

  const FitInput& input_;
  HardwareSpec base_;  // with what the input has and it lacks
  std::vector<Group> fitted_, held_out_;
  HardwareFit out_;
};

}  // namespace

HardwareFit fit_hardware(const FitInput& input, const HardwareSpec& base) { return Fit(input, base).run(); }

RunReport judge_run(const RecordedRun& run, const HardwareSpec& hardware, const HardwareSpec& base) {
  RunReport report;
  report.name = run.name;
  const CostModel now(run.model, hardware, run.execution), before(run.model, base, run.execution);
  std::vector<StepParts> predicted, predicted_before;
  double all = 0;
  bool parts = true;
  for (const MeasuredStep& step : run.steps) {
    predicted.push_back(predict(step, now));
    predicted_before.push_back(predict(step, before));
    report.residuals.push_back({step.step, step.duration, predicted.back().total(), true});
    all += static_cast<double>(step.duration);
    parts = parts && has_parts(step);
  }
  // Error = (predicted - measured) / the step's time; fit_error wants it as a ratio to a measured value.
  const auto line = [&](const char* what, const std::function<TimeNs(const StepParts&)>& of, const auto& measured_of) {
    FitLine out;
    out.what = what;
    std::vector<double> is, was, one(run.steps.size(), 1);
    double sum = 0;
    for (std::size_t i = 0; i < run.steps.size(); ++i) {
      const auto duration = static_cast<double>(run.steps[i].duration);
      const auto measured = static_cast<double>(measured_of(run.steps[i]));
      sum += measured;
      is.push_back(1 + (static_cast<double>(of(predicted[i])) - measured) / duration);
      was.push_back(1 + (static_cast<double>(of(predicted_before[i])) - measured) / duration);
    }
    out.share = all > 0 ? sum / all : 0;
    out.error = fit_error(is, one);
    out.base = fit_error(was, one);
    report.lines.push_back(out);
  };
  line(
      "steps", [](const StepParts& p) { return p.total(); }, [](const MeasuredStep& s) { return s.duration; });
  if (!parts) return report;
  for (std::size_t i = 0; i < std::size(kParts); ++i) {
    const auto part = kParts[i];
    line(
        kPartNames[i], [part](const StepParts& p) { return p.*part; }, [part](const MeasuredStep& s) { return s.parts.*part; });
  }
  return report;
}

std::vector<StepResidual> RunReport::worst() const {
  std::vector<StepResidual> steps;
  for (const StepResidual& r : residuals) {
    if (r.held_out) steps.push_back(r);
  }
  const auto cost = [](const StepResidual& r) { return std::abs(r.predicted - r.measured); };
  const std::size_t count = std::min<std::size_t>(5, steps.size());
  std::partial_sort(steps.begin(), steps.begin() + static_cast<std::ptrdiff_t>(count), steps.end(),
                    [&](const auto& a, const auto& b) { return cost(a) > cost(b); });
  steps.resize(count);
  return steps;
}

}  // namespace tokenyard
