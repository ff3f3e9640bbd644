#include <algorithm>
#include <cmath>
#include <optional>

#include <fmt/core.h>

#include "viz/view/layout.h"
#include "viz/view/panel.h"

namespace tokenyard::viz {
namespace {

// 1, 2 or 5 of a power of ten nanoseconds: "20 ms".
std::string round_time(double ns) {
  const auto [unit, name] = ns >= 0.99e9   ? std::pair(1e9, "s")
                            : ns >= 0.99e6 ? std::pair(1e6, "ms")
                            : ns >= 0.99e3 ? std::pair(1e3, "us")
                                           : std::pair(1.0, "ns");
  return fmt::format("{:.0f} {}", ns / unit, name);
}

// Cumulated distributions of all traces over each other, with percentiles and the objective's line.
Picture latency_picture(const Scene& scene, Box box) {
  const Style& style = scene.style();
  const LatencyKind kind = scene.statistic;
  const Slo& slo = scene.slo;
  std::vector<const Latency*> traces;
  for (const Frame& frame : scene.frames) traces.push_back(frame.latency);
  Picture out = panel(box);
  const float pad = 4 * style.scale;
  const float line = 1.25f * style.em;
  const auto which = static_cast<std::size_t>(kind);
  const char* captions[] = {"share of requests whose first token came within", "share of requests with a time per token up to",
                            "share of gaps between tokens up to", "share of requests that were done within"};
  add_text(style, box.x0 + pad, box.y0 + 1, box.width() - 2 * pad, captions[which], Tone::dim, out);
  const std::optional<TimeNs> objectives[] = {slo.ttft, slo.tpot, std::nullopt, slo.e2el};
  const std::optional<TimeNs> objective = objectives[which];
  const auto distribution = [&](const Latency& l) -> const Distribution& {
    const Distribution* all[] = {&l.ttft, &l.tpot, &l.itl, &l.e2el};
    return *all[which];
  };
  // Where answers are delivered whole, no time is between their tokens.
  const auto has_times = [&](const Latency& l) { return distribution(l).count() > 0 && l.curves[which].back() > 0; };
  const auto lacks = [&](const Latency& l) {
    return l.completed > 0 ? "answers came whole: no such times" : "no answer is complete";
  };
  double least = 0;
  double most = 0;
  for (const Latency* trace : traces) {
    if (!has_times(*trace)) continue;
    const auto& curve = trace->curves[which];
    const double low = std::max(1.0, curve.front());
    least = least == 0 ? low : std::min(least, low);
    most = std::max({most, curve.back(), low});
  }
  if (most == 0) {
    add_text(style, box.x0 + pad, box.y0 + line, box.width() - 2 * pad, traces.empty() ? "" : lacks(*traces.front()), Tone::dim,
             out);
    return out;
  }
  // The objective is always on the picture.
  if (objective) {
    least = std::min(least, std::max(1.0, static_cast<double>(*objective) / 2));
    most = std::max(most, static_cast<double>(*objective) * 2);
  }
  if (most < least * 1.5) {
    least /= 1.25;
    most *= 1.25;
  }
  const float table = line * static_cast<float>(traces.size() + 1);
  const Box plot{box.x0 + 3.5f * style.em, box.y0 + line, box.x1 - pad, std::max(box.y1 - table - line, box.y0 + 2 * line)};
  const double range = std::log(most) - std::log(least);
  const auto x = [&](double ns) {
    const double share = std::clamp((std::log(std::max(ns, least)) - std::log(least)) / range, 0.0, 1.0);
    return plot.x0 + static_cast<float>(share) * plot.width();
  };
  const auto y = [&](double share) { return plot.y1 - static_cast<float>(share) * plot.height(); };
  float free_below = -1e9f;  // of the numbers at the left
  for (const int percent : {100, 0, 50, 90}) {
    const float at = y(percent / 100.0);
    add_rect(out, {{plot.x0, at, plot.x1, at + 1}, Tone::grid, Pattern::solid, 0, 255, 0, {}});
    const float text = percent == 100 ? plot.y0 : percent == 0 ? plot.y1 - style.em : at - style.em / 2;
    const bool free = percent == 100 || (text >= free_below && (percent == 0 || text + 2 * style.em <= plot.y1));
    if (!free) continue;
    if (percent == 100) free_below = text + style.em;
    add_text(style, box.x0 + pad, text, 3.2f * style.em, fmt::format("{} %", percent), Tone::dim, out);
    if (percent == 50) free_below = 1e9f;  // 90 % stands between it and 100 %
  }
  // Decades first; between them 2 and 5, as far as there is room for their numbers.
  std::vector<std::pair<float, float>> taken;
  for (const int factor : {1, 2, 5}) {
    const double first = std::pow(10, std::floor(std::log10(least)));
    for (double decade = first; decade <= most; decade *= 10) {
      const double at_ns = decade * factor;
      if (at_ns < least || at_ns > most) continue;
      const float at = x(at_ns);
      const std::string text = round_time(at_ns);
      const float end = at + style.width(text);
      const bool free = end <= plot.x1 && std::none_of(taken.begin(), taken.end(), [&](const auto& other) {
                          return at < other.second + style.em && other.first < end + style.em;
                        });
      if (factor == 1 || free) add_rect(out, {{at, plot.y0, at + 1, plot.y1}, Tone::grid, Pattern::solid, 0, 255, 0, {}});
      if (!free) continue;
      add_text(style, at, plot.y1 + 2, 6 * style.em, text, Tone::dim, out);
      taken.emplace_back(at, end);
    }
  }
  if (objective) {
    const float at = x(static_cast<double>(*objective));
    add_line(out, {{{at, plot.y0}, {at, plot.y1}}, Tone::slo, 1.5f * style.scale, Dash::dashed});
  }
  float row = plot.y1 + line + 2;
  for (std::size_t t = 0; t < traces.size(); ++t) {
    const auto tone = tone_of(static_cast<int>(t), Tone::trace0);
    const Latency& trace = *traces[t];
    std::string words = lacks(trace);
    if (has_times(trace)) {
      const auto& curve = trace.curves[which];
      Line stairs;
      stairs.tone = tone;
      stairs.width = 1.5f * style.scale;
      stairs.dash = static_cast<Dash>(t % 4);
      for (int i = 0; i < Latency::kCurve; ++i) {
        stairs.points.push_back({x(curve[static_cast<std::size_t>(i)]), y(i / 200.0)});
      }
      add_line(out, std::move(stairs));
      // Unseen, for the pointer: who has such a time.
      const auto point = [&](double ns, double share, float half, Tone of, std::uint8_t strength, std::int32_t request) {
        add_rect(out, {{x(ns) - half, y(share) - half, x(ns) + half, y(share) + half},
                       of,
                       Pattern::solid,
                       0,
                       strength,
                       0,
                       {Ref::Kind::request, static_cast<std::uint8_t>(t), request, -1, 1}});
      };
      for (std::int32_t i = 0; i < Latency::kCurve; ++i) {
        const std::int32_t request = trace.who[which][static_cast<std::size_t>(i)];
        if (request < 0) continue;
        point(curve[static_cast<std::size_t>(i)], i / 200.0, 0.5F * style.scale, tone, 0, request);
      }
      const Frame& frame = scene.frames[t];
      if (frame.request >= 0) {
        const Request& r = frame.model->request(frame.request);
        const std::optional<TimeNs> times[] = {ttft_of(r), tpot_of(r),
                                               r.longest_gap < 0 ? std::nullopt : std::optional(r.longest_gap), e2el_of(r)};
        if (const auto& time = times[which])
          point(static_cast<double>(*time), distribution(trace).share_up_to(*time), 3 * style.scale, Tone::highlight, 255,
                frame.request);
      }
      // From the front what is most wanted; what has no room is left out.
      const auto percentile = [&](const char* name, std::size_t at) { return name + short_time(curve[at]); };
      words = percentile("P50 ", 100);
      std::vector<std::string> more;
      if (objective) {
        more.push_back(fmt::format("{:.1f} % within {}", 100 * distribution(trace).share_up_to(*objective),
                                   short_time(static_cast<double>(*objective))));
      }
      if (slo.any()) more.push_back(fmt::format("goodput {:.1f} %", 100 * trace.goodput()));
      std::string rest;
      for (const std::string& one : more) rest += "  " + one;
      const float room = box.width() - 2 * style.em - 3 * pad;
      const std::string middle = "  " + percentile("P95 ", 190), high = "  " + percentile("P99 ", 198);
      if (style.width(words + middle + high + rest) <= room) {
        words += middle + high + rest;
      } else if (style.width(words + high + rest) <= room) {
        words += high + rest;
      } else {
        words += high + (more.empty() ? "" : "  " + more.front());
      }
    }
    if (row + style.em <= box.y1) {
      const float middle = row + style.em / 2;
      add_line(
          out,
          {{{box.x0 + pad, middle}, {box.x0 + pad + 2 * style.em, middle}}, tone, 2 * style.scale, static_cast<Dash>(t % 4)});
    }
    add_text(style, box.x0 + 2 * pad + 2 * style.em, row, box.width() - 2 * style.em - 3 * pad, words, Tone::text, out);
    row += line;
  }
  return out;
}

}  // namespace

extern constinit const Panel panel_latency = {
    .name = "latency",
    .title = "Latency",
    .explains =
        "Share of requests that were at least this fast, and the usual percentiles.\n"
        "A click on a curve selects a request that was as fast, and says where its time went.",
    .order = 8,
    .key = "8",
    .what = "latency",
    // Every trace has a line of percentiles.
    .size =
        [](std::size_t traces) {
          return Panel::Size{5.5F + static_cast<float>(traces - 1), 1.6F};
        },
    .usual = [](const Panel::Situation&) { return 3; },
    .shared = true,
    .layout = latency_picture,
    .at_right = [](const Scene& scene) { return std::string(title_of(scene.statistic)); },
    .click = Panel::Click::next_statistic,
    .reach = 1.5F,
};

}  // namespace tokenyard::viz
