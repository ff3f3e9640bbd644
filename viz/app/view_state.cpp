#include "viz/app/view_state.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>

#include "core/base/input_error.h"
#include "sim/lesson.h"
#include "viz/app/when.h"

namespace tokenyard::viz {
namespace {

std::vector<const Panel*> parse_panels(const std::string& option, const std::string& text) {
  std::vector<const Panel*> out;
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string name = text.substr(begin, end - begin);
    const Panel* const panel = find_panel(name);
    if (panel == nullptr) throw InputError(option + ": expected some of " + panel_names() + ", found \"" + name + "\"");
    out.push_back(panel);
    begin = end + 1;
  }
  return out;
}

// The value of an enum of `count` values that is called `name`.
template <typename Enum>
Enum named(const std::string& option, const std::string& name, int count) {
  std::string names;
  for (int i = 0; i < count; ++i) {
    const auto value = static_cast<Enum>(i);
    if (name == name_of(value)) return value;
    names += (names.empty() ? "" : ", ") + std::string(name_of(value));
  }
  throw InputError(option + ": expected one of " + names + ", found \"" + name + "\"");
}

// Milliseconds that read back as the same nanosecond.
std::string time_text(TimeNs time) {
  std::string text = std::to_string(time / 1'000'000) + "." + std::to_string(1'000'000 + time % 1'000'000).substr(1);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text + "ms";
}

}  // namespace

void apply_view(App& app, const ViewState& wanted, const std::string& before) {
  const Side& first = *app.sides.front();
  if (!wanted.theme.empty()) {
    app.theme = named<Theme>(before + "theme", wanted.theme, kThemes);
    app.theme_chosen = true;
  }
  if (wanted.scale != 0) {
    if (!(wanted.scale >= 1 && wanted.scale <= 3))
      throw InputError(fmt::format("{}scale: expected 1 to 3, found {}", before, wanted.scale));
    app.scale = static_cast<float>(wanted.scale);
    app.scale_chosen = true;
  }
  if (!wanted.panels.empty()) set_panels(app, parse_panels(before + "panels", wanted.panels));
  if (!wanted.lanes.empty()) app.lanes = named<LaneView>(before + "lanes", wanted.lanes, kLaneViews);
  if (!wanted.latency.empty()) app.statistic = named<LatencyKind>(before + "latency", wanted.latency, kLatencyKinds);
  if (!wanted.sort.empty()) set_order(app, named<LaneOrder>(before + "sort", wanted.sort, kLaneOrders));
  if (!wanted.select.empty()) {
    if (first.model->find(wanted.select) < 0)
      throw InputError(before + "select: no request \"" + wanted.select + "\" in " + first.name);
    select(app, wanted.select);
  }
  if (!wanted.align.empty()) set_align(app, named<Align>(before + "align", wanted.align, kAligns));
  const auto place = [&](const std::string& option, const std::string& text) {
    return first.clock->place(parse_when(text, *first.model, before + option));
  };
  if (!wanted.range.empty()) show_range(app, place("range", wanted.range.front()), place("range", wanted.range.back()));
  if (!wanted.mark.empty()) {
    app.range_from = place("mark", wanted.mark.front());
    app.range_to = place("mark", wanted.mark.back());
    if (!has_range(app)) throw InputError(before + "mark: expected two moments, the earlier one first");
  }
  if (!wanted.at.empty()) {
    move_cursor(app, place("at", wanted.at));
    app.reveal = true;
  }
}

ViewState view_state_of(const App& app) {
  const Side& first = *app.sides.front();
  const auto text = [&](Place place) { return time_text(first.clock->time(place)); };
  ViewState state;
  state.at = text(app.cursor);
  state.select = app.selected;
  if (app.axis.begin != app.extent.begin || app.axis.end != app.extent.end) {
    state.range = {text(app.axis.begin), text(app.axis.end)};
  }
  if (has_range(app)) state.mark = {text(*app.range_from), text(*app.range_to)};
  bool chosen = app.panels_chosen;
  for (const Panel* panel : all_panels()) chosen = chosen || app.wish[*panel] != 0;
  for (const Panel* panel : all_panels()) {
    if (chosen && app.shown[*panel]) state.panels += (state.panels.empty() ? "" : ",") + std::string(panel->name);
  }
  state.lanes = name_of(app.lanes);
  state.sort = name_of(app.order);
  state.align = name_of(app.align);
  state.latency = name_of(app.statistic);
  state.theme = name_of(app.theme);
  state.scale = app.scale;
  return state;
}

std::unique_ptr<Side> open_variant(const std::string& path, const std::optional<std::string>& variant,
                                   const std::vector<std::string>& set) {
  std::vector<std::string> overrides;
  std::string name = std::filesystem::path(path).stem().string();
  if (variant) {
    const Variant found = find_variant(load_lesson(path), *variant);
    overrides = found.overrides;
    name = found.name;
  }
  overrides.insert(overrides.end(), set.begin(), set.end());
  return open_scenario(path, overrides, name);
}

}  // namespace tokenyard::viz
