#include <nanobind/stl/unique_ptr.h>

#include <memory>
#include <span>

#include "cli/output/report.h"
#include "core/trace/config_json.h"
#include "core/trace/diff.h"
#include "core/trace/memory.h"
#include "core/trace/perfetto.h"
#include "core/trace/reader.h"
#include "core/trace/replay.h"
#include "python/src/module.h"
#include "python/src/tables.h"
#include "sim/trace_scenario.h"
#include "viz/app/app.h"
#ifdef TOKENYARD_HAVE_PICTURES
#include "viz/host/picture_host.h"
#endif

namespace tokenyard::python {
namespace {

// What numpy sees of TraceState::Block.
struct BlockRow {
  std::int64_t references, owner, index, findable;
};

// A trace file, read whole.
class TraceFile {
 public:
  explicit TraceFile(const std::string& path) : path_(path), records_(std::make_shared<MemoryTrace>()), tables_(path) {
    const nb::gil_scoped_release unlocked;
    reading_trace([&] {
      TraceReader reader(path);
      records_->on_header(reader.header());
      tables_.on_header(reader.header());
      for (TraceSource::Kind kind; (kind = pass_on(reader, *records_)) != TraceSource::Kind::none;) {
        switch (kind) {
          case TraceSource::Kind::join: tables_.on_join(reader.join()); break;
          case TraceSource::Kind::step: tables_.on_step(reader.step()); break;
          case TraceSource::Kind::cancel: tables_.on_cancel(reader.cancel()); break;
          case TraceSource::Kind::end: complete_ = true; break;
          case TraceSource::Kind::none: break;
        }
      }
      tables_.finish();
    });
  }

  const MemoryTrace& records() const { return *records_; }
  MemoryTraceSource source() const { return {records_, path_}; }
  const std::string& path() const { return path_; }
  bool complete() const { return complete_; }
  std::vector<std::string> ids() const { return tables_.ids; }
  nb::object requests() const { return as_bytes(tables_.requests); }
  nb::object steps() const { return as_bytes(tables_.steps); }
  nb::object events() const { return as_bytes(tables_.events); }

  // As it is while step `number` runs: what that step decided has happened, what comes of it has not. Going on from the step
  // asked for last costs only the steps between.
  nb::dict state(std::int64_t number) {
    if (!state_ || next_step_ > number) {
      state_.emplace(records_->header(), path_);
      next_ = 0;
      next_step_ = 0;
    }
    for (; next_ < records_->records().size(); ++next_) {
      const MemoryTrace::Record& record = records_->records()[next_];
      if (const auto* join = std::get_if<JoinRecord>(&record)) {
        state_->apply(*join);
      } else if (const auto* cancel = std::get_if<CancelRecord>(&record)) {
        state_->apply(*cancel);
      } else if (const auto* step = std::get_if<StepRecord>(&record)) {
        if (step->step == number) {
          TraceState at = *state_;
          at.begin(*step);
          return describe(at);
        }
        if (step->step > number) break;
        state_->apply(*step);
        next_step_ = step->step + 1;
      }
    }
    throw nb::index_error((path_ + ": there is no step " + std::to_string(number)).c_str());
  }

 private:
  static nb::dict describe(const TraceState& state) {
    const auto id = [&](std::int32_t request) { return state.request(request).join.spec.id; };
    nb::dict out;
    nb::list running;
    nb::dict tables, computed;
    for (const std::int32_t request : state.running()) {
      running.append(id(request));
      tables[id(request).c_str()] = state.request(request).blocks;
      computed[id(request).c_str()] = state.request(request).num_computed;
    }
    nb::list waiting;
    for (const TraceState::Request& request : state.requests()) {
      if (request.life == TraceState::Life::queued || request.life == TraceState::Life::preempted)
        waiting.append(request.join.spec.id);
    }
    nb::list rows;
    for (const TraceState::Row& row : state.rows())
      rows.append(nb::make_tuple(id(row.request), row.first, row.count, row.sample));
    nb::list refusals;
    for (const TraceState::Standing& refusal : state.refusals()) {
      refusals.append(nb::make_tuple(id(refusal.request), name_of(refusal.reason.cause), refusal.reason.needed,
                                     refusal.reason.available, refusal.since));
    }
    std::vector<BlockRow> blocks;
    for (const TraceState::Block& block : state.blocks())
      blocks.push_back({block.references, block.owner, block.index, block.findable ? 1 : 0});
    out["running"] = running;
    out["waiting"] = waiting;
    out["rows"] = rows;
    out["tables"] = tables;
    out["computed"] = computed;
    out["refusals"] = refusals;
    out["free_blocks"] = state.num_free();
    out["blocks"] = as_bytes(std::move(blocks));
    return out;
  }

