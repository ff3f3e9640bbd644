#include "viz/view/overview.h"

#include <algorithm>

#include <fmt/core.h>

#include "viz/view/bars.h"
#include "viz/view/layout.h"

namespace tokenyard::viz {

Picture overview(const Frame& frame, Box box, Place least, Place most) {
  Picture out = panel(box);
  const Style& style = *frame.style;
  Axis axis = panel_axis(frame, box);
  axis.begin = least;
  axis.end = std::max(most, least + 1);
  const Projector projector(frame, axis);
  const float strip = std::min(style.em, box.height() / 3);
  const float base = box.y1 - 1;
  const float height = base - box.y0 - strip - 1;
  const std::vector<Bar> all = bars(frame, projector);
  TimeNs longest = 0;
  std::int32_t waiting = 0;
  for (const Bar& bar : all) {
    longest = std::max(longest, bar.sum.longest_ns);
    waiting = std::max(waiting, bar.sum.most_waiting);
  }
  for (const Bar& bar : all) {
    const StepMeans means = bar.sum.means();
    const float wait = level(means.waiting, waiting, height);
    add_rect(
        out,
        {{bar.x0, base - wait, bar.x1, base}, Tone::queued, Pattern::solid, 0, 90, 0, step_ref(frame, bar, bar.sum.longest)});
    const float high = std::max(1.0f, level(means.duration, static_cast<double>(longest), height));
    add_most(frame, bar, base - high,
             base - level(static_cast<double>(bar.sum.longest_ns), static_cast<double>(longest), height),
             step_ref(frame, bar, bar.sum.longest), out);
    add_rect(out, {{bar.x0, base - high, bar.x1, base},
                   tone_of(frame.trace, Tone::trace0),
                   Pattern::solid,
                   0,
                   200,
                   0,
                   step_ref(frame, bar, bar.sum.longest)});
  }
  mark_strip(frame, projector, box.y0, strip, out);
  const auto x = [&](Place place) { return std::clamp(static_cast<float>(axis.x(place)), axis.x0, axis.x1); };
  const float from = x(frame.axis.begin);
  const float to = std::max(x(frame.axis.end), std::min(from + 2 * style.scale, axis.x1));
  add_rect(out, {{from, box.y0, to, box.y1}, Tone::selection, Pattern::hollow, 0, 255, 0, {}});
  side_label(frame, box, "whole run",
             {"longest " + short_time(static_cast<double>(longest)), fmt::format("{} wait at most", waiting)}, out);
  cursor_line(frame, projector, box, out);
  return out;
}

Picture ruler(const Frame& frame, Box box) {
  Picture out = panel(box);
  const Style& style = *frame.style;
  const Axis axis = panel_axis(frame, box);
  const Projector projector(frame, axis);
  const float pad = 3 * style.scale;
  for (const Tick& tick : ticks(axis, frame.clock->align(), 8 * style.em)) {
    const float x = std::clamp(static_cast<float>(axis.x(tick.place)), axis.x0, axis.x1 - 1);
    add_rect(out, {{x, box.y0, x + std::max(1.0f, style.scale), box.y1}, Tone::grid, Pattern::solid, 0, 255, 0, {}});
    const float room = std::min(axis.x1 - x - 2 * pad, 7.5f * style.em);
    if (style.width(tick.text) <= room) add_text(style, x + pad, box.y0 + 1, room, tick.text, Tone::dim, out);
  }
  side_label(frame, box, title_of(frame.clock->align()), {}, out);
  cursor_line(frame, projector, box, out);
  return out;
}

}  // namespace tokenyard::viz
