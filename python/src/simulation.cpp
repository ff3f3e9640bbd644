#include <algorithm>
#include <chrono>
#include <memory>

#include "cli/output/report.h"
#include "cli/output/timeline.h"
#include "cli/version.h"
#include "core/trace/writer.h"
#include "python/src/module.h"
#include "python/src/tables.h"
#include "sim/capacity.h"
#include "sim/lesson.h"
#include "sim/run.h"
#include "sim/sweep.h"

namespace tokenyard::python {
namespace {

// A file's path, or a scenario's text with the folder its paths start in.
struct Source {
  std::string path, text;
  Scenario load(const std::vector<std::string>& overrides) const {
    return path.empty() ? parse_scenario(text, "scenario", ".", overrides) : load_scenario(path, overrides);
  }
};

// Ctrl-C ends a long run. Looks every few thousandths of a second, from any thread.
class Interruptible {
 public:
  void check() {
    if ((++calls_ & 255) != 0) return;
    const auto now = std::chrono::steady_clock::now();
    if (now < next_) return;
    next_ = now + std::chrono::milliseconds(50);
    const nb::gil_scoped_acquire locked;
    if (PyErr_CheckSignals() != 0) throw nb::python_error();
  }

 private:
  unsigned calls_ = 0;
  std::chrono::steady_clock::time_point next_ = std::chrono::steady_clock::now();
};

// A trace file and tables at once.
class Both final : public TraceSink {
 public:
  Both(TraceSink* first, TraceSink* second) : sinks_{first, second} {}
  void on_header(const TraceHeader& header) override { tell(&TraceSink::on_header, header); }
  void on_join(const JoinRecord& join) override { tell(&TraceSink::on_join, join); }
  void on_step(const StepRecord& step) override { tell(&TraceSink::on_step, step); }
  void on_cancel(const CancelRecord& cancel) override { tell(&TraceSink::on_cancel, cancel); }
  void on_end(std::int64_t steps, TimeNs at) override { tell(&TraceSink::on_end, steps, at); }

