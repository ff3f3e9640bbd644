// Lanes: requests, seats, or a stacked density where there are too many to be told apart.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <utility>

#include <fmt/core.h>

#include "viz/view/layout.h"

namespace tokenyard::viz {
namespace {

constexpr char kLetters[kPhases] = {'Q', 'P', 'D', 'S', 'N', 'X'};  // N: computed for nobody

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

// Lays out one lane into cells. Spans and sums of spans narrower than `fold` pixels are merged with their neighbours; a mark
// among the merged is shown as a tick above the cell.
class LanePen {
 public:
  LanePen(const Frame& frame, const Projector& projector, float fold, bool crowded, std::size_t most, Picture& out)
      : frame_(frame),
        projector_(projector),
        model_(*frame.model),
        fold_(fold),
        whole_(crowded ? 2 * fold : fold),
        most_(most),
        out_(out) {}

  void row(float y0, float y1) {
    y0_ = y0;
    y1_ = y1;
  }
  bool full() const { return out_.rects.size() > most_; }

  void request(std::int32_t number, std::int32_t first, std::int32_t end) {
    const Request& r = model_.request(number);
    request_ = number;
    const auto span_count = static_cast<std::size_t>(end);
    walk(
        r.pyramid, static_cast<std::size_t>(first), span_count, [&](std::size_t i) { span_ = static_cast<std::int32_t>(i); },
        [&](std::size_t i) { leaf(r, number, static_cast<std::int32_t>(i)); },
        [&](std::size_t from, std::size_t to) { return few(r, number, from, to); });
    flush();
  }

  void seat(const Seat& seat) {
    const auto enter = [&](std::size_t i) {
      request_ = seat.sittings[i].request;
      span_ = seat.sittings[i].first_span;
    };
    walk(
        seat.pyramid, 0, seat.sittings.size(), enter,
        [&](std::size_t i) {
          const Sitting& s = seat.sittings[i];
          const TimeNs end = std::min(s.end, model_.end());
          if (end < projector_.begin() || s.begin > projector_.end()) return;
          enter(i);
          const Request& r = model_.request(s.request);
          const float x0 = projector_.x(s.begin);
          const float x1 = projector_.x(end);
          const float width = x1 - x0;
          if (i < seat.sums.size()) {
            const LaneNode& sum = seat.sums[i];
            if (width < fold_) return small(sum, std::max(x0, projector_.x0()));
            const bool whole = s.begin >= projector_.begin() && end <= projector_.end();
            if (whole && width < 4 * fold_) return in_two(s, sum, x0, x1);
            if (whole && is_plain(s, sum)) {
              const float middle =
                  projector_.x(s.begin + static_cast<TimeNs>(sum.busy[static_cast<std::size_t>(Phase::prefill)]));
              if (middle - x0 < fold_) return two(s, sum, Phase::decode, x0, std::max(middle, x0 + fold_), x1);
            }
          }
          flush();
          const auto last = s.end == kNever ? static_cast<std::int32_t>(r.spans.size()) : s.end_span;
          walk(
              r.pyramid, static_cast<std::size_t>(s.first_span), static_cast<std::size_t>(last),
              [&](std::size_t span) { span_ = static_cast<std::int32_t>(span); },
              [&](std::size_t span) { leaf(r, s.request, static_cast<std::int32_t>(span), end); },
              [&](std::size_t from, std::size_t to) { return few(r, s.request, from, to, end); });
          flush();
          if (i < seat.sums.size() && end <= projector_.end()) tick(seat.sums[i].marks, x1, s.request);
        },
        [](std::size_t, std::size_t) { return false; });
    flush();
  }

  // The mark of how a request ended, at its end.
  void end_cap(std::int32_t number) {
    const Request& r = model_.request(number);
    const std::optional<Mark> mark = r.end_mark();
    if (!mark || r.end < projector_.begin() || r.end > projector_.end()) return;
    tick(bit(*mark), projector_.x(r.end), number);
  }

 private:
  // A sitting a few pixels wide: its prefill, with which it begins, and what it did longest after that.
  void in_two(const Sitting& s, LaneNode sum, float x0, float x1) {
    float& prefill = sum.busy[static_cast<std::size_t>(Phase::prefill)];
    const auto all = static_cast<float>(std::max<TimeNs>(1, sum.end - sum.begin));
    const float middle = x0 + (x1 - x0) * std::min(1.0f, std::exchange(prefill, 0.0f) / all);
    two(s, sum, sum.longest(), x0, middle, x1);
  }

