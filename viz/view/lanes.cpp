#include "viz/view/lanes.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/core.h>

#include "viz/view/bars.h"
#include "viz/view/lane_pen.h"
#include "viz/view/layout.h"

namespace tokenyard::viz {
namespace {

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
  for (const Bar& bar : all) top = std::max(top, static_cast<double>(bar.sum.most_live));
  const float base = box.y1;
  const auto y_of = [&](double requests) { return base - level(requests, top, box.height()); };
  const float numbers = value_axis(
      frame, box, base, box.height(), top, [](double v) { return fmt::format("{:.0f}", v); }, out);
  // Who computes lies at the bottom, who waits on top.
  constexpr Phase order[] = {Phase::decode, Phase::prefill, Phase::padding, Phase::stalled, Phase::queued};
  for (const Bar& bar : all) {
    const StepMeans means = bar.sum.means();
    const Ref ref = step_ref(frame, bar, bar.sum.fullest);
    double done = 0;
    float y = base;
    for (const Phase phase : order) {
      done += means.in_phase[static_cast<std::size_t>(phase)];
      const float next = y_of(done);
      if (y - next < 0.5f) continue;
      add_rect(out,
               {{bar.x0, next, bar.x1, y}, tone_of(static_cast<int>(phase), Tone::queued), pattern_of(phase), 0, 255, 0, ref});
      y = next;
    }
    add_most(frame, bar, y, y_of(bar.sum.most_live), ref, out);
  }
  std::vector<std::string> more = {fmt::format("up to {:.0f} live", top)};
  for (std::string& words : column_words(all)) more.push_back(std::move(words));
  side_label(frame, box, "requests", more, out, numbers);
  if (frame.step >= 0) {
    const Step& step = frame.model->step(frame.step);
    cursor_level(frame, projector, y_of(step.running + step.waiting), out);
  }
}

}  // namespace

std::vector<std::int32_t> live_in(const TraceModel& model, std::span<const std::int32_t> order, TimeNs from, TimeNs to) {
  std::vector<std::int32_t> out;
  for (const std::int32_t number : order) {
    const Request& r = model.request(number);
    if (r.begin <= to && (r.end < 0 || r.end >= from)) out.push_back(number);
  }
  return out;
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
    const float room = gutter(style, box.width()) - 2 * pad;
    add_text(style, area.x0 + pad, own.y0 + (own.height() - style.em) / 2, room, style.fit_name(name, room),
             selected ? Tone::highlight : Tone::text, out);
  }
  cursor_line(frame, projector, box, out);
  return out;
}

}  // namespace tokenyard::viz
