// What a command does, wherever it comes from.
#include <algorithm>

#include "core/base/input_error.h"
#include "viz/app/app.h"
#include "viz/app/knobs.h"
#include "viz/app/saving.h"

namespace tokenyard::viz {
namespace {

constexpr int kSlowest = -4, kFastest = 4;  // 1/256 to 256 times

void jump(App& app, Place to) {
  move_cursor(app, to);
  keep_cursor_visible(app);
  app.reveal = true;
}

void zoom(App& app, double factor) {
  // Panels have told where the pointer is through axis.x0 and x1; without one the cursor stays in place.
  const double x = app.axis.x(app.cursor);
  app.axis.zoom(x, factor, app.extent.begin, app.extent.end);
}

void pan(App& app, double share) {
  app.axis.pan(share * static_cast<double>(app.axis.x1 - app.axis.x0), app.extent.begin, app.extent.end);
}

void move_steps(App& app, std::int32_t by) {
  Side& side = app.side();
  if (side.model->num_steps() == 0) return;
  const std::int32_t to = std::clamp((side.over ? side.model->num_steps() : side.step) + by, 0, side.model->num_steps() - 1);
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
  copy->title = "kept: " + from.title;
  copy->scenario = from.scenario;
  copy->overrides = from.overrides;
  copy->varied = from.varied;
  copy->run = from.run;
  copy->records = from.records;
  copy->resolved = from.resolved;
  add_side(app, std::move(copy));
}

void toggle(App& app, const Panel& panel) {
  app.shown[panel] = !app.shown[panel];
  app.wish[panel] = app.shown[panel] ? 1 : -1;
  app.alone = nullptr;
}

}  // namespace

void apply(App& app, const Action& action) {
  const Command command = action.command;
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
      const Panel* const panel = app.chosen != nullptr ? app.chosen : all_panels().front();
      app.side().scroll[*panel] += (command == Command::page_down ? 200 : -200) * app.scale;
      break;
    }
    case Command::next_trace: app.active = (app.active + 1) % app.sides.size(); break;
    case Command::clear:
      if (app.help_open || app.search_open || app.alone || app.chosen || !app.banner.empty() || app.difference_shown) {
        app.help_open = app.search_open = false;
        app.banner.clear();
        app.difference_shown = false;
        app.chosen = nullptr;
        app.alone = nullptr;
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
    case Command::next_difference: go_to_next_difference(app); break;
    case Command::next_align: set_align(app, static_cast<Align>((static_cast<int>(app.align) + 1) % kAligns)); break;
    case Command::next_order: set_order(app, static_cast<LaneOrder>((static_cast<int>(app.order) + 1) % kLaneOrders)); break;
    case Command::next_lanes: app.lanes = static_cast<LaneView>((static_cast<int>(app.lanes) + 1) % kLaneViews); break;
    case Command::next_statistic:
      app.statistic = static_cast<LatencyKind>((static_cast<int>(app.statistic) + 1) % kLatencyKinds);
      break;
    case Command::next_panel:  // the one who draws knows which panels there are, how large, and where the pointer is
    case Command::previous_panel:
    case Command::panel_taller:
    case Command::panel_shorter:
    case Command::column_wider:
    case Command::column_narrower:
    case Command::maximize: break;
    case Command::toggle_panel: toggle(app, *action.panel); break;
    case Command::next_knob: app.knob = (app.knob + 1) % knobs().size(); break;
    case Command::previous_knob: app.knob = (app.knob + knobs().size() - 1) % knobs().size(); break;
    case Command::knob_up: move_knob(app, 1); break;
    case Command::knob_down: move_knob(app, -1); break;
    case Command::knobs_back: turn_knobs_back(app); break;
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

}  // namespace tokenyard::viz
