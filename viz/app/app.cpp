#include "viz/app/app.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "core/base/input_error.h"
#include "core/base/text_file.h"
#include "core/trace/memory.h"
#include "core/trace/reader.h"
#include "sim/lesson.h"
#include "viz/app/when.h"

namespace tokenyard::viz {
namespace {

constexpr std::int32_t kMostLanes = 500;  // that are shown a request each at first
constexpr std::int64_t kRecordsAtOnce = 1 << 16;

void at_cursor(App& app, Side& side) {
  // At its very end a run shows its last step; behind it, beside runs that take longer, what the step has left.
  const bool over = side.model->complete() && app.cursor > side.clock->end();
  const std::int32_t step = over ? -1 : side.model->step_at(side.clock->time(app.cursor));
  if (step == side.step && over == side.over && side.seeker->moment().step == step && !side.sentences.empty()) return;
  side.step = step;
  side.over = over;
  const Moment& moment = over ? side.seeker->seek_end() : side.seeker->seek(step);
  side.tree = prefix_tree(*side.model, moment);
  side.sentences = over ? std::vector{ended_in_words(*side.model)} : explain(*side.model, moment);
}

void remake_clocks(App& app) {
  std::vector<Clock> clocks;
  for (auto& side : app.sides) {
    side->selected = app.selected.empty() ? -1 : side->model->find(app.selected);
    side->clock.emplace(*side->model, app.align, side->selected);
    clocks.push_back(*side->clock);
  }
  app.extent = extent_of(clocks);
}

// Two of the same name: files by the folders they lie in, others by a number.
void tell_apart(Side& a, Side& b) {
  if (a.name != b.name) return;
  std::filesystem::path left = a.file, right = b.file, left_name, right_name;
  for (; left_name == right_name && left.has_filename() && right.has_filename();
       left = left.parent_path(), right = right.parent_path()) {
    left_name = left_name.empty() ? left.filename() : left.filename() / left_name;
    right_name = right_name.empty() ? right.filename() : right.filename() / right_name;
  }
  if (left_name == right_name) {
    b.name = b.title = a.name + " (2)";
  } else {
    a.name = a.title = left_name.string();
    b.name = b.title = right_name.string();
  }
}

bool whole_shown(const App& app) { return app.axis.begin <= app.extent.begin && app.axis.end >= app.extent.end; }

}  // namespace

std::unique_ptr<Side> open_trace(const std::string& path) {
  auto side = std::make_unique<Side>();
  side->name = side->title = std::filesystem::path(path).filename().string();
  side->file = path;
  side->trace = std::make_unique<TraceFile>(path);
  side->trace->read_all();
  return side;
}

std::unique_ptr<Side> open_scenario(const std::string& path, const std::vector<std::string>& overrides,
                                    const std::string& name) {
  auto side = std::make_unique<Side>();
  SimulatedRun run = simulate_into_model(path, overrides, name);
  if (!run.model) throw InputError(run.error);
  side->name = side->title = name;
  side->scenario = path;
  side->overrides = overrides;
  side->run = std::move(run.model);
  side->records = std::move(run.trace);
  side->resolved = std::move(run.scenario);
  return side;
}

std::unique_ptr<TraceSource> source_of(const Side& side) {
  if (side.records) return std::make_unique<MemoryTraceSource>(side.records, side.name);
  return std::make_unique<TraceReader>(open_text_file(side.file), side.name);
}

void open_lesson(App& app, LessonPages lesson) {
  const Lesson scenario = load_lesson(lesson.scenario);
  std::vector<std::unique_ptr<Side>> sides;
  for (const std::string& variant : lesson.variants) {
    std::vector<std::string> overrides = find_variant(scenario, variant).overrides;
    overrides.insert(overrides.end(), lesson.overrides.begin(), lesson.overrides.end());
    sides.push_back(open_scenario(lesson.scenario, overrides, variant));
  }
  app.sides.clear();
  app.active = 0;
  for (auto& side : sides) add_side(app, std::move(side));
  app.lesson = std::move(lesson);
  show_page(app, 0);
}

void show_page(App& app, std::size_t page) {
  app.page = std::min(page, app.lesson->pages.size() - 1);
  app.answer_shown = false;
  app.playing = false;
  app.alone = nullptr;
  app.range_from.reset();
  app.range_to.reset();
  const LessonPage& now = app.lesson->pages[app.page];
  const std::string place = app.lesson->path + ": page " + std::to_string(app.page + 1);
  const TraceModel& model = *app.sides[0]->model;
  app.active = now.trace;
  // Not as the page before was left.
  for (auto& side : app.sides) side->scroll.fill(0);
  if (now.latency) app.statistic = *now.latency;
  select(app, now.select);
  if (!now.select.empty() && app.sides[0]->selected < 0) throw InputError(place + ": no request \"" + now.select + "\"");
  set_align(app, now.align);
  if (!now.panels.empty()) set_panels(app, now.panels);
  const Clock& clock = *app.sides[0]->clock;
  const auto when = [&](const std::string& text, Place otherwise) {
    return text.empty() ? otherwise : clock.place(parse_when(text, model, place));
  };
  show_range(app, when(now.from, app.extent.begin), when(now.to, app.extent.end));
  move_cursor(app, when(now.at, app.cursor));
}

void add_side(App& app, std::unique_ptr<Side> side) {
  for (const auto& other : app.sides) tell_apart(*other, *side);
  app.sides.push_back(std::move(side));
  Side& added = *app.sides.back();
  const bool first = app.sides.size() == 1, whole = first || whole_shown(app);
  refresh(app, added);
  if (whole) show_range(app, app.extent.begin, app.extent.end);
  if (!first) return;
  move_cursor(app, app.extent.begin);
  // A lane a request would show the first few of very many.
  if (added.model->num_requests() > kMostLanes) app.lanes = LaneView::seats;
}

void show_all_requests(App& app) {
  Place first = app.extent.end;
  for (const auto& side : app.sides) {
    for (const Request& request : side->model->requests()) first = std::min(first, side->clock->place(request.begin));
  }
  // A recording may begin long before anybody comes.
  const Place whole = app.extent.end - app.extent.begin;
  if (first - app.extent.begin > whole / 20) show_range(app, first - (app.extent.end - first) / 50, app.extent.end);
}

void go_to_something(App& app) {
  const Side& side = *app.sides[0];
  const TraceModel& model = *side.model;
  const TimeNs from = side.clock->time(app.axis.begin), to = side.clock->time(app.axis.end);
  const auto preemptions = model.times(Mark::preempted);
  const auto preemption = std::lower_bound(preemptions.begin(), preemptions.end(), from);
  const auto [first, end] = visible_steps(model, from, to);
  TimeNs at = from;
  if (preemption != preemptions.end() && *preemption <= to) {
    at = *preemption;
  } else if (first < end) {
    const auto steps = model.steps().subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(end - first));
    const auto busiest =
        std::max_element(steps.begin(), steps.end(), [](const Step& a, const Step& b) { return a.running < b.running; });
    at = std::max(from, busiest->start);
  }
  move_cursor(app, side.clock->place(at));
  app.reveal = true;
}

