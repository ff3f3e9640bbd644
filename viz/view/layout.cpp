#include "viz/view/layout.h"

#include <algorithm>
#include <utility>

#include "viz/view/bars.h"

namespace tokenyard::viz {

void mark_strip(const Frame& frame, const Projector& projector, float y, float height, Picture& out) {
  // Half a budget for all kinds together.
  const float most = static_cast<float>(std::max(frame.budget, 100)) / 2 / kMarks;
  const float width = projector.x1() - projector.x0();
  const float wide = std::min(std::max({2.0f, 2 * frame.style->scale, width / most}), width);
  for (int kind = 0; kind < kMarks; ++kind) {
    const auto mark = static_cast<Mark>(kind);
    const auto times = frame.model->times(mark);
    auto at = std::lower_bound(times.begin(), times.end(), projector.begin());
    while (at != times.end() && *at <= projector.end()) {
      const float x0 = std::clamp(projector.x(*at), projector.x0(), projector.x1() - wide);
      // Everything under this tick.
      const auto after =
          std::partition_point(at, times.end(), [&](TimeNs t) { return t <= projector.end() && projector.x(t) < x0 + wide; });
      const auto next = std::max(after, at + 1);
      const Event& event = frame.model->event(mark, static_cast<std::size_t>(at - times.begin()));
      // Kinds lie over each other in lanes of their own, so that none covers another.
      const float top = y + height * static_cast<float>(kind) / kMarks;
      Rect rect{
          {x0, top, x0 + wide, top + height / kMarks}, tone_of(kind, Tone::mark_preempted), Pattern::solid, 0, 255, 0, {}};
      const auto index = static_cast<std::int32_t>(&event - frame.model->events().data());
      rect.ref = {Ref::Kind::mark, frame.trace, index, -1, static_cast<std::int32_t>(next - at)};
      out.rects.push_back(rect);
      at = next;
    }
  }
}

void cursor_line(const Frame& frame, const Projector& projector, Box box, Picture& out) {
  if (frame.cursor < projector.begin() || frame.cursor > projector.end()) return;
  const float x = projector.x(frame.cursor);
  add_line(out, {{{x, box.y0}, {x, box.y1}}, Tone::cursor, frame.style->scale, Dash::none});
}

void add_text(const Style& style, float x, float y, float room, std::string_view text, Tone tone, Picture& out) {
  if (y < out.box.y0 || y + style.em > out.box.y1) return;
  std::string shown = style.fit(text, std::min(room, out.box.x1 - x));
  if (!shown.empty()) out.labels.push_back({x, y, std::move(shown), tone});
}

void add_text_on(const Rect& rect, const Style& style, float x, float y, float room, std::string_view text, Picture& out) {
  const std::size_t before = out.labels.size();
  add_text(style, x, y, room, text, Tone::text, out);
  if (out.labels.size() == before) return;
  out.labels.back().on = rect.tone;
  out.labels.back().hue = rect.hue;
  out.labels.back().strength = rect.strength;
}

namespace {

bool is_number(std::string_view word) {
  while (!word.empty() && (word.front() == '(' || word.front() == '+' || word.front() == '-')) word.remove_prefix(1);
  return !word.empty() && word.front() >= '0' && word.front() <= '9' && word.back() != ',' && word.back() != ';' &&
         word.back() != ':' && word.back() != '.' && word.back() != ')';
}

// Words that must stand on one line are one.
std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> out;
  std::string_view last, before;  // of the text, whatever they were joined to
  while (!text.empty()) {
    const std::size_t space = text.find(' ');
    const std::string_view word = text.substr(0, space);
    text.remove_prefix(space == std::string_view::npos ? text.size() : space + 1);
    const bool unit = is_number(last) && !word.empty() && !is_number(word);
    const bool rest = last == "of" && is_number(before);
    if (unit || rest || (last == "step" && is_number(word))) {
      out.back() += " " + std::string(word);
    } else {
      out.emplace_back(word);
    }
    before = last;
    last = word;
  }
  return out;
}

}  // namespace

std::vector<std::string> wrapped(const Style& style, std::string_view text, float room) {
  std::vector<std::string> lines;
  std::string line;
  const auto add = [&](std::string_view word) {
    std::string longer = line.empty() ? std::string(word) : line + " " + std::string(word);
    if (!line.empty() && style.width(longer) > room) {
      lines.push_back(std::move(line));
      line = word;
    } else {
      line = std::move(longer);
    }
  };
  for (const std::string& word : words_of(text)) {
    // What does not fit into a line at all is taken apart again.
    std::string_view rest = word;
    for (std::size_t space = 0; style.width(rest) > room && (space = rest.find(' ')) != std::string_view::npos;) {
      add(rest.substr(0, space));
      rest.remove_prefix(space + 1);
    }
    add(rest);
  }
  lines.push_back(std::move(line));
  return lines;
}

