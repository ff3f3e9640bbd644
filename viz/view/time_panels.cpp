// Panels over the time axis that show steps: overview, ruler, batch latency, batch composition, counters.
#include <algorithm>
#include <cmath>
#include <string_view>

#include <fmt/core.h>

#include "viz/view/layout.h"

namespace tokenyard::viz {
namespace {

float level(double value, double top, float height) {
  return top <= 0 ? 0 : static_cast<float>(std::clamp(value / top, 0.0, 1.0)) * height;
}

Ref step_ref(const Frame& frame, const Bar& bar, std::int32_t step) {
  return {Ref::Kind::step, frame.trace, step, bar.first, bar.end - bar.first};
}

// A line of steps: it goes level over each bar, and between two that do not touch.
struct Stairs {
  Line line;
  float idle = -1;  // where no step runs; negative: as high as before
  void add(const Bar& bar, float y) {
    if (!line.points.empty() && line.points.back().x + 1 < bar.x0) {
      if (idle >= 0) line.points.push_back({line.points.back().x, idle});
      line.points.push_back({bar.x0, line.points.back().y});
    }
    line.points.push_back({bar.x0, y});
    line.points.push_back({bar.x1, y});
  }
};

void limit_line(float y, float x0, float x1, Tone tone, float width, Picture& out) {
  add_line(out, {{{x0, y}, {x1, y}}, tone, width, true});
}

}  // namespace

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
    const float wait = level(bar.sum.most_waiting, waiting, height);
    add_rect(
        out,
        {{bar.x0, base - wait, bar.x1, base}, Tone::queued, Pattern::solid, 0, 90, 0, step_ref(frame, bar, bar.sum.longest)});
    const float high = std::max(1.0f, level(static_cast<double>(bar.sum.longest_ns), static_cast<double>(longest), height));
    add_rect(
        out,
        {{bar.x0, base - high, bar.x1, base}, Tone::gemm, Pattern::solid, 0, 160, 0, step_ref(frame, bar, bar.sum.longest)});
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
  side_label(frame, box, name_of(frame.clock->align()), {}, out);
  cursor_line(frame, projector, box, out);
  return out;
}

namespace {

StepSum visible_sum(const Frame& frame) {
  const auto [first, end] = visible_steps(*frame.model, frame.clock->time(frame.axis.begin), frame.clock->time(frame.axis.end));
  return frame.model->sum_steps(first, end);
}

}  // namespace

TimeNs longest_step(const Frame& frame) { return visible_sum(frame).longest_ns; }

std::int64_t most_tokens(const Frame& frame) {
  const std::int64_t most = visible_sum(frame).most_positions;
  const std::int64_t budget = frame.model->header().engine.max_num_batched_tokens;
  // The budget is shown unless the steps would be too small to be told apart beside it.
  return most * 8 >= budget ? std::max(most, budget) : most;
}

Picture batch_latency(const Frame& frame, Box box, TimeNs longest) {
  Picture out = panel(box);
  const Axis axis = panel_axis(frame, box);
  const Projector projector(frame, axis);
  const std::vector<Bar> all = bars(frame, projector);
  if (longest <= 0) longest = longest_step(frame);
  const float base = box.y1 - 1;
  const float height = box.height() - 2;
  for (const Bar& bar : all) {
    const Step& step = frame.model->step(bar.sum.longest);
    const StepParts& p = step.parts;
    const TimeNs parts[] = {p.gemm, p.attention, p.elementwise, p.head, p.communication, p.host};
    const Ref ref = step_ref(frame, bar, bar.sum.longest);
    float y = base;
    TimeNs done = 0;
    const auto stack = [&](TimeNs part, Tone tone) {
      if (part <= 0 || done >= step.duration) return;
      done += std::min(part, step.duration - done);
      const float top = base - level(static_cast<double>(done), static_cast<double>(longest), height);
      // A part too thin to be seen is left out; the ones above it keep their place.
      if (y - top < 0.5f) return;
      add_rect(out, {{bar.x0, top, bar.x1, y}, tone, Pattern::solid, 0, 255, 0, ref});
      y = top;
    };
    for (int i = 0; i < 6; ++i) stack(parts[i], tone_of(i, Tone::gemm));
    stack(step.duration - done, Tone::other);
    if (y == base) add_rect(out, {{bar.x0, base - 1, bar.x1, base}, Tone::other, Pattern::solid, 0, 255, 0, ref});
  }
  side_label(frame, box, "step time", {"up to " + short_time(static_cast<double>(longest))}, out);
  cursor_line(frame, projector, box, out);
  return out;
}

Picture batch_composition(const Frame& frame, Box box, std::int64_t most) {
  Picture out = panel(box);
  const Style& style = *frame.style;
  const Axis axis = panel_axis(frame, box);
  const Projector projector(frame, axis);
  const EngineConfig& config = frame.model->header().engine;
  const std::vector<Bar> all = bars(frame, projector);
  if (most <= 0) most = most_tokens(frame);
  const float base = box.y1 - 1;
  const float height = box.height() - 2;
  Stairs rows;
  rows.line.tone = Tone::text;
  rows.line.width = style.scale;
  rows.idle = base;
  for (const Bar& bar : all) {
    const Step& step = frame.model->step(bar.sum.fullest);
    const Ref ref = step_ref(frame, bar, bar.sum.fullest);
    const std::int32_t parts[] = {step.prefill_tokens, step.decode_tokens, step.padding_tokens};
    const Tone tones[] = {Tone::prefill, Tone::decode, Tone::padding};
    std::int64_t done = 0;
    float y = base;
    for (int i = 0; i < 3; ++i) {
      if (parts[i] <= 0) continue;
      done += parts[i];
      // At least a pixel: one decode beside a prefill of thousands is what this panel is about.
      const float top = std::min(y - 1, base - level(static_cast<double>(done), static_cast<double>(most), height));
      add_rect(out, {{bar.x0, top, bar.x1, y}, tones[i], i == 2 ? Pattern::hollow : Pattern::solid, 0, 255, 0, ref});
      y = top;
    }
    if (done == 0) add_rect(out, {{bar.x0, base - 1, bar.x1, base}, Tone::grid, Pattern::solid, 0, 255, 0, ref});
    rows.add(bar, base - level(bar.sum.most_rows, config.max_num_seqs, height));
  }
  if (config.max_num_batched_tokens <= most) {
    limit_line(base - level(config.max_num_batched_tokens, static_cast<double>(most), height), axis.x0, axis.x1, Tone::limit,
               style.scale, out);
  }
  add_line(out, std::move(rows.line));
  side_label(frame, box, "tokens",
             {fmt::format("up to {}", most), fmt::format("budget {}", config.max_num_batched_tokens),
              fmt::format("line: rows of {}", config.max_num_seqs)},
             out);
  cursor_line(frame, projector, box, out);
  return out;
}

Picture counters(const Frame& frame, Box box) {
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

}  // namespace tokenyard::viz
