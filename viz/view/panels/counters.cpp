#include <algorithm>
#include <string_view>

#include <fmt/core.h>

#include "viz/view/bars.h"
#include "viz/view/layout.h"
#include "viz/view/panel.h"

namespace tokenyard::viz {
namespace {

// Running, waiting, blocks used and cached, hit rate, tokens a second: each a row of its own with its own scale.
Picture counters_picture(const Scene& scene, Box box) {
  const Frame& frame = scene.frame();
  Picture out = panel(box);
  const Style& style = *frame.style;
  const Axis axis = panel_axis(frame, box);
  const Projector projector(frame, axis);
  const TraceModel& model = *frame.model;
  const std::vector<Bar> all = bars(frame, projector);
  struct Counter {
    const char* name;
    const char* brief;  // where there is little room
    double top;         // of the scale; 0: what is seen
    double (*value)(const StepSum&);
    const char* unit;
  };
  const Counter kinds[] = {
      {"running", "run", static_cast<double>(model.header().engine.max_num_seqs),
       [](const StepSum& s) { return double(s.most_running); }, ""},
      {"waiting", "wait", 0, [](const StepSum& s) { return double(s.most_waiting); }, ""},
      {"blocks used", "used", static_cast<double>(model.usable_blocks()), [](const StepSum& s) { return double(s.most_used); },
       ""},
      {"blocks cached", "cached", static_cast<double>(model.usable_blocks()),
       [](const StepSum& s) { return double(s.most_cached); }, ""},
      {"prefix hits", "hits", 100,
       [](const StepSum& s) { return s.asked_tokens == 0 ? 0 : 100 * double(s.hit_tokens) / double(s.asked_tokens); }, " %"},
      {"tokens/s", "tok/s", 0, [](const StepSum& s) { return s.busy == 0 ? 0 : double(s.tokens) * 1e9 / double(s.busy); }, ""},
  };
  const auto count = static_cast<float>(std::size(kinds));
  const float row = box.height() / count;
  float y = box.y0;
  for (const Counter& kind : kinds) {
    const Box own{box.x0, y, box.x1, y + row};
    y += row;
    double top = kind.top;
    double most = 0;
    for (const Bar& bar : all) most = std::max(most, kind.value(bar.sum));
    if (top == 0) top = most;
    const float base = own.y1 - 2;
    const float height = own.height() - 4;
    Stairs stairs;
    stairs.line.tone = tone_of(frame.trace, Tone::trace0);
    stairs.line.width = style.scale;
    if (kind.name != std::string_view("blocks cached")) stairs.idle = base;  // what is cached stays
    for (const Bar& bar : all) stairs.add(bar, base - level(kind.value(bar.sum), top, height));
    add_line(out, std::move(stairs.line));
    add_rect(out, {{axis.x0, own.y1 - 1, axis.x1, own.y1}, Tone::grid, Pattern::solid, 0, 255, 0, {}});
    std::string now = "-";
    if (frame.step >= 0) now = fmt::format("{:.0f}{}", kind.value(sum_of(model.step(frame.step), frame.step)), kind.unit);
    const float line = style.em * 1.15f;
    std::vector<std::string> more;
    const float room = gutter(style, box.width()) - 8 * style.scale;
    std::string name = kind.name;
    if (row >= 2 * line) {
      // A column's mean may be exceeded by a step in it.
      const std::string words =
          kind.top > 0 ? fmt::format("{} of {:.0f}{}", now, top, kind.unit) : fmt::format("{} (axis {:.0f})", now, top);
      more.push_back(style.width(words) <= room ? words : now);
    } else {
      name += " " + now;
      if (style.width(name) > room) name = std::string(kind.brief) + " " + now;
    }
    side_label(frame, own, name, more, out);
  }
  cursor_line(frame, projector, box, out);
  return out;
}

}  // namespace

extern constinit const Panel panel_counters = {
    .name = "counters",
    .title = "Counters",
    .explains = "What ran, waited, filled the memory and came out, over time.",
    .order = 4,
    .key = "4",
    .what = "counters",
    .where = Panel::Where::timeline,
    .size =
        [](std::size_t) {
          return Panel::Size{6, 1.6F};
        },
    .usual = [](const Panel::Situation& now) { return now.several ? 0 : 4; },
    .layout = counters_picture,
};

}  // namespace tokenyard::viz