 private:
  template <typename... Parameters, typename... Arguments>
  void tell(void (TraceSink::*event)(Parameters...), const Arguments&... arguments) {
    for (TraceSink* sink : sinks_) {
      if (sink != nullptr) (sink->*event)(arguments...);
    }
  }
  TraceSink* sinks_[2];
};

cli::ReportContext context_of(const Scenario& scenario, const EngineConfig& engine) {
  cli::ReportContext context;
  context.scenario = scenario.name;
  context.backend = "sim";
  context.engine = engine;
  if (scenario.model) context.model = scenario.model->name;
  if (scenario.hardware) context.hardware = scenario.hardware->name;
  context.timing = scenario.model ? context.model + " on " + context.hardware : "constant step time";
  context.error_note = error_note(scenario);
  return context;
}

nb::tuple simulate(const std::string& path, const std::string& text, const std::vector<std::string>& overrides,
                   const std::vector<std::string>& goodput, const std::string& trace) {
  std::string json, table, plot, nothing, resolved;
  Tables tables;
  {
    const nb::gil_scoped_release unlocked;
    const Slo slo = cli::parse_slo(goodput);
    const Scenario scenario = Source{path, text}.load(overrides);
    std::unique_ptr<TraceWriter> writer;
    if (!trace.empty()) writer = std::make_unique<TraceWriter>(trace);
    Both sink(&tables, writer.get());
    cli::Timeline timeline;
    Interruptible interruptible;
    const RunResult result =
        run_scenario(scenario, {slo, &sink, cli::kProgram, [&](const Engine& engine, const Metrics& metrics, TimeNs now) {
                                  interruptible.check();
                                  timeline.add(engine, metrics, now);
                                }});
    if (writer) writer->finish();
    const cli::ReportContext context = context_of(scenario, result.engine);
    json = cli::result_json(result.metrics, context);
    table = cli::result_table(result.metrics, context);
    nothing = cli::nothing_served(result.metrics);
    plot = timeline.draw(scenario.title.empty() ? scenario.name : scenario.title,
                         "policy " + std::string(name_of(result.engine.policy)) + ", " + context.timing, result.metrics);
    resolved = scenario.json;
  }
  return nb::make_tuple(json, table, plot, nothing, resolved, tables.ids, as_bytes(std::move(tables.requests)),
                        as_bytes(std::move(tables.steps)), as_bytes(std::move(tables.events)));
}

// The numbers alone.
std::string measure(const std::string& path, const std::string& text, const std::vector<std::string>& overrides,
                    const std::vector<std::string>& goodput) {
  const nb::gil_scoped_release unlocked;
  const Scenario scenario = Source{path, text}.load(overrides);
  RunOptions options;
  options.slo = cli::parse_slo(goodput);
  Interruptible interruptible;
  options.after_step = [&](const Engine&, const Metrics&, TimeNs) { interruptible.check(); };
  const RunResult result = run_scenario(scenario, options);
  return cli::result_json(result.metrics, context_of(scenario, result.engine));
}

using ProbeTuple = std::tuple<double, double, std::vector<double>, double, bool>;

// The goals' metrics, then every rate that was tried.
std::pair<std::vector<std::string>, std::vector<ProbeTuple>> capacity(const std::string& path, const std::string& text,
                                                                      const std::vector<std::string>& overrides,
                                                                      const std::string& slo, double precision) {
  const nb::gil_scoped_release unlocked;
  const std::vector<Goal> goals = parse_goals(slo);
  Scenario scenario = Source{path, text}.load(overrides);
  const double start = scenario.rate_scale;
  Interruptible interruptible;
  std::vector<ProbeTuple> probes;
  find_capacity(
      [&](double rate_scale) {
        scenario.rate_scale = rate_scale;
        RunOptions options;
        options.after_step = [&](const Engine&, const Metrics&, TimeNs) { interruptible.check(); };
        Probe probe = make_probe(rate_scale, run_scenario(scenario, options).metrics, goals);
        if (probe.rate == 0) {
          throw InputError(scenario.name + ": expected requests that come one after the other, found that they all come at " +
                           "once or there is only one: there is no rate to search");
        }
        probes.emplace_back(probe.rate_scale, probe.rate, probe.values, probe.lost, probe.met);
        return probe;
      },
      start, precision);
  std::vector<std::string> metrics;
  for (const Goal& goal : goals) metrics.push_back(goal.metric);
  return {metrics, probes};
}

nb::dict lesson(const std::string& path) {
  const Lesson read = load_lesson(path);
  nb::dict out;
  out["name"] = read.name;
  out["title"] = read.title;
  out["teaches"] = read.teaches;
  out["look_for"] = read.look_for;
  nb::list variants;
  for (const Variant& variant : read.variants) variants.append(nb::make_tuple(variant.name, variant.note, variant.overrides));
  out["variants"] = variants;
  out["show"] = read.show;
  std::vector<std::string> expect;
  for (const Expectation& expectation : read.expect) expect.push_back(expectation.text());
  out["expect"] = expect;
  return out;
}

std::vector<std::string> variant(const std::string& path, const std::string& name) {
  return find_variant(load_lesson(path), name).overrides;
}

// `value(variant, metric)`.
std::tuple<bool, double, double> check(const std::string& expectation, const nb::callable& value) {
  const Expectation::Outcome outcome = Expectation::parse(expectation).check([&](const Expectation::Reference& reference) {
    return nb::cast<double>(value(reference.variant, reference.metric));
  });
  return {outcome.holds, outcome.left, outcome.right};
}

std::string resolve(const std::string& path, const std::string& text, const std::vector<std::string>& overrides) {
  const nb::gil_scoped_release unlocked;
  return Source{path, text}.load(overrides).json;
}

}  // namespace

void bind_simulation(nb::module_& module) {
  using namespace nb::literals;
  module.def("simulate", &simulate, "path"_a, "text"_a, "overrides"_a, "goodput"_a, "trace"_a);
  module.def("measure", &measure, "path"_a, "text"_a, "overrides"_a, "goodput"_a);
  module.def("capacity", &capacity, "path"_a, "text"_a, "overrides"_a, "slo"_a, "precision"_a);
  module.def("lesson", &lesson, "path"_a);
  module.def("variant", &variant, "path"_a, "name"_a);
  module.def("check", &check, "expectation"_a, "value"_a);
  module.def("resolve", &resolve, "path"_a, "text"_a, "overrides"_a);
  module.def("result_names", &result_names);
}

}  // namespace tokenyard::python