void refresh(App& app, Side& side) {
  const bool whole = app.sides.size() == 1 ? true : whole_shown(app);
  const TraceModel* before = side.model;
  side.model = side.run ? side.run.get() : &side.trace->model();
  if (side.model != before) side.seeker = std::make_unique<Seeker>(*side.model);
  side.latency = latency_of(*side.model, app.slo);
  side.verdict = verdict_of(*side.model, side.latency);
  side.order = ordered(*side.model, app.order);
  side.bars.clear();
  side.range_steps = -1;
  side.step = -2;
  side.sentences.clear();
  remake_clocks(app);
  if (whole) show_range(app, app.extent.begin, app.extent.end);
  move_cursor(app, app.cursor);
}

void select(App& app, const std::string& id) {
  app.selected = id;
  const bool by_arrival = app.align == Align::arrival;
  const TimeNs now = by_arrival ? app.side().clock->time(app.cursor) : 0;
  if (by_arrival) {
    remake_clocks(app);
    show_range(app, app.extent.begin, app.extent.end);
    move_cursor(app, app.side().clock->place(now));
  } else {
    for (auto& side : app.sides) side->selected = id.empty() ? -1 : side->model->find(id);
  }
  app.reveal = !id.empty();
}

void move_cursor(App& app, Place to) {
  app.cursor = std::clamp(to, app.extent.begin, app.extent.end);
  for (auto& side : app.sides) at_cursor(app, *side);
}

void move_cursor_to_time(App& app, TimeNs time) { move_cursor(app, app.side().clock->place(time)); }

void show_range(App& app, Place from, Place to) { app.axis.show(from, to, app.extent.begin, app.extent.end); }

void set_align(App& app, Align align) {
  if (align == app.align) return;
  const TimeNs now = app.side().clock->time(app.cursor);
  app.align = align;
  app.range_from.reset();
  app.range_to.reset();
  remake_clocks(app);
  show_range(app, app.extent.begin, app.extent.end);
  move_cursor(app, app.side().clock->place(now));
}

void set_order(App& app, LaneOrder order) {
  app.order = order;
  for (auto& side : app.sides) side->order = ordered(*side->model, order);
  app.reveal = !app.selected.empty();
}

void set_panels(App& app, const std::vector<const Panel*>& panels) {
  app.shown.fill(false);
  app.wish.fill(0);
  for (const Panel* panel : panels) app.shown[*panel] = true;
  app.panels_chosen = true;
}