std::string in_lines(const Style& style, std::string_view text, float room) {
  std::string out;
  for (bool first = true, more = true; more; first = false) {
    const std::size_t end = text.find('\n');
    for (const std::string& line : wrapped(style, text.substr(0, end), room)) {
      if (!first) out += '\n';
      first = false;
      out += line;
    }
    more = end != std::string_view::npos;
    if (more) text.remove_prefix(end + 1);
  }
  return out;
}

float value_axis(const Frame& frame, Box box, float base, float height, double top,
                 const std::function<std::string(double)>& in_words, Picture& out) {
  const Style& style = *frame.style;
  const float pad = 4 * style.scale;
  const float x0 = box.x0 + gutter(style, box.width());
  const std::vector<double> values = round_values(top, static_cast<int>(height / (2.2f * style.em)));
  float widest = 0;
  for (const double value : values) {
    const std::string text = in_words(value);
    const float width = style.width(text);
    const float y = base - level(value, top, height);
    add_rect(out, {{x0, y, box.x1, y + 1}, Tone::grid, Pattern::solid, 0, 255, 0, {}});
    if (width > (x0 - box.x0) / 2) continue;
    widest = std::max(widest, width + 2 * pad);
    const float text_y = std::clamp(y - style.em / 2, box.y0, std::max(box.y0, box.y1 - style.em));
    add_text(style, x0 - width - pad, text_y, width + 1, text, Tone::dim, out);
  }
  return widest;
}

void cursor_level(const Frame& frame, const Projector& projector, float y, Picture& out) {
  if (frame.step < 0 || frame.cursor < projector.begin() || frame.cursor > projector.end()) return;
  const float x = projector.x(frame.cursor);
  const float wide = 5 * frame.style->scale;
  add_line(out, {{{std::max(x - wide, projector.x0()), y}, {std::min(x + wide, projector.x1()), y}},
                 Tone::cursor,
                 3 * frame.style->scale,
                 Dash::none});
}

void side_label(const Frame& frame, Box box, const std::string& name, const std::vector<std::string>& more, Picture& out,
                float reserved) {
  const Style& style = *frame.style;
  const float pad = 4 * style.scale;
  const float room = gutter(style, box.width()) - 2 * pad - reserved;
  // Of words that are cut nobody reads anything; the panel's title and its numbers remain.
  if (reserved > 0 && room < 4.5f * style.em) return;
  float y = box.y0 + 1;
  add_text(style, box.x0 + pad, y, room, name, Tone::text, out);
  for (const std::string& words : more) {
    for (const std::string& line : wrapped(style, words, room)) {
      y += style.em * 1.15f;
      add_text(style, box.x0 + pad, y, room, line, Tone::dim, out);
    }
  }
}

std::uint8_t hue_of(const TraceModel& model, std::int32_t request) {
  return request < 0 ? std::uint8_t{0} : static_cast<std::uint8_t>(model.request(request).hue % kLooks);
}

Picture panel(Box box) {
  Picture out;
  out.box = box;
  out.content_height = box.height();
  return out;
}

Box cut(Box box, const Box& by) {
  const auto x = [&](float v) { return std::clamp(v, by.x0, by.x1); };
  const auto y = [&](float v) { return std::clamp(v, by.y0, by.y1); };
  return {x(box.x0), y(box.y0), x(box.x1), y(box.y1)};
}

void add_rect(Picture& out, Rect rect) {
  rect.box = cut(rect.box, out.box);
  if (rect.box.width() > 0 && rect.box.height() > 0) out.rects.push_back(rect);
}

void add_line(Picture& out, Line line) {
  if (line.points.empty()) return;
  for (Line::Point& point : line.points) {
    point.x = std::clamp(point.x, out.box.x0, out.box.x1);
    point.y = std::clamp(point.y, out.box.y0, out.box.y1);
  }
  out.lines.push_back(std::move(line));
}

float gutter(const Style& style, float width) {
  return std::min(std::clamp(0.28f * width, 6 * style.em, 9 * style.em), width / 2);
}

Axis panel_axis(const Frame& frame, Box box) {
  Axis axis = frame.axis;
  axis.x0 = box.x0 + gutter(*frame.style, box.width());
  axis.x1 = std::max(box.x1, axis.x0 + 1);
  return axis;
}

}  // namespace tokenyard::viz