  // A prefill and a decode, of which no more need be known than their sum tells.
  static bool is_plain(const Sitting& s, const LaneNode& sum) {
    return s.end_span - s.first_span == 2 && sum.busy[static_cast<std::size_t>(Phase::prefill)] > 0 &&
           sum.busy[static_cast<std::size_t>(Phase::decode)] > 0;
  }

  void two(const Sitting& s, const LaneNode& sum, Phase rest, float x0, float middle, float x1) {
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
  void walk(const Pyramid<LaneNode>& pyramid, std::size_t first, std::size_t end, Enter&& enter, Leaf&& leaf_of, Few&& few_of) {
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
  bool few(const Request& r, std::int32_t number, std::size_t first, std::size_t end, TimeNs until = kNever) {
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

  void leaf(const Request& r, std::int32_t number, std::int32_t index, TimeNs until = kNever) {
    const Span& span = r.spans[static_cast<std::size_t>(index)];
    const bool last = static_cast<std::size_t>(index) + 1 == r.spans.size();
    const TimeNs end =
        std::min(until, last ? model_.end_of(number, index) : r.spans[static_cast<std::size_t>(index) + 1].begin);
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
      add_rect(out_,
               {{from, y0_, to, y1_}, tone_of(static_cast<int>(span.phase()), Tone::queued), pattern, 0, 255, letter, ref});
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

  void small(const LaneNode& node, float x) {
    gather(x);
    sum_.add(node);
  }

  // Into the column of `x`, which begins with this if it is another one than before.
  void gather(float x) {
    const float column = std::floor((x - projector_.x0()) / fold_);
    if (open_ && column != column_) flush();
    if (!open_) {
      open_ = true;
      column_ = column;
      sum_ = {};
      ref_ = {Ref::Kind::span, frame_.trace, request_, span_, 0};
    }
  }

  void flush() {
    if (!std::exchange(open_, false)) return;
    const float x0 = projector_.x0() + column_ * fold_;
    const float x1 = std::min(std::max(x0 + fold_, projector_.x(sum_.end)), projector_.x1());
    const Phase phase = sum_.longest();
    ref_.count = static_cast<std::int32_t>(std::min<std::uint32_t>(sum_.count, INT32_MAX));
    add_rect(out_, {{x0, y0_, x1, y1_}, tone_of(static_cast<int>(phase), Tone::queued), pattern_of(phase), 0, 255, 0, ref_});
    tick(sum_.marks, x0, ref_.id);
  }

  void tick(std::uint8_t marks, float x, std::int32_t request) {
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

  const Frame& frame_;
  const Projector& projector_;
  const TraceModel& model_;
  float fold_;
  float whole_;  // a sum narrower than this is not taken apart
  std::size_t most_;
  Picture& out_;
  float y0_ = 0;
  float y1_ = 0;
  std::int32_t request_ = -1;
  std::int32_t span_ = -1;
  bool open_ = false;
  float column_ = 0;
  LaneNode sum_;
  Ref ref_;
};

struct Rows {
  float height;  // of a row, gap included
  std::int32_t count;
  bool dense;
};

Rows rows_of(const Frame& frame, const LaneOptions& options) {
  const Style& style = *frame.style;
  Rows rows{options.row > 0 ? options.row : 1.25f * style.em, 0, options.view == LaneView::density};
  if (rows.height < style.fold) rows.dense = true;
  rows.count = options.view == LaneView::seats ? static_cast<std::int32_t>(frame.model->seats().size())
               : options.order.empty()         ? frame.model->num_requests()
                                               : static_cast<std::int32_t>(options.order.size());
  return rows;
}

// How many spans of a request the visible time meets.
std::size_t spans_in(const Frame& frame, const Projector& projector, std::int32_t request) {
  return static_cast<std::size_t>(frame.model->span_at(request, projector.end()) -
                                  std::max(-1, frame.model->span_at(request, projector.begin()) - 1));
}
// Likewise, of a seat, as far as its sittings are wide enough to be shown span by span.
std::size_t spans_on(const Frame& frame, const Projector& projector, std::int32_t seat, std::size_t most_sittings) {
  const auto& sittings = frame.model->seats()[static_cast<std::size_t>(seat)].sittings;
  const auto before = [](const Sitting& s, TimeNs t) { return s.begin < t; };
  auto first = std::lower_bound(sittings.begin(), sittings.end(), projector.begin(), before);
  const auto end = std::lower_bound(first, sittings.end(), projector.end(), before);
  if (first != sittings.begin()) --first;
  const auto count = static_cast<std::size_t>(end - first);
  if (count > most_sittings) return 2 * count;
  std::size_t spans = 0;
  for (; first != end; ++first) {
    // Of one that lies within the visible time, all.
    const bool whole = first->begin >= projector.begin() && first->end <= projector.end();
    spans += whole ? static_cast<std::size_t>(first->end_span - first->first_span) : spans_in(frame, projector, first->request);
  }
  return spans;
}

void density(const Frame& frame, const Projector& projector, Box box, Picture& out) {
  const std::vector<Bar> all = bars(frame, projector);
  double top = 1;
  for (const Bar& bar : all) {
    const double live = static_cast<double>(std::accumulate(bar.sum.in_phase.begin(), bar.sum.in_phase.end(), std::int64_t{0}));
    top = std::max(top, live / std::max(1, bar.sum.count));
  }
  // Who computes lies at the bottom, who waits on top.
  constexpr Phase order[] = {Phase::decode, Phase::prefill, Phase::padding, Phase::stalled, Phase::queued};
  for (const Bar& bar : all) {
    double done = 0;
    float y = box.y1;
    for (const Phase phase : order) {
      const std::int64_t requests = bar.sum.in_phase[static_cast<std::size_t>(phase)];
      if (requests == 0) continue;
      done += static_cast<double>(requests) / bar.sum.count;
      const float next = box.y1 - static_cast<float>(done / top) * box.height();
      if (y - next < 0.5f) continue;
      add_rect(out, {{bar.x0, next, bar.x1, y},
                     tone_of(static_cast<int>(phase), Tone::queued),
                     pattern_of(phase),
                     0,
                     255,
                     0,
                     {Ref::Kind::step, frame.trace, bar.sum.fullest, bar.first, bar.end - bar.first}});
      y = next;
    }
  }
  side_label(frame, box, "requests", {fmt::format("up to {:.0f} live", top)}, out);
}

}  // namespace

const char* name_of(LaneView view) {
  switch (view) {
    case LaneView::requests: return "requests";
    case LaneView::seats: return "seats";
    case LaneView::density: return "density";
  }
  return "?";
}

const char* name_of(LaneOrder order) {
  switch (order) {
    case LaneOrder::arrival: return "arrival";
    case LaneOrder::ttft: return "TTFT";
    case LaneOrder::latency: return "latency";
    case LaneOrder::priority: return "priority";
    case LaneOrder::preemptions: return "preemptions";
    case LaneOrder::id: return "id";
  }
  return "?";
}

std::vector<std::int32_t> ordered(const TraceModel& model, LaneOrder order) {
  std::vector<std::int32_t> out(static_cast<std::size_t>(model.num_requests()));
  std::iota(out.begin(), out.end(), 0);
  // Who has no such time yet is the slowest of all.
  const auto ttft = [&](std::int32_t r) { return ttft_of(model.request(r)).value_or(kNever); };
  const auto latency = [&](std::int32_t r) { return e2el_of(model.request(r)).value_or(kNever); };
  const auto by = [&](auto less) { std::stable_sort(out.begin(), out.end(), less); };
  switch (order) {
    case LaneOrder::arrival:
      by([&](std::int32_t a, std::int32_t b) { return model.request(a).begin < model.request(b).begin; });
      break;
    case LaneOrder::ttft: by([&](std::int32_t a, std::int32_t b) { return ttft(a) > ttft(b); }); break;
    case LaneOrder::latency: by([&](std::int32_t a, std::int32_t b) { return latency(a) > latency(b); }); break;
    case LaneOrder::priority:
      by([&](std::int32_t a, std::int32_t b) { return model.request(a).priority < model.request(b).priority; });
      break;
    case LaneOrder::preemptions:
      by([&](std::int32_t a, std::int32_t b) { return model.request(a).preemptions > model.request(b).preemptions; });
      break;
    case LaneOrder::id: by([&](std::int32_t a, std::int32_t b) { return model.request(a).id < model.request(b).id; }); break;
  }
  return out;
}

float lane_top(const Frame& frame, const LaneOptions& options, std::int32_t request) {
  const Rows rows = rows_of(frame, options);
  if (rows.dense) return -1;
  std::int32_t row = -1;
  if (options.view == LaneView::seats) {
    for (std::int32_t seat = 0; seat < rows.count && row < 0; ++seat) {
      for (const Sitting& s : frame.model->seats()[static_cast<std::size_t>(seat)].sittings) {
        if (s.request == request) row = seat;
      }
    }
  } else if (options.order.empty()) {
    row = request < rows.count ? request : -1;
  } else {
    const auto found = std::find(options.order.begin(), options.order.end(), request);
    if (found != options.order.end()) row = static_cast<std::int32_t>(found - options.order.begin());
  }
  return row < 0 ? -1 : static_cast<float>(row) * rows.height;
}

Picture lanes(const Frame& frame, Box box, const LaneOptions& options) {
  Picture out = panel(box);
  const Style& style = *frame.style;
  const Axis axis = panel_axis(frame, box);
  const Projector projector(frame, axis);
  const float strip = std::min(style.em * 0.8f, box.height() / 4);
  // Marks of all requests, the ones that are scrolled away, too.
  mark_strip(frame, projector, box.y0, strip, out);
  const Box area{box.x0, box.y0 + strip + 1, box.x1, box.y1};
  const Rows rows = rows_of(frame, options);
  if (rows.dense) {
    density(frame, projector, area, out);
    cursor_line(frame, projector, box, out);
    return out;
  }
  out.content_height = static_cast<float>(rows.count) * rows.height + strip + 1;
  const auto first = std::clamp(static_cast<std::int32_t>(options.scroll / rows.height), 0, rows.count);
  const auto end = std::min(rows.count, first + static_cast<std::int32_t>(area.height() / rows.height) + 2);
  const std::size_t before = out.rects.size();
  // The main panel may be the richest one.
  const auto budget = static_cast<std::size_t>(std::max(frame.budget, 100)) * 5 / 2;
  out.rects.reserve(before + budget);
  const float gap = rows.height >= 6 ? std::max(1.0f, rows.height * 0.12f) : 0;
  const float width = std::max(1.0f, axis.x1 - axis.x0);
  const auto row_box = [&](std::int32_t row) {
    const float y = area.y0 + static_cast<float>(row) * rows.height - options.scroll;
    return Box{area.x0, std::max(y, area.y0), area.x1, std::min(y + rows.height - gap, area.y1)};
  };
  const auto request_of = [&](std::int32_t row) {
    return options.order.empty() ? row : options.order[static_cast<std::size_t>(row)];
  };
  // With the narrow fold, lanes could have so many cells; where they do have many spans, one that keeps the budget for sure.
  float fold = style.fold;
  std::size_t spans = 0;
  for (std::int32_t row = first; row < end; ++row) {
    spans += options.view == LaneView::seats ? spans_on(frame, projector, row, static_cast<std::size_t>(width / (4 * fold)))
                                             : spans_in(frame, projector, request_of(row));
  }
  const bool crowded = spans > budget;
  if (crowded) fold = std::max(fold, static_cast<float>(end - first) * width / static_cast<float>(budget));
  while (true) {
    LanePen pen(frame, projector, fold, crowded, before + budget, out);
    for (std::int32_t row = first; row < end && !pen.full(); ++row) {
      const Box own = row_box(row);
      if (own.height() <= 0) continue;
      pen.row(own.y0, own.y1);
      if (options.view == LaneView::seats) {
        pen.seat(frame.model->seats()[static_cast<std::size_t>(row)]);
        continue;
      }
      const std::int32_t number = request_of(row);
      const Request& r = frame.model->request(number);
      if (number == frame.request) {
        add_rect(out, {{axis.x0, own.y0, axis.x1, own.y1},
                       Tone::highlight,
                       Pattern::solid,
                       0,
                       70,
                       0,
                       {Ref::Kind::request, frame.trace, number, -1, 1}});
      }
      const TimeNs last = r.end >= 0 ? r.end : frame.model->end();
      if (last < projector.begin() || r.begin > projector.end()) continue;
      pen.request(number, 0, static_cast<std::int32_t>(r.spans.size()));
      pen.end_cap(number);
    }
    if (!pen.full()) break;
    out.rects.resize(before);
    fold *= 2;
  }
  const float pad = 4 * style.scale;
  for (std::int32_t row = first; row < end && rows.height >= style.em; ++row) {
    const Box own = row_box(row);
    const std::string name =
        options.view == LaneView::seats ? fmt::format("seat {}", row) : frame.model->request(request_of(row)).id;
    const bool selected = options.view != LaneView::seats && request_of(row) == frame.request;
    if (own.height() < style.em) continue;
    add_text(style, area.x0 + pad, own.y0 + (own.height() - style.em) / 2, gutter(style, box.width()) - 2 * pad, name,
             selected ? Tone::highlight : Tone::text, out);
  }
  cursor_line(frame, projector, box, out);
  return out;
}

}  // namespace tokenyard::viz