bool follow(App& app) {
  app.follow = std::any_of(app.sides.begin(), app.sides.end(),
                           [](const auto& side) { return side->trace && side->trace->unfinished(); });
  if (app.follow) app.banner.clear();
  return app.follow;
}

std::pair<TimeNs, TimeNs> range_of(const App& app, const Side& side) {
  if (has_range(app)) return {side.clock->time(*app.range_from), side.clock->time(*app.range_to)};
  return {side.clock->time(app.axis.begin), side.clock->time(app.axis.end)};
}

bool has_range(const App& app) { return app.range_from && app.range_to && *app.range_to > *app.range_from; }

void keep_cursor_visible(App& app) {
  const Place width = app.axis.end - app.axis.begin;
  if (app.cursor >= app.axis.begin && app.cursor < app.axis.end) return;
  show_range(app, app.cursor - width / 2, app.cursor - width / 2 + width);
}

void go_to_step(App& app, std::array<std::size_t, 2> sides, std::int32_t step) {
  const auto has_step = [&](std::size_t i) { return step < app.sides[i]->model->num_steps(); };
  const auto go = [&] {
    const Side& side = *app.sides[has_step(sides[0]) ? sides[0] : sides[1]];
    move_cursor(app, side.clock->place(side.model->step(step).start));
  };
  if (!has_step(sides[0]) && !has_step(sides[1])) return;
  app.playing = false;
  go();
  for (const std::size_t i : sides) {
    if (!has_step(i) || app.sides[i]->step == step || app.align == Align::step) continue;
    set_align(app, Align::step);
    go();
  }
  keep_cursor_visible(app);
  app.reveal = true;
}

bool advance(App& app, double seconds) {
  bool changed = false;
  for (auto& side : app.sides) {
    if (!app.follow || !side->trace || !side->trace->unfinished()) continue;
    const std::int32_t before = side->model->num_steps();
    side->trace->read(kRecordsAtOnce);
    if (side->model->num_steps() == before) continue;
    refresh(app, *side);
    move_cursor(app, app.extent.end);
    keep_cursor_visible(app);
    changed = true;
  }
  if (app.what_if) {
    if (auto run = app.what_if->poll()) {
      Side& side = *app.sides[app.varied_side];
      if (run->model) {
        side.run = std::move(run->model);
        side.name = side.run->name();
        side.records = std::move(run->trace);
        side.resolved = std::move(run->scenario);
        refresh(app, side);
        app.message = "simulated in " + short_time(run->seconds * 1e9);
      } else if (!run->error.empty()) {
        app.message = run->error;
      }
      changed = true;
    }
  }
  if (app.playing) {
    const Side& side = app.side();
    const double ns = seconds * 1e9 * std::pow(4.0, app.speed);
    const TimeNs before = side.clock->time(app.cursor);
    const Place to = side.clock->place(before + std::max<TimeNs>(1, static_cast<TimeNs>(ns)));
    move_cursor(app, std::max(to, app.cursor + 1));
    if (app.cursor >= app.extent.end) app.playing = false;
    keep_cursor_visible(app);
    changed = true;
  }
  return changed;
}

Frame frame_of(const App& app, std::size_t trace, const Style* style) {
  const Side& side = *app.sides[trace];
  Frame frame;
  frame.model = side.model;
  frame.clock = &*side.clock;
  frame.axis = app.axis;
  frame.cursor = side.clock->time(app.cursor);
  frame.request = side.selected;
  frame.step = side.step;
  frame.over = side.over;
  frame.trace = static_cast<std::uint8_t>(trace);
  frame.style = style;
  frame.bars = &side.bars;
  frame.budget = kBudget / static_cast<std::int32_t>(app.sides.size());
  frame.name = side.name;
  frame.moment = &side.moment();
  frame.tree = &side.tree;
  frame.sentences = &side.sentences;
  frame.latency = &side.latency;
  frame.verdict = &side.verdict;
  frame.order = side.order;
  if (has_range(app)) {
    // The sums are over all steps in it: they are made anew only when something has changed.
    const auto [from, to] = range_of(app, side);
    if (side.range_steps != side.model->num_steps() || side.range.from != from || side.range.to != to) {
      side.range = sum(*side.model, from, to);
      side.range_steps = side.model->num_steps();
    }
    frame.range = &side.range;
  }
  return frame;
}

Scene scene_of(const App& app, std::size_t trace, const Style* style) {
  Scene scene;
  for (std::size_t i = 0; i < app.sides.size(); ++i) scene.frames.push_back(frame_of(app, i, style));
  scene.trace = trace;
  scene.lanes = app.lanes;
  scene.order = app.order;
  scene.statistic = app.statistic;
  scene.slo = app.slo;
  scene.selected = app.selected;
  return scene;
}

}  // namespace tokenyard::viz