  std::string path_;
  std::shared_ptr<MemoryTrace> records_;
  Tables tables_;
  bool complete_ = false;
  std::optional<TraceState> state_;  // before the record `next_`
  std::size_t next_ = 0;
  std::int64_t next_step_ = 0;
};

nb::dict header(const TraceFile& trace) {
  const TraceHeader& header = trace.records().header();
  nb::dict out;
  out["program"] = header.program;
  out["backend"] = header.backend;
  out["engine"] = engine_config_json(header.engine);
  out["scenario"] = header.scenario;
  out["model"] = header.model;
  out["hardware"] = header.hardware;
  return out;
}

std::tuple<bool, std::int64_t, std::string, std::string> diff(const TraceFile& a, const TraceFile& b, bool ignore_time,
                                                              bool ignore_tokens) {
  const nb::gil_scoped_release unlocked;
  MemoryTraceSource first = a.source();
  MemoryTraceSource second = b.source();
  const TraceDifference difference =
      reading_trace([&] { return diff_traces(first, second, {.ignore_time = ignore_time, .ignore_tokens = ignore_tokens}); });
  return {difference.same, difference.steps, difference.text, difference.headers};
}

std::tuple<bool, std::int64_t, std::string, std::string> replay_trace(const std::string& path,
                                                                      const std::vector<std::string>& goodput) {
  const nb::gil_scoped_release unlocked;
  const Slo slo = cli::parse_slo(goodput);
  return reading_trace([&]() -> std::tuple<bool, std::int64_t, std::string, std::string> {
    TraceReader reader(path);
    const ReplayOutcome outcome = replay(reader, nullptr, slo);
    cli::ReportContext context;
    context.scenario = path;
    context.backend = reader.header().backend;
    context.engine = reader.header().engine;
    context.timing = "step times as recorded (" + context.backend + ")";
    return {outcome.identical, outcome.steps, outcome.first_difference, cli::result_json(outcome.metrics, context)};
  });
}

std::string scenario_of_trace(const std::string& path) {
  const nb::gil_scoped_release unlocked;
  return reading_trace([&] { return trace_scenario(path).dump(); });
}

void export_perfetto_file(const std::vector<TraceFile*>& traces, const std::string& path) {
  const nb::gil_scoped_release unlocked;
  std::vector<MemoryTraceSource> sources;
  sources.reserve(traces.size());
  for (const TraceFile* trace : traces) sources.push_back(trace->source());
  std::vector<TraceSource*> all;
  for (MemoryTraceSource& source : sources) all.push_back(&source);
  export_perfetto(all, path);
}

// What `tokenyard view` opens with.
void open_view(const std::string& path, viz::App& app) {
  const nb::gil_scoped_release unlocked;
  reading_trace([&] { add_side(app, viz::open_trace(path)); });
  show_all_requests(app);
  go_to_something(app);
}

std::string describe_trace(const std::string& path) {
  viz::App app;
  open_view(path, app);
  return describe(scene_of(app, 0));
}

#ifdef TOKENYARD_HAVE_PICTURES
constexpr bool kHasPictures = true;
// As `tokenyard view --shot`.
void draw_trace(const std::string& path, const std::string& png) {
  constexpr int kWidth = 1280, kHeight = 800;
  viz::App app;
  open_view(path, app);
  viz::write_png(png, take_picture(app, kWidth, kHeight));  // with the GIL: there is one Dear ImGui context at a time
}
#else
constexpr bool kHasPictures = false;
void draw_trace(const std::string& path, const std::string&) {
  throw InputError(path + ": this package was built without Dear ImGui and draws no pictures");
}
#endif

}  // namespace

void bind_trace(nb::module_& module) {
  using namespace nb::literals;
  nb::class_<TraceFile>(module, "TraceFile")
      .def(nb::init<const std::string&>(), "path"_a)
      .def_prop_ro("path", &TraceFile::path)
      .def_prop_ro("complete", &TraceFile::complete)
      .def("header", &header)
      .def("ids", &TraceFile::ids)
      .def("requests", &TraceFile::requests)
      .def("steps", &TraceFile::steps)
      .def("events", &TraceFile::events)
      .def("state", &TraceFile::state, "step"_a);
  module.def("diff", &diff, "a"_a, "b"_a, "ignore_time"_a, "ignore_tokens"_a);
  module.def("replay", &replay_trace, "path"_a, "goodput"_a);
  module.def("trace_scenario", &scenario_of_trace, "path"_a);
  module.attr("has_pictures") = kHasPictures;
  module.def("describe_trace", &describe_trace, "path"_a);
  module.def("draw_trace", &draw_trace, "path"_a, "png"_a);
  module.def("export_perfetto", &export_perfetto_file, "traces"_a, "path"_a);
}

}  // namespace tokenyard::python
