#include "viz/view/layout.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace tokenyard::viz {

Projector::Projector(const Frame& frame, const Axis& axis)
    : x0_(axis.x0),
      x1_(axis.x1),
      from_(axis.begin),
      to_(axis.end),
      end_x_(static_cast<float>(
          std::clamp(axis.x(frame.clock->end()), static_cast<double>(axis.x0), static_cast<double>(axis.x1)))),
      begin_(frame.clock->time(axis.begin)),
      end_(frame.clock->time(axis.end)) {
  if (frame.clock->linear()) {
    pixels_per_ns_ = 1 / axis.places_per_pixel();
    return;
  }
  for (float at = x0_; at <= x1_; at += 1) times_.push_back(frame.clock->time(axis.place(static_cast<double>(at))));
  // As many slots of equal time as there are pixels.
  slots_per_ns_ = static_cast<double>(times_.size()) / (static_cast<double>(std::max<TimeNs>(1, end_ - begin_)) + 1);
  slots_.resize(slot(std::max(begin_, end_)) + 2, static_cast<std::int32_t>(times_.size()));
  for (std::size_t i = times_.size(); i-- > 0;)
    slots_[slot(std::clamp(times_[i], begin_, end_))] = static_cast<std::int32_t>(i);
  for (std::size_t i = slots_.size() - 1; i-- > 0;) slots_[i] = std::min(slots_[i], slots_[i + 1]);
}

float Projector::x(TimeNs time) const {
  if (time < begin_) return x0_ - 1;
  if (time > end_) return x1_ + 1;
  if (times_.empty()) return x0_ + static_cast<float>(static_cast<double>(time - begin_) * pixels_per_ns_);
  if (time != last_time_) last_x_ = std::min(tabled(time), end_x_);
  last_time_ = time;
  return last_x_;
}

std::size_t Projector::slot(TimeNs time) const {
  return static_cast<std::size_t>(static_cast<double>(time - begin_) * slots_per_ns_);
}

float Projector::tabled(TimeNs time) const {
  // The first one after `time`: its slot says where about.
  const std::size_t at = slot(time);
  const auto from = times_.begin() + slots_[at], to = times_.begin() + slots_[at + 1];
  const auto after = std::upper_bound(from, to, time);
  if (after == times_.begin()) return x0_;
  if (after == times_.end()) return x1_;
  const auto before = static_cast<double>(*std::prev(after));
  const double share = (static_cast<double>(time) - before) / (static_cast<double>(*after) - before);
  return x0_ + static_cast<float>(static_cast<double>(after - times_.begin() - 1) + share);
}

TimeNs Projector::time(float at) const {
  const double from = static_cast<double>(at - x0_);
  if (times_.empty()) return begin_ + std::llround(from / pixels_per_ns_);
  return times_[std::min(times_.size() - 1, static_cast<std::size_t>(std::max(0.0, from)))];
}

std::pair<std::int32_t, std::int32_t> visible_steps(const TraceModel& model, TimeNs begin, TimeNs end) {
  const auto starts = model.starts();
  auto first = static_cast<std::int32_t>(std::lower_bound(starts.begin(), starts.end(), begin) - starts.begin());
  if (first > 0 && model.step(first - 1).end > begin) --first;
  return {first, static_cast<std::int32_t>(std::upper_bound(starts.begin(), starts.end(), end) - starts.begin())};
}

namespace {

std::vector<Bar> make_bars(const Frame& frame, const Projector& projector, float fold) {
  std::vector<Bar> out;
  const TraceModel& model = *frame.model;
  const auto starts = model.starts();
  const auto from = [&](TimeNs at) {
    return static_cast<std::int32_t>(std::lower_bound(starts.begin(), starts.end(), at) - starts.begin());
  };
  auto [first, end] = visible_steps(model, projector.begin(), projector.end());
  const float width = projector.x1() - projector.x0();
  const auto columns = static_cast<std::int32_t>(width / fold);
  if (end - first <= columns) {
    for (std::int32_t s = first; s < end; ++s) {
      const float x0 = std::clamp(projector.x(model.step(s).start), projector.x0(), projector.x1() - 1);
      const float x1 = std::min(std::max(projector.x(model.step(s).end), x0 + 1), projector.x1());
      out.push_back({x0, x1, s, s + 1, sum_of(model.step(s), s)});
    }
    return out;
  }
  // Steps that begin in a column. Their begins are sorted, so are the columns.
  for (std::int32_t column = 0; first < end; ++column) {
    const float x0 = projector.x0() + static_cast<float>(column) * fold;
    if (x0 >= projector.x1()) break;
    std::int32_t next = x0 + fold >= projector.x1() ? end : std::clamp(from(projector.time(x0 + fold)), first, end);
    // Whole nodes of the pyramid are summed without looking at steps; the border moves by a small part of a column.
    constexpr std::int32_t fan = Pyramid<StepSum>::kFan;
    if (next < end && next - first >= 4 * fan) next -= next % fan;
    if (next == first) continue;
    // The last of them may go on beyond its column, until the next one begins.
    if (!out.empty()) out.back().x1 = std::min(out.back().x1, x0);
    const float x1 = std::max(x0 + fold, projector.x(model.step(next - 1).end));
    out.push_back({x0, std::min(x1, projector.x1()), first, next, model.sum_steps(first, next)});
    first = next;
  }
  return out;
}

}  // namespace

std::vector<Bar> bars(const Frame& frame, const Projector& projector) {
  // A bar has up to seven rectangles.
  const float most = static_cast<float>(std::max(frame.budget, 100)) / 7;
  const float fold = std::max(frame.style->fold, (projector.x1() - projector.x0()) / most);
  if (frame.bars == nullptr) return make_bars(frame, projector, fold);
  const BarCache::Key key = {
      frame.model,      frame.model->num_steps(), frame.clock->align(), projector.begin(), projector.end(),
      projector.from(), projector.to(),           projector.x0(),       projector.x1(),    fold};
  if (const std::vector<Bar>* known = frame.bars->find(key)) return *known;
  std::vector<Bar> out = make_bars(frame, projector, fold);
  frame.bars->keep(key, out);
  return out;
}

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
  add_line(out, {{{x, box.y0}, {x, box.y1}}, Tone::cursor, frame.style->scale, false});
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

std::vector<std::string> wrapped(const Style& style, std::string_view text, float room) {
  std::vector<std::string> lines;
  std::string line;
  while (!text.empty()) {
    const std::size_t space = text.find(' ');
    const std::string_view word = text.substr(0, space);
    text.remove_prefix(space == std::string_view::npos ? text.size() : space + 1);
    std::string longer = line.empty() ? std::string(word) : line + " " + std::string(word);
    if (!line.empty() && style.width(longer) > room) {
      lines.push_back(std::move(line));
      line = word;
    } else {
      line = std::move(longer);
    }
  }
  lines.push_back(std::move(line));
  return lines;
}

void side_label(const Frame& frame, Box box, const std::string& name, const std::vector<std::string>& more, Picture& out) {
  const Style& style = *frame.style;
  const float pad = 4 * style.scale;
  const float room = gutter(style, box.width()) - 2 * pad;
  float y = box.y0 + 1;
  add_text(style, box.x0 + pad, y, room, name, Tone::text, out);
  for (const std::string& words : more) {
    for (const std::string& line : wrapped(style, words, room)) {
      y += style.em * 1.15f;
      add_text(style, box.x0 + pad, y, room, line, Tone::dim, out);
    }
  }
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
