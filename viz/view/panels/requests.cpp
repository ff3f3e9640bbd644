#include <algorithm>

#include <fmt/core.h>

#include "core/trace/reason_words.h"
#include "viz/view/lanes.h"
#include "viz/view/panel.h"

namespace tokenyard::viz {
namespace {

constexpr std::size_t kMostLanes = 500;  // that one can scroll through

// Of very many requests only those that live in the visible time have a lane; where these are too many as well, the density is
// shown until somebody zooms in.
struct Lanes {
  explicit Lanes(const Scene& scene) {
    const Frame& frame = scene.frame();
    options.view = scene.lanes;
    options.order = frame.order;
    options.scroll = scene.scroll;
    if (options.view != LaneView::requests || frame.order.size() <= kMostLanes) return;
    live = live_in(*frame.model, frame.order, frame.clock->time(frame.axis.begin), frame.clock->time(frame.axis.end));
    options.order = live;
    if (live.size() > kMostLanes) options.view = LaneView::density;
  }
  Lanes(const Lanes&) = delete;
  Lanes& operator=(const Lanes&) = delete;

  LaneOptions options;
  std::vector<std::int32_t> live;
};

Picture requests_picture(const Scene& scene, Box box) { return lanes(scene.frame(), box, Lanes(scene).options); }

float requests_reveal(const Scene& scene, Box box) {
  const Frame& frame = scene.frame();
  const std::vector<Moment::Seated>& seated = frame.moment->seated;
  const bool selected = frame.request >= 0;
  if (!selected && seated.empty()) return scene.scroll;
  const float top = lane_top(frame, Lanes(scene).options, selected ? frame.request : seated.front().request);
  const bool seen = top >= scene.scroll && top + 2 * scene.style().em <= scene.scroll + box.height();
  if (top < 0 || seen) return scene.scroll;
  // The selected one in the middle, else the first of all that run at the top.
  return std::max(0.0F, top - (selected ? box.height() / 2 : 0));
}

std::vector<Meaning> requests_meanings(std::span<const TraceModel* const> traces) {
  std::vector<Meaning> out;
  const auto add = [&](bool occurs, const Meaning& meaning) {
    if (occurs) out.push_back(meaning);
  };
  add(any_in(traces, Phase::queued), {"waits", Tone::queued, Pattern::hollow, 'Q'});
  add(any_in(traces, Phase::prefill), {"prefill", Tone::prefill, Pattern::solid, 'P'});
  add(any_caches(traces), {"found in the cache", Tone::prefill, Pattern::hollow});
  add(any_in(traces, Phase::decode), {"decode", Tone::decode, Pattern::solid, 'D'});
  add(any_in(traces, Phase::stalled), {"stalled: no row", Tone::stalled, Pattern::solid, 'S'});
  add(any_in(traces, Phase::padding), {"computed for nobody", Tone::padding, Pattern::diagonal, 'N'});
  add(any_in(traces, Phase::preempted), {"preempted", Tone::preempted, Pattern::hatch, 'X'});
  const char* const marks[kMarks] = {"preemption", "refused", "failed", "cancelled", "out of KV memory"};
  for (int i = 0; i < kMarks; ++i) {
    add(any_of_traces(traces, [&](const TraceModel& model) { return !model.times(static_cast<Mark>(i)).empty(); }),
        {marks[i], tone_of(i, Tone::mark_preempted)});
  }
  return out;
}

std::string requests_at_right(const Scene& scene) {
  const std::string view = name_of(scene.lanes);
  const Lanes lanes(scene);
  if (lanes.options.view != scene.lanes) return fmt::format("density: {} requests, zoom in for lanes", lanes.live.size());
  return scene.lanes == LaneView::requests ? view + ", by " + title_of(scene.order) : view;
}

std::string requests_text(const Scene& scene) {
  const Frame& frame = scene.frame();
  if (frame.request < 0) return "";
  const TraceModel& model = *frame.model;
  const Request& request = model.request(frame.request);
  std::string out = "spans:\n";
  for (std::int32_t i = 0; i < std::ssize(request.spans); ++i) {
    const Span& span = request.spans[static_cast<std::size_t>(i)];
    out += fmt::format("  {} {} to {}", name_of(span.phase()), time_in_words(span.begin),
                       time_in_words(model.end_of(frame.request, i)));
    if (const std::int32_t tokens = model.tokens_of(frame.request, i); tokens > 0)
      out += fmt::format(", {} token{}", tokens, tokens == 1 ? "" : "s");
    out += "\n";
  }
  return out;
}

}  // namespace

extern constinit const Panel panel_requests = {
    .name = "requests",
    .title = "Requests",
    .explains =
        "A lane a request. Grey: waits. Blue: its prompt is computed, a mark a chunk, hollow where the prefix cache had it.\n"
        "Green: a token a step. Yellow: holds memory, not in this batch. Crossed out: padding. Hatched: preempted, to be "
        "computed again.",
    .order = 1,
    .key = "1",
    .what = "requests",
    .where = Panel::Where::timeline,
    .size =
        [](std::size_t) {
          return Panel::Size{6, 3};
        },
    .usual = [](const Panel::Situation&) { return 1; },
    .layout = requests_picture,
    .at_right = requests_at_right,
    .reveal = requests_reveal,
    .meanings = requests_meanings,
    .legend = Panel::Legend::below,
    .click = Panel::Click::unselect,
    .describe = {7, requests_text},
};

}  // namespace tokenyard::viz
