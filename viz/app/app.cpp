#include "viz/app/app.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "core/base/input_error.h"
#include "core/trace/perfetto.h"
#include "sim/hardware_spec.h"
#include "sim/lesson.h"
#include "sim/run.h"
#include "viz/app/when.h"

namespace tokenyard::viz {
namespace {

constexpr int kSlowest = -4, kFastest = 4;  // 1/256 to 256 times
constexpr std::int32_t kMostLanes = 500;    // that are shown a request each at first
constexpr std::int64_t kRecordsAtOnce = 1 << 16;

void write_text(const std::string& name, const std::string& text) {
  std::ofstream out(name, std::ios::binary);
  out << text;
  out.flush();
  if (!out) throw InputError(name + ": cannot be written");
}

// A side as a trace file for whoever reads files: its own, or one written aside for as long as this lives.
class OnDisk {
 public:
  OnDisk(const Side& side, std::size_t index) : path_(side.file), mine_(side.file.empty()) {
    if (!mine_) return;
    const std::string name = "tokenyard-" + std::to_string(getpid()) + "-" + std::to_string(index) + ".trace";
    path_ = (std::filesystem::temp_directory_path() / name).string();
    TraceWriter writer(path_);
    RunOptions options;
    options.trace = &writer;
    options.program = side.model->header().program;
    run_scenario(*side.resolved, options);
    writer.flush();
  }
  ~OnDisk() {
    std::error_code ignored;
    if (mine_) std::filesystem::remove(path_, ignored);
  }
  OnDisk(const OnDisk&) = delete;
  OnDisk& operator=(const OnDisk&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  bool mine_;
};

// tokenyard-1.png, or the next number that is free.
std::string free_name(const std::string& what, const std::string& ending) {
  for (int i = 1;; ++i) {
    std::string name = "tokenyard-" + what + std::to_string(i) + ending;
    if (!std::filesystem::exists(name)) return name;
  }
}

void at_cursor(App& app, Side& side) {
  const std::int32_t step = side.model->step_at(side.clock->time(app.cursor));
  if (step == side.step && side.seeker->moment().step == step && !side.sentences.empty()) return;
  side.step = step;
  const Moment& moment = side.seeker->seek(step);
  side.tree = prefix_tree(moment);
  side.sentences = explain(*side.model, moment);
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

bool whole_shown(const App& app) { return app.axis.begin <= app.extent.begin && app.axis.end >= app.extent.end; }

void zoom(App& app, double factor) {
  // Panels have told where the pointer is through axis.x0 and x1; without one the cursor stays in place.
  const double x = app.axis.x(app.cursor);
  app.axis.zoom(x, factor, app.extent.begin, app.extent.end);
}

void pan(App& app, double share) {
  app.axis.pan(share * static_cast<double>(app.axis.x1 - app.axis.x0), app.extent.begin, app.extent.end);
}

void keep_cursor_visible(App& app) {
  const Place width = app.axis.end - app.axis.begin;
  if (app.cursor >= app.axis.begin && app.cursor < app.axis.end) return;
  show_range(app, app.cursor - width / 2, app.cursor - width / 2 + width);
}

void jump(App& app, Place to) {
  move_cursor(app, to);
  keep_cursor_visible(app);
  app.reveal = true;
}

void move_steps(App& app, std::int32_t by) {
  Side& side = app.side();
  if (side.model->num_steps() == 0) return;
  const std::int32_t to = std::clamp(side.step + by, 0, side.model->num_steps() - 1);
  app.playing = false;
  move_cursor_to_time(app, side.model->step(to).start);
  keep_cursor_visible(app);
}

void move_span(App& app, int by) {
  Side& side = app.side();
  if (side.selected < 0) {
    app.message = "select a request first";
    return;
  }
  const Request& request = side.model->request(side.selected);
  if (request.spans.empty()) return;
  const TimeNs now = side.clock->time(app.cursor);
  // The first span that begins after now, or the one before the current.
  const auto after = std::upper_bound(request.spans.begin(), request.spans.end(), now,
                                      [](TimeNs at, const Span& span) { return at < span.begin; });
  auto index = after - request.spans.begin() + (by > 0 ? 0 : -2);
  if (by < 0 && index >= -1 && after != request.spans.begin() && (after - 1)->begin < now) ++index;
  index = std::clamp<std::ptrdiff_t>(index, 0, static_cast<std::ptrdiff_t>(request.spans.size()) - 1);
  app.playing = false;
  move_cursor_to_time(app, request.spans[static_cast<std::size_t>(index)].begin);
  keep_cursor_visible(app);
}

void select_neighbour(App& app, int by) {
  const Side& side = app.side();
  if (side.order.empty()) return;
  const auto found = std::find(side.order.begin(), side.order.end(), side.selected);
  std::ptrdiff_t at = found == side.order.end() ? (by > 0 ? 0 : static_cast<std::ptrdiff_t>(side.order.size()) - 1)
                                                : found - side.order.begin() + by;
  at = std::clamp<std::ptrdiff_t>(at, 0, static_cast<std::ptrdiff_t>(side.order.size()) - 1);
  select(app, side.model->request(side.order[static_cast<std::size_t>(at)]).id);
}

struct Hit {
  std::string id;
  std::optional<TimeNs> at;
};

// What the search means in the active trace, in time order for states and arrival order for ids.
std::vector<Hit> hits_of(const App& app) {
  std::vector<Hit> out;
  const TraceModel& model = *app.side().model;
  if (app.search.empty()) return out;
  for (int i = 0; i < kMarks; ++i) {
    const auto mark = static_cast<Mark>(i);
    if (app.search != name_of(mark)) continue;
    for (const Event& event : model.events()) {
      if (event.mark == mark) out.push_back({model.request(event.request).id, event.at});
    }
    return out;
  }
  for (const Request& request : model.requests()) {
    if (request.id.find(app.search) != std::string::npos) out.push_back({request.id, request.begin});
  }
  return out;
}

void go_to_hit(App& app, int by) {
  const std::vector<Hit> hits = hits_of(app);
  if (hits.empty()) {
    app.message = app.search.empty() ? "nothing is searched for: press /" : "\"" + app.search + "\" is not in this trace";
    return;
  }
  const auto count = static_cast<std::ptrdiff_t>(hits.size());
  app.hit = app.hit < 0 ? (by > 0 ? 0 : count - 1) : (app.hit + by + count) % count;
  const Hit& hit = hits[static_cast<std::size_t>(app.hit)];
  select(app, hit.id);
  if (hit.at) move_cursor_to_time(app, *hit.at);
  keep_cursor_visible(app);
  app.message = "hit " + std::to_string(app.hit + 1) + " of " + std::to_string(count);
}

void show_selection(App& app) {
  if (has_range(app)) {
    show_range(app, *app.range_from, *app.range_to);
    return;
  }
  Side& side = app.side();
  if (side.selected < 0) return;
  const Request& request = side.model->request(side.selected);
  const Place from = side.clock->place(request.begin);
  const Place to = side.clock->place(request.end >= 0 ? request.end : side.model->end());
  const Place margin = (to - from) / 20 + 1;
  show_range(app, from - margin, to + margin);
}

void mark_range(App& app) {
  if (!app.range_from || app.range_to) {
    app.range_from = app.cursor;
    app.range_to.reset();
    app.message = "range begins at the cursor; move on and press M again";
    return;
  }
  app.range_to = std::max(*app.range_from, app.cursor);
  app.range_from = std::min(*app.range_from, app.cursor);
  app.message.clear();
}

void go_to_first_difference(App& app) {
  if (app.sides.size() < 2) {
    app.message = "there is one trace only";
    return;
  }
  try {
    const std::size_t other = app.active == 0 ? 1 : app.active;
    const OnDisk a(*app.sides[0], 0), b(*app.sides[other], other);
    const FirstDifference difference = first_difference(a.path(), b.path(), true);
    if (difference.same) {
      app.message = "the same decisions throughout";
      return;
    }
    const Side& there = difference.step < app.sides[0]->model->num_steps() ? *app.sides[0] : *app.sides[other];
    jump(app, there.clock->place(there.model->step(difference.step).start));
    app.difference = difference.text;
    for (const auto& [path, side] : {std::pair{a.path(), app.sides[0].get()}, {b.path(), app.sides[other].get()}}) {
      for (std::size_t at = 0; (at = app.difference.find(path, at)) != std::string::npos; at += side->name.size()) {
        app.difference.replace(at, path.size(), side->name);
      }
    }
  } catch (const InputError& error) {
    app.message = error.what();
  }
}

void save_csv(App& app) {
  const Side& side = app.side();
  const auto [from, to] = range_of(app, side);
  const std::string requests = free_name("requests-", ".csv"), steps = free_name("steps-", ".csv");
  try {
    write_text(requests, requests_csv(*side.model, from, to));
    write_text(steps, steps_csv(*side.model, from, to));
    app.message = "wrote " + requests + " and " + steps;
  } catch (const InputError& error) {
    app.message = error.what();
  }
}

void save_perfetto(App& app) {
  try {
    std::vector<std::unique_ptr<OnDisk>> files;
    std::vector<std::unique_ptr<TraceReader>> readers;
    std::vector<TraceReader*> borrowed;
    for (std::size_t i = 0; i < app.sides.size(); ++i) {
      files.push_back(std::make_unique<OnDisk>(*app.sides[i], i));
      auto file = std::make_unique<std::ifstream>(files.back()->path(), std::ios::binary);
      readers.push_back(std::make_unique<TraceReader>(std::move(file), app.sides[i]->name));
      borrowed.push_back(readers.back().get());
    }
    const std::string name = free_name("", ".perfetto.json");
    export_perfetto(borrowed, name);
    app.message = "wrote " + name + ": open it in ui.perfetto.dev";
  } catch (const InputError& error) {
    app.message = error.what();
  }
}

void pin(App& app) {
  if (app.sides.size() >= kMostTraces) {
    app.message = "no more than " + std::to_string(kMostTraces) + " runs beside each other";
    return;
  }
  const Side& from = app.side();
  if (!from.run) {
    app.message = "only a scenario's run can be kept: tokenyard view SCENARIO";
    return;
  }
  auto copy = std::make_unique<Side>();
  copy->name = "kept: " + from.name;
  copy->scenario = from.scenario;
  copy->overrides = from.overrides;
  copy->varied = from.varied;
  copy->run = from.run;
  copy->resolved = from.resolved;
  add_side(app, std::move(copy));
}

void toggle(App& app, Panel panel) {
  bool& shown = app.shown[static_cast<std::size_t>(panel)];
  shown = !shown;
  app.wish[static_cast<std::size_t>(panel)] = shown ? 1 : -1;
  app.alone.reset();
}

void move_knob(App& app, int by) {
  const Side& side = app.side();
  const std::vector<std::string> choices = knob_choices(side, app.knob);
  const auto now = std::find(choices.begin(), choices.end(), knob_value(side, app.knob));
  const auto at = std::clamp<std::ptrdiff_t>(now - choices.begin() + by, 0, static_cast<std::ptrdiff_t>(choices.size()) - 1);
  turn_knob(app, app.knob, choices[static_cast<std::size_t>(at)]);
}

std::vector<std::string> all_overrides(const Side& side) {
  std::vector<std::string> out = side.overrides;
  for (std::size_t i = 0; i < knobs().size(); ++i) {
    if (!side.varied[i].empty()) out.push_back(std::string(knobs()[i].path) + "=" + side.varied[i]);
  }
  return out;
}

}  // namespace

std::unique_ptr<Side> open_trace(const std::string& path) {
  auto side = std::make_unique<Side>();
  side->name = std::filesystem::path(path).filename().string();
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
  side->name = name;
  side->scenario = path;
  side->overrides = overrides;
  side->run = std::move(run.model);
  side->resolved = std::move(run.scenario);
  return side;
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
  app.alone.reset();
  app.range_from.reset();
  app.range_to.reset();
  const LessonPage& now = app.lesson->pages[app.page];
  const std::string place = app.lesson->path + ": page " + std::to_string(app.page + 1);
  const TraceModel& model = *app.sides[0]->model;
  app.active = now.trace;
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

void refresh(App& app, Side& side) {
  const bool whole = app.sides.size() == 1 ? true : whole_shown(app);
  const TraceModel* before = side.model;
  side.model = side.run ? side.run.get() : &side.trace->model();
  if (side.model != before) side.seeker = std::make_unique<Seeker>(*side.model);
  side.latency = latency_of(*side.model, app.slo);
  side.verdict = verdict_of(*side.model, side.latency);
  side.order = ordered(*side.model, app.order);
  side.bars.clear();
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

void set_panels(App& app, const std::vector<Panel>& panels) {
  app.shown.fill(false);
  app.wish.fill(0);
  for (const Panel panel : panels) app.shown[static_cast<std::size_t>(panel)] = true;
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

void apply(App& app, Command command) {
  constexpr double kIn = 0.8, kOut = 1.25, kInFast = 0.5, kOutFast = 2;
  switch (command) {
    case Command::zoom_in: zoom(app, kIn); break;
    case Command::zoom_in_fast: zoom(app, kInFast); break;
    case Command::zoom_out: zoom(app, kOut); break;
    case Command::zoom_out_fast: zoom(app, kOutFast); break;
    case Command::pan_left: pan(app, -0.1); break;
    case Command::pan_left_fast: pan(app, -0.5); break;
    case Command::pan_right: pan(app, 0.1); break;
    case Command::pan_right_fast: pan(app, 0.5); break;
    case Command::show_selection: show_selection(app); break;
    case Command::show_all: show_range(app, app.extent.begin, app.extent.end); break;
    case Command::play:
      if (!app.playing && app.cursor >= app.extent.end) move_cursor(app, app.extent.begin);
      app.playing = !app.playing;
      break;
    case Command::step_back: move_steps(app, -1); break;
    case Command::step_on: move_steps(app, 1); break;
    case Command::ten_back: move_steps(app, -10); break;
    case Command::ten_on: move_steps(app, 10); break;
    case Command::go_begin: jump(app, app.extent.begin); break;
    case Command::go_end: jump(app, app.extent.end); break;
    case Command::slower: app.speed = std::max(kSlowest, app.speed - 1); break;
    case Command::faster: app.speed = std::min(kFastest, app.speed + 1); break;
    case Command::follow: app.message = follow(app) ? "following" : "every trace here has ended"; break;
    case Command::span_back: move_span(app, -1); break;
    case Command::span_on: move_span(app, 1); break;
    case Command::mark_range: mark_range(app); break;
    case Command::previous_request: select_neighbour(app, -1); break;
    case Command::next_request: select_neighbour(app, 1); break;
    case Command::page_up:
    case Command::page_down: {
      const auto panel = static_cast<std::size_t>(app.chosen.value_or(Panel::requests));
      app.side().scroll[panel] += (command == Command::page_down ? 200 : -200) * app.scale;
      break;
    }
    case Command::next_trace: app.active = (app.active + 1) % app.sides.size(); break;
    case Command::clear:
      if (app.help_open || app.search_open || app.alone || app.chosen || !app.banner.empty() || !app.difference.empty()) {
        app.help_open = app.search_open = false;
        app.banner.clear();
        app.difference.clear();
        app.chosen.reset();
        app.alone.reset();
        break;
      }
      app.range_from.reset();
      app.range_to.reset();
      app.search.clear();
      app.hit = -1;
      app.message.clear();
      select(app, "");
      break;
    case Command::search:
      app.search_open = true;
      app.hit = -1;
      break;
    case Command::next_hit: go_to_hit(app, 1); break;
    case Command::previous_hit: go_to_hit(app, -1); break;
    case Command::first_difference: go_to_first_difference(app); break;
    case Command::next_align: set_align(app, static_cast<Align>((static_cast<int>(app.align) + 1) % kAligns)); break;
    case Command::next_order: set_order(app, static_cast<LaneOrder>((static_cast<int>(app.order) + 1) % kLaneOrders)); break;
    case Command::next_lanes: app.lanes = static_cast<LaneView>((static_cast<int>(app.lanes) + 1) % 3); break;
    case Command::next_statistic: app.statistic = static_cast<LatencyKind>((static_cast<int>(app.statistic) + 1) % 4); break;
    case Command::panel1: toggle(app, Panel::requests); break;
    case Command::panel2: toggle(app, Panel::steps); break;
    case Command::panel3: toggle(app, Panel::batch); break;
    case Command::panel4: toggle(app, Panel::counters); break;
    case Command::panel5: toggle(app, Panel::blocks); break;
    case Command::panel6: toggle(app, Panel::table); break;
    case Command::panel7: toggle(app, Panel::prefix); break;
    case Command::panel8: toggle(app, Panel::latency); break;
    case Command::panel9: toggle(app, Panel::why); break;
    case Command::next_panel:  // the one who draws knows which panels there are, how large, and where the pointer is
    case Command::previous_panel:
    case Command::panel_taller:
    case Command::panel_shorter:
    case Command::column_wider:
    case Command::column_narrower:
    case Command::maximize: break;
    case Command::what_if: toggle(app, Panel::what_if); break;
    case Command::next_knob: app.knob = (app.knob + 1) % knobs().size(); break;
    case Command::previous_knob: app.knob = (app.knob + knobs().size() - 1) % knobs().size(); break;
    case Command::knob_up: move_knob(app, 1); break;
    case Command::knob_down: move_knob(app, -1); break;
    case Command::knobs_back: turn_knobs_back(app); break;
    case Command::panel_compare: toggle(app, Panel::compare); break;
    case Command::panel_details: toggle(app, Panel::details); break;
    case Command::pin: pin(app); break;
    case Command::toggle_theme: app.theme = app.theme == Theme::dark ? Theme::light : Theme::dark; break;
    case Command::larger: app.scale = std::min(3.0F, app.scale + 0.25F); break;
    case Command::smaller: app.scale = std::max(1.0F, app.scale - 0.25F); break;
    case Command::usual_size: app.scale = 1; break;
    case Command::save_picture:
      app.picture_wanted = free_name("", ".png");
      app.message = "wrote " + app.picture_wanted;
      break;
    case Command::save_csv: save_csv(app); break;
    case Command::save_perfetto: save_perfetto(app); break;
    case Command::copy_text: break;  // needs a clipboard
    case Command::help: app.help_open = !app.help_open; break;
    case Command::quit: app.quit = true; break;
    case Command::next_page:
    case Command::previous_page:
      if (app.lesson && (command == Command::next_page || app.page > 0)) {
        try {
          show_page(app, command == Command::next_page ? app.page + 1 : app.page - 1);
        } catch (const InputError& error) {
          app.message = error.what();
        }
      }
      break;
    case Command::answer: app.answer_shown = !app.answer_shown; break;
  }
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

const std::vector<Knob>& knobs() {
  static const std::vector<Knob> all = {
      {"policy", "engine.policy", all_names<Policy>()},
      {"tokens a step",
       "engine.max_num_batched_tokens",
       {"32", "64", "128", "256", "512", "1024", "2048", "4096", "8192", "16384"}},
      {"seats", "engine.max_num_seqs", {"1", "2", "4", "8", "16", "24", "32", "48", "64", "96", "128", "192", "256"}},
      {"block size", "engine.block_size", {"1", "4", "8", "16", "32", "64", "128", "256"}},
      {"blocks", "engine.num_blocks", {"100", "200", "400", "600", "800", "1200", "1600", "3200", "6400", "12800", "25600"}},
      {"prefix cache", "engine.enable_prefix_caching", {"false", "true"}},
      {"arrivals x", "rate_scale", {"0.25", "0.5", "0.75", "1", "1.25", "1.5", "2", "3", "4", "8"}},
      {"GPU", "hardware", builtin_hardware()},
  };
  return all;
}

std::string knob_value(const Side& side, std::size_t knob) {
  if (!side.varied[knob].empty()) return side.varied[knob];
  if (!side.resolved) return "";
  const EngineConfig& engine = side.resolved->engine;
  switch (knob) {
    case 0: return name_of(engine.policy);
    case 1: return std::to_string(engine.max_num_batched_tokens);
    case 2: return std::to_string(engine.max_num_seqs);
    case 3: return std::to_string(engine.block_size);
    case 4: return std::to_string(engine.num_blocks);
    case 5: return engine.enable_prefix_caching ? "true" : "false";
    case 6: {
      std::string text = std::to_string(side.resolved->rate_scale);
      text.erase(text.find_last_not_of('0') + 1);
      if (text.back() == '.') text.pop_back();
      return text;
    }
    case 7: return side.resolved->hardware ? side.resolved->hardware->name : "";
    default: return "";
  }
}

std::vector<std::string> knob_choices(const Side& side, std::size_t knob) {
  std::vector<std::string> out = knobs()[knob].choices;
  const std::string now = knob_value(side, knob);
  if (now.empty() || std::find(out.begin(), out.end(), now) != out.end()) return out;
  const bool number = now.find_first_not_of("0123456789.") == std::string::npos;
  const auto place =
      number ? std::find_if(out.begin(), out.end(), [&](const std::string& v) { return std::stod(v) > std::stod(now); })
             : out.end();
  out.insert(place, now);
  return out;
}

void turn_knobs_back(App& app) {
  app.side().varied.fill("");
  turn_knob(app, 0, "");
}

void turn_knob(App& app, std::size_t knob, const std::string& value) {
  Side& side = app.side();
  if (side.scenario.empty()) {
    app.message = "a recorded trace cannot be varied; open a scenario: tokenyard view SCENARIO";
    return;
  }
  app.varied_side = app.active;
  side.varied[knob] = value;
  if (!app.what_if) app.what_if = std::make_unique<WhatIf>();
  app.what_if->ask(side.scenario, all_overrides(side), side.name);
}

}  // namespace tokenyard::viz
