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
    double (*mean)(const StepSum&, const StepMeans&);
    double (*most)(const StepSum&);  // of a column; null: the mean says all
    const char* unit;
  };
  const auto usable = static_cast<double>(model.usable_blocks());
  const Counter kinds[] = {
      {"running", "run", static_cast<double>(model.header().engine.max_num_seqs),
       [](const StepSum&, const StepMeans& m) { return m.running; }, [](const StepSum& s) { return double(s.most_running); },
       ""},
      {"waiting", "wait", 0, [](const StepSum&, const StepMeans& m) { return m.waiting; },
       [](const StepSum& s) { return double(s.most_waiting); }, ""},
      {"blocks used", "used", usable, [](const StepSum&, const StepMeans& m) { return m.used_blocks; },
       [](const StepSum& s) { return double(s.most_used); }, ""},
      {"blocks cached", "cached", usable, [](const StepSum&, const StepMeans& m) { return m.cached_blocks; },
       [](const StepSum& s) { return double(s.most_cached); }, ""},
      {"prefix hits", "hits", 100,
       [](const StepSum& s, const StepMeans&) {
         return s.asked_tokens == 0 ? 0 : 100 * double(s.hit_tokens) / double(s.asked_tokens);
       },
       nullptr, " %"},
      {"tokens/s", "tok/s", 0,
       [](const StepSum& s, const StepMeans&) { return s.busy == 0 ? 0 : double(s.tokens) * 1e9 / double(s.busy); },
       [](const StepSum& s) { return s.most_tokens_per_s; }, ""},
  };
  const auto count = static_cast<float>(std::size(kinds));
  const float row = box.height() / count;
  const float pad = 4 * style.scale;
  std::vector<StepMeans> means;
  for (const Bar& bar : all) means.push_back(bar.sum.means());
  float y = box.y0;
  for (const Counter& kind : kinds) {
    const Box own{box.x0, y, box.x1, y + row};
    y += row;
    double top = kind.top;
    double most = 0;
    for (std::size_t i = 0; i < all.size(); ++i)
      most = std::max(most, kind.most != nullptr ? kind.most(all[i].sum) : kind.mean(all[i].sum, means[i]));
    if (top == 0) top = most;
    const float base = own.y1 - 2;
    const float height = own.height() - 4;
    const auto y_of = [&](double value) { return base - level(value, top, height); };
    Stairs stairs;
    stairs.line.tone = tone_of(frame.trace, Tone::trace0);
    stairs.line.width = style.scale;
    if (kind.name != std::string_view("blocks cached")) stairs.idle = base;  // what is cached stays
    for (std::size_t i = 0; i < all.size(); ++i) {
      const float mean_y = y_of(kind.mean(all[i].sum, means[i]));
      const bool several = kind.most != nullptr && all[i].end - all[i].first > 1;
      const float most_y = several ? y_of(kind.most(all[i].sum)) : mean_y;
      if (mean_y - most_y >= 1)
        add_rect(out, {{all[i].x0, most_y, all[i].x1, mean_y}, Tone::most, Pattern::solid, 0, kBand, 0, {}});
      stairs.add(all[i], mean_y);
    }
    add_line(out, std::move(stairs.line));
    add_rect(out, {{axis.x0, own.y1 - 1, axis.x1, own.y1}, Tone::grid, Pattern::solid, 0, 255, 0, {}});
    std::string now = "-";
    if (frame.step >= 0) {
      const StepSum one = sum_of(model.step(frame.step), frame.step);
      const double value = kind.mean(one, one.means());
      now = fmt::format("{:.0f}{}", value, kind.unit);
      cursor_level(frame, projector, y_of(value), out);
    }
    // The number at the top of the scale; at its foot is 0.
    const std::string scale = fmt::format("{:.0f}{}", top, kind.unit);
    const float line = style.em * 1.15f;
    const float room = gutter(style, box.width()) - 2 * pad;
    const float wide = style.width(scale) + 2 * pad;
    const bool two_lines = row >= 2 * line;
    const auto named = [&](const char* name) { return two_lines ? std::string(name) : std::string(name) + " " + now; };
    std::string name = named(kind.name);
    if (style.width(name) + wide > room) name = named(kind.brief);
    const bool beside = style.width(name) + wide <= room;
    std::vector<std::string> more;
    if (two_lines) more.push_back(now);
    side_label(frame, own, name, more, out);
    if (beside) add_text(style, axis.x0 - style.width(scale) - pad, own.y0 + 1, style.width(scale) + 1, scale, Tone::dim, out);
  }
  cursor_line(frame, projector, box, out);
  return out;
}

}  // namespace

extern constinit const Panel panel_counters = {
    .name = "counters",
    .title = "Counters",
    .explains =
        "What ran, waited, filled the memory and came out, over time: each from 0 at the foot to the number beside it.\n"
        "Where steps are too narrow the line is the mean over their time, and faint above it the most of them. The marks at "
        "the "
        "cursor are the one step there.",
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
