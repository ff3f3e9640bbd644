#include "viz/view/lane_pen.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

namespace tokenyard::viz {
namespace {

constexpr char kLetters[kPhases] = {'Q', 'P', 'D', 'S', 'N', 'X'};  // N: computed for nobody

// A prefill and a decode, of which no more need be known than their sum tells.
bool is_plain(const Sitting& s, const LaneNode& sum) {
  return s.end_span - s.first_span == 2 && sum.busy[static_cast<std::size_t>(Phase::prefill)] > 0 &&
         sum.busy[static_cast<std::size_t>(Phase::decode)] > 0;
}

}  // namespace

Pattern pattern_of(Phase phase) {
  switch (phase) {
    case Phase::queued: return Pattern::hollow;
    case Phase::preempted: return Pattern::hatch;
    case Phase::padding: return Pattern::diagonal;
    case Phase::prefill:
    case Phase::decode:
    case Phase::stalled: break;
  }
  return Pattern::solid;
}

LanePen::LanePen(const Frame& frame, const Projector& projector, float fold, bool crowded, std::size_t most, Picture& out)
    : frame_(frame),
      projector_(projector),
      model_(*frame.model),
      fold_(fold),
      whole_(crowded ? 2 * fold : fold),
      most_(most),
      out_(out) {}

void LanePen::request(std::int32_t number, std::int32_t first, std::int32_t end) {
  const Request& r = model_.request(number);
  request_ = number;
  const auto span_count = static_cast<std::size_t>(end);
  walk(
      r.pyramid, static_cast<std::size_t>(first), span_count, [&](std::size_t i) { span_ = static_cast<std::int32_t>(i); },
      [&](std::size_t i) { leaf(r, number, static_cast<std::int32_t>(i)); },
      [&](std::size_t from, std::size_t to) { return few(r, number, from, to); });
  flush();
}

void LanePen::seat(const Seat& seat) {
  walk(
      seat.pyramid, 0, seat.sittings.size(),
      [&](std::size_t i) {
        request_ = seat.sittings[i].request;
        span_ = seat.sittings[i].first_span;
      },
      [&](std::size_t i) { sitting(seat, i); }, [](std::size_t, std::size_t) { return false; });
  flush();
}

void LanePen::sitting(const Seat& seat, std::size_t index) {
  const Sitting& s = seat.sittings[index];
  const TimeNs end = std::min(s.end, model_.end());
  if (end < projector_.begin() || s.begin > projector_.end()) return;
  request_ = s.request;
  span_ = s.first_span;
  const float x0 = projector_.x(s.begin);
  const float x1 = projector_.x(end);
  const bool over = index < seat.sums.size();  // then its sum is known
  const bool in_sight = s.begin >= projector_.begin() && end <= projector_.end();
  if (over && as_whole(s, seat.sums[index], in_sight, x0, x1)) return;
  flush();
  const Request& r = model_.request(s.request);
  const auto last = s.end == kNever ? static_cast<std::int32_t>(r.spans.size()) : s.end_span;
  walk(
      r.pyramid, static_cast<std::size_t>(s.first_span), static_cast<std::size_t>(last),
      [&](std::size_t span) { span_ = static_cast<std::int32_t>(span); },
      [&](std::size_t span) { leaf(r, s.request, static_cast<std::int32_t>(span), end); },
      [&](std::size_t from, std::size_t to) { return few(r, s.request, from, to, end); });
  flush();
  if (over && end <= projector_.end()) tick(seat.sums[index].marks, x1, s.request);
}

// Draws a sitting from its sum alone, where that is narrow or simple enough; false: its spans have to be looked at.
bool LanePen::as_whole(const Sitting& s, const LaneNode& sum, bool in_sight, float x0, float x1) {
  if (x1 - x0 < fold_) {
    small(sum, std::max(x0, projector_.x0()));
    return true;
  }
  if (!in_sight) return false;
  if (x1 - x0 < 4 * fold_) {
    in_two(s, sum, x0, x1);
    return true;
  }
  if (!is_plain(s, sum)) return false;
  const float middle = projector_.x(s.begin + static_cast<TimeNs>(sum.busy[static_cast<std::size_t>(Phase::prefill)]));
  if (middle - x0 >= fold_) return false;
  two(s, sum, Phase::decode, x0, std::max(middle, x0 + fold_), x1);
  return true;
}

void LanePen::end_cap(std::int32_t number) {
  const Request& r = model_.request(number);
  const std::optional<Mark> mark = r.end_mark();
  std::uint8_t marks = mark ? bit(*mark) : std::uint8_t{0};
  if (r.preempted_late) marks |= bit(Mark::preempted);
  if (marks == 0 || r.end < projector_.begin() || r.end > projector_.end()) return;
  tick(marks, projector_.x(r.end), number);
}

// A sitting a few pixels wide: its prefill, with which it begins, and what it did longest after that.
void LanePen::in_two(const Sitting& s, LaneNode sum, float x0, float x1) {
  float& prefill = sum.busy[static_cast<std::size_t>(Phase::prefill)];
  const auto all = static_cast<float>(std::max<TimeNs>(1, sum.end - sum.begin));
  const float middle = x0 + (x1 - x0) * std::min(1.0f, std::exchange(prefill, 0.0f) / all);
  two(s, sum, sum.longest(), x0, middle, x1);
}

void LanePen::two(const Sitting& s, const LaneNode& sum, Phase rest, float x0, float middle, float x1) {
  flush();
  const Ref ref{Ref::Kind::span, frame_.trace, s.request, s.first_span, s.end_span - s.first_span};
  const char letter = x1 - middle >= frame_.style->em ? kLetters[static_cast<std::size_t>(rest)] : char{0};
  add_rect(out_, {{x0, y0_, middle, y1_}, Tone::prefill, Pattern::solid, 0, 255, 0, ref});
  add_rect(out_,
           {{middle, y0_, x1, y1_}, tone_of(static_cast<int>(rest), Tone::queued), pattern_of(rest), 0, 255, letter, ref});
  tick(sum.marks, x1, s.request);
}

// Visits items first .. end-1, or sums of them where those are narrow.
// `enter(i)` says which item a sum begins with; `few_of(from, to)` takes some items at once, or says that they are too wide.
template <typename Enter, typename Leaf, typename Few>
void LanePen::walk(const Pyramid<LaneNode>& pyramid, std::size_t first, std::size_t end, Enter&& enter, Leaf&& leaf_of,
                   Few&& few_of) {
  constexpr std::size_t bits = Pyramid<LaneNode>::kFanBits;
  const auto& levels = pyramid.levels();
  std::size_t at = first;
  while (at < end && !full()) {
    // The widest sum that begins here and is within the range.
    std::size_t level = 0;
    while (level < levels.size()) {
      const std::size_t shift = bits * (level + 1);
      const std::size_t size = std::size_t{1} << shift;
      if ((at & (size - 1)) != 0 || at + size > end || at >> shift >= levels[level].size()) break;
      ++level;
    }
    if (level == 0) {
      // Up to where a sum may begin.
      const std::size_t to = std::min(end, (at | (Pyramid<LaneNode>::kFan - 1)) + 1);
      if (to - at > 2 && few_of(at, to)) {
        at = to;
        continue;
      }
    }
    bool done = false;
    for (; level > 0; --level) {
      const std::size_t shift = bits * level;
      const LaneNode& node = levels[level - 1][at >> shift];
      const bool outside = node.end <= projector_.begin() || node.begin >= projector_.end();
      const float x0 = outside ? 0 : projector_.x(node.begin);
      if (!outside && projector_.x(node.end) - x0 >= whole_) continue;
      if (!outside) {
        enter(at);
        small(node, std::max(x0, projector_.x0()));
      }
      at += std::size_t{1} << shift;
      done = true;
      break;
    }
    if (!done) leaf_of(at++);
  }
}

// Spans first .. end-1, if all of them together are narrow.
bool LanePen::few(const Request& r, std::int32_t number, std::size_t first, std::size_t end, TimeNs until) {
  LaneNode node;
  node.begin = r.spans[first].begin;
  node.end =
      std::min(until, end < r.spans.size() ? r.spans[end].begin : model_.end_of(number, static_cast<std::int32_t>(end) - 1));
  if (node.end < projector_.begin() || node.begin > projector_.end()) return true;
  const float x0 = projector_.x(node.begin);
  if (projector_.x(node.end) - x0 >= whole_) return false;
  for (std::size_t i = first; i < end; ++i) {
    const TimeNs to = i + 1 < end ? r.spans[i + 1].begin : node.end;
    node.busy[static_cast<std::size_t>(r.spans[i].phase())] += static_cast<float>(std::max<TimeNs>(1, to - r.spans[i].begin));
    if (r.spans[i].phase() == Phase::preempted) node.marks |= bit(Mark::preempted);
  }
  node.count = static_cast<std::uint32_t>(end - first);
  span_ = static_cast<std::int32_t>(first);
  small(node, std::max(x0, projector_.x0()));
  return true;
}

void LanePen::leaf(const Request& r, std::int32_t number, std::int32_t index, TimeNs until) {
  const Span& span = r.spans[static_cast<std::size_t>(index)];
  const bool last = static_cast<std::size_t>(index) + 1 == r.spans.size();
  const TimeNs end = std::min(until, last ? model_.end_of(number, index) : r.spans[static_cast<std::size_t>(index) + 1].begin);
  if (end < projector_.begin() || span.begin > projector_.end()) return;
  const float from_x = projector_.x(span.begin);
  const float to_x = projector_.x(end);
  const float x0 = std::max(from_x, projector_.x0());
  const float x1 = std::min(to_x, projector_.x1());
  if (to_x - from_x < fold_) {
    span_ = index;
    gather(x0);
    if (sum_.count == 0) sum_.begin = span.begin;
    sum_.end = end;
    sum_.busy[static_cast<std::size_t>(span.phase())] += static_cast<float>(std::max<TimeNs>(1, end - span.begin));
    ++sum_.count;
    if (span.phase() == Phase::preempted) sum_.marks |= bit(Mark::preempted);
    return;
  }
  flush();
  const Ref ref{Ref::Kind::span, frame_.trace, number, index, 1};
  const auto add = [&](float from, float to, Pattern pattern) {
    const char letter = to - from >= frame_.style->em ? kLetters[static_cast<std::size_t>(span.phase())] : char{0};
    add_rect(out_, {{from, y0_, to, y1_}, tone_of(static_cast<int>(span.phase()), Tone::queued), pattern, 0, 255, letter, ref});
  };
  if (span.phase() == Phase::prefill && index > 0 && span.computed() > 0) {
    const Phase before = r.spans[static_cast<std::size_t>(index) - 1].phase();
    if (before == Phase::queued || before == Phase::preempted) {
      // The part that was found in the cache costs nothing: it is drawn hollow.
      const auto cached = static_cast<float>(span.computed());
      const float middle =
          x0 + (x1 - x0) * cached / (cached + static_cast<float>(std::max(1, model_.tokens_of(number, index))));
      add(x0, middle, Pattern::hollow);
      add(middle, x1, Pattern::solid);
      return;
    }
  }
  add(x0, x1, pattern_of(span.phase()));
  if (span.phase() == Phase::preempted && span.begin >= projector_.begin()) tick(bit(Mark::preempted), x0, number);
}

void LanePen::small(const LaneNode& node, float x) {
  gather(x);
  sum_.add(node);
}

// Into the column of `x`, which begins with this if it is another one than before.
void LanePen::gather(float x) {
  const float column = std::floor((x - projector_.x0()) / fold_);
  if (open_ && column != column_) flush();
  if (!open_) {
    open_ = true;
    column_ = column;
    sum_ = {};
    ref_ = {Ref::Kind::span, frame_.trace, request_, span_, 0};
  }
}

void LanePen::flush() {
  if (!std::exchange(open_, false)) return;
  const float x0 = projector_.x0() + column_ * fold_;
  const float x1 = std::min(std::max(x0 + fold_, projector_.x(sum_.end)), projector_.x1());
  const Phase phase = sum_.longest();
  ref_.count = static_cast<std::int32_t>(std::min<std::uint32_t>(sum_.count, INT32_MAX));
  add_rect(out_, {{x0, y0_, x1, y1_}, tone_of(static_cast<int>(phase), Tone::queued), pattern_of(phase), 0, 255, 0, ref_});
  tick(sum_.marks, x0, ref_.id);
}

void LanePen::tick(std::uint8_t marks, float x, std::int32_t request) {
  const float wide = std::min(std::max(2.0f, 2 * frame_.style->scale), projector_.x1() - projector_.x0());
  const float x0 = std::clamp(x, projector_.x0(), projector_.x1() - wide);
  const float step = (y1_ - y0_) / kMarks;
  for (int kind = 0; kind < kMarks; ++kind) {
    if ((marks >> kind & 1) == 0) continue;
    // One mark takes the whole height, several share it.
    const bool alone = marks == bit(static_cast<Mark>(kind));
    const float top = alone ? y0_ : y0_ + step * static_cast<float>(kind);
    const float bottom = alone ? y1_ : top + step;
    add_rect(out_, {{x0, top, x0 + wide, bottom},
                    tone_of(kind, Tone::mark_preempted),
                    Pattern::solid,
                    0,
                    255,
                    0,
                    {Ref::Kind::request, frame_.trace, request, -1, 1}});
  }
}

}  // namespace tokenyard::viz
