#include "viz/view/bars.h"

#include <algorithm>

#include <fmt/core.h>

#include "viz/view/layout.h"

namespace tokenyard::viz {

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
  // A bar has up to nine rectangles: seven parts of a step, and two for the longest of several.
  const float most = static_cast<float>(std::max(frame.budget, 100)) / 9;
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

StepSum visible_sum(const Frame& frame) {
  const auto [first, end] = visible_steps(*frame.model, frame.clock->time(frame.axis.begin), frame.clock->time(frame.axis.end));
  return frame.model->sum_steps(first, end);
}

Ref step_ref(const Frame& frame, const Bar& bar, std::int32_t step) {
  return {Ref::Kind::step, frame.trace, step, bar.first, bar.end - bar.first};
}

void add_most(const Frame& frame, const Bar& bar, float mean_y, float most_y, const Ref& ref, Picture& out) {
  if (bar.end - bar.first < 2 || mean_y - most_y < 1) return;
  const float line = std::min(std::max(1.0f, frame.style->scale), mean_y - most_y);
  add_rect(out, {{bar.x0, most_y + line, bar.x1, mean_y}, Tone::most, Pattern::solid, 0, kBand, 0, ref});
  add_rect(out, {{bar.x0, most_y, bar.x1, most_y + line}, Tone::most, Pattern::solid, 0, 255, 0, ref});
}

std::vector<std::string> column_words(const std::vector<Bar>& bars) {
  std::int64_t steps = 0;
  for (const Bar& bar : bars) steps += bar.end - bar.first;
  const auto columns = std::ssize(bars);
  if (columns == 0 || steps == columns) return {};
  return {"bar: mean", fmt::format("of {} steps", std::max<std::int64_t>(2, (steps + columns / 2) / columns)), "faint: most"};
}

float level(double value, double top, float height) {
  return top <= 0 ? 0 : static_cast<float>(std::clamp(value / top, 0.0, 1.0)) * height;
}

void Stairs::add(const Bar& bar, float y) {
  if (!line.points.empty() && line.points.back().x + 1 < bar.x0) {
    if (idle >= 0) line.points.push_back({line.points.back().x, idle});
    line.points.push_back({bar.x0, line.points.back().y});
  }
  line.points.push_back({bar.x0, y});
  line.points.push_back({bar.x1, y});
}

}  // namespace tokenyard::viz
