// Panels of numbers and words: latency, Why?, the comparison's table, the legend, tips.
#include <algorithm>
#include <cmath>
#include <optional>

#include <fmt/core.h>

#include "viz/view/layout.h"

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

// A name in a narrow column: in lines that end after a sign, where it does not fit into one.
std::vector<std::string> broken(const Style& style, std::string_view name, float room) {
  std::vector<std::string> lines = {std::string()};
  while (!name.empty()) {
    const std::size_t sign = name.find_first_of("_-.: ");
    const std::string part(name.substr(0, sign == std::string_view::npos ? sign : sign + 1));
    name.remove_prefix(part.size());
    if (!lines.back().empty() && style.width(lines.back() + part) > room) lines.emplace_back();
    lines.back() += part;
  }
  return lines;
}

Tone tone_of(Sentence::Kind kind) {
  switch (kind) {
    case Sentence::Kind::preempted: return Tone::mark_preempted;
    case Sentence::Kind::held:
    case Sentence::Kind::waited: return Tone::queued;
    case Sentence::Kind::admitted:
    case Sentence::Kind::prefill: return Tone::prefill;
    case Sentence::Kind::decode: return Tone::decode;
    case Sentence::Kind::stalled: return Tone::stalled;
    case Sentence::Kind::finished: return Tone::finished;
    case Sentence::Kind::ended: return Tone::mark_failed;
    case Sentence::Kind::evicted: return Tone::evicted;
  }
  return Tone::text;
}

}  // namespace

const char* name_of(LatencyKind kind) {
  switch (kind) {
    case LatencyKind::ttft: return "time to first token";
    case LatencyKind::tpot: return "time per output token";
    case LatencyKind::itl: return "time between tokens";
    case LatencyKind::e2el: return "end to end";
  }
  return "?";
}

Picture latency_cdf(const Style& style, Box box, std::span<const Latency* const> traces, LatencyKind kind, const Slo& slo) {
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
    add_line(out, {{{at, plot.y0}, {at, plot.y1}}, Tone::slo, 1.5f * style.scale, true});
  }
  float row = plot.y1 + line + 2;
  for (std::size_t t = 0; t < traces.size(); ++t) {
    const auto tone = viz::tone_of(static_cast<int>(t), Tone::trace0);
    const Latency& trace = *traces[t];
    std::string words = lacks(trace);
    if (has_times(trace)) {
      const auto& curve = trace.curves[which];
      Line stairs;
      stairs.tone = tone;
      stairs.width = 1.5f * style.scale;
      for (int i = 0; i < Latency::kCurve; ++i) {
        stairs.points.push_back({x(curve[static_cast<std::size_t>(i)]), y(i / 200.0)});
      }
      add_line(out, std::move(stairs));
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
      const float room = box.width() - style.em - 3 * pad;
      const std::string middle = "  " + percentile("P95 ", 190), high = "  " + percentile("P99 ", 198);
      if (style.width(words + middle + high + rest) <= room) {
        words += middle + high + rest;
      } else if (style.width(words + high + rest) <= room) {
        words += high + rest;
      } else {
        words += high + (more.empty() ? "" : "  " + more.front());
      }
    }
    add_rect(out, {{box.x0 + pad, row + style.em * 0.3f, box.x0 + pad + style.em, row + style.em * 0.7f},
                   tone,
                   Pattern::solid,
                   0,
                   255,
                   0,
                   {}});
    add_text(style, box.x0 + 2 * pad + style.em, row, box.width() - style.em - 3 * pad, words, Tone::text, out);
    row += line;
  }
  return out;
}

Picture why(const Frame& frame, Box box, const std::vector<Sentence>& sentences, float scroll) {
  Picture out = panel(box);
  const Style& style = *frame.style;
  const float pad = 4 * style.scale;
  const float line = 1.2f * style.em;
  const float mark = 0.6f * style.em;
  const float room = box.width() - mark - 3 * pad;
  float y = box.y0 - scroll;
  for (const Sentence& sentence : sentences) {
    // Far outside nobody sees how a sentence is wrapped; its height must be right all the same.
    const std::vector<std::string> lines = wrapped(style, sentence.text, room);
    const float height = line * static_cast<float>(lines.size());
    if (y + height > box.y0 && y < box.y1) {
      const Ref ref{Ref::Kind::sentence, frame.trace, sentence.request, -1, 1};
      const bool selected = sentence.request >= 0 && sentence.request == frame.request;
      add_rect(out, {{box.x0, y, box.x1, y + height},
                     selected ? Tone::highlight : Tone::ground,
                     Pattern::solid,
                     0,
                     static_cast<std::uint8_t>(selected ? 70 : 255),
                     0,
                     ref});
      add_rect(
          out,
          {{box.x0 + pad, y + 2, box.x0 + pad + mark, y + height - 2}, tone_of(sentence.kind), Pattern::solid, 0, 255, 0, ref});
      for (std::size_t i = 0; i < lines.size(); ++i) {
        add_text(style, box.x0 + 2 * pad + mark, y + line * static_cast<float>(i) + 1, room, lines[i], Tone::text, out);
      }
    }
    y += height + pad / 2;
  }
  if (sentences.empty()) add_text(style, box.x0 + pad, box.y0 + 1, room, "nothing was decided yet", Tone::dim, out);
  out.content_height = y + scroll - box.y0;
  return out;
}

Picture verdicts(const Style& style, Box box, std::span<const std::string> names, const std::vector<VerdictRow>& rows) {
  Picture out = panel(box);
  const float pad = 4 * style.scale;
  const float line = 1.25f * style.em;
  const float gap = 0.6f * style.em;
  const auto widest = [&](auto&& width_of) {
    float most = 0;
    for (const VerdictRow& row : rows) most = std::max(most, width_of(row));
    return most;
  };
  const float first = std::min(widest([&](const VerdictRow& r) { return style.width(r.name); }) + 3 * pad, 0.4f * box.width());
  // The first run has no changes beside its values, the others share what it leaves.
  const auto others = static_cast<float>(std::max<std::size_t>(1, names.size() - 1));
  const float even = (box.width() - first) / static_cast<float>(std::max<std::size_t>(1, names.size()));
  const float own = std::max(names.empty() ? 0 : style.width(names.front()),
                             widest([&](const VerdictRow& r) { return r.values.empty() ? 0 : style.width(r.values.front()); }));
  const float alone = std::min(even, own + 4 * pad);
  const float column = (box.width() - first - alone) / others;
  const auto left_of = [&](std::size_t i) {
    return box.x0 + first + (i == 0 ? 0 : alone + column * static_cast<float>(i - 1));
  };
  const auto room_of = [&](std::size_t i) { return (i == 0 ? alone : column) - 3 * pad; };

  // A change stands beside its value with a word beside its colour, or with a sign, or below it; or the sign is all there is
  // room for. The same in the whole table.
  const auto verdict = [](int better, bool in_words) -> const char* {
    return better > 0 ? (in_words ? " (better)" : " \u2713") : better < 0 ? (in_words ? " (worse)" : " \u2717") : "";
  };
  const auto fits = [&](bool in_words, bool below) {
    return widest([&](const VerdictRow& r) {
             float most = 0;
             for (std::size_t i = 1; i < r.values.size(); ++i) {
               if (r.changes[i].empty()) continue;
               const float before = below ? 0 : style.width(r.values[i]) + gap;
               most = std::max(most, before + style.width(r.changes[i] + verdict(r.better[i], in_words)));
             }
             return most;
           }) <= column - 3 * pad;
  };
  std::vector<std::vector<std::string>> heads;
  std::size_t head_lines = 1;
  for (std::size_t i = 0; i < names.size(); ++i) {
    heads.push_back(broken(style, names[i], room_of(i)));
    head_lines = std::max(head_lines, heads.back().size());
  }
  const auto changes = [](const VerdictRow& r) {
    return std::any_of(r.changes.begin(), r.changes.end(), [](const std::string& change) { return !change.empty(); });
  };
  const auto lines = static_cast<float>(head_lines + rows.size());
  const auto changed = static_cast<float>(std::count_if(rows.begin(), rows.end(), changes));
  const bool in_words = fits(true, false), beside = in_words || fits(false, false);
  const bool below = !beside && fits(false, true) && line * (lines + changed) <= box.height();
  out.content_height = line * (lines + (below ? changed : 0));

  float y = box.y0;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const float x = left_of(i);
    add_rect(
        out,
        {{x, y + 2, x + pad, y + line - 2}, viz::tone_of(static_cast<int>(i), Tone::trace0), Pattern::solid, 0, 255, 0, {}});
    for (std::size_t k = 0; k < heads[i].size(); ++k) {
      add_text(style, x + 2 * pad, y + line * static_cast<float>(k) + 1, room_of(i), heads[i][k], Tone::text, out);
    }
  }
  y += line * static_cast<float>(head_lines);
  for (const VerdictRow& row : rows) {
    add_text(style, box.x0 + pad, y, first - 2 * pad, row.name, Tone::dim, out);
    for (std::size_t i = 0; i < row.values.size(); ++i) {
      const float x = left_of(i) + 2 * pad;
      add_text(style, x, y, room_of(i), row.values[i], Tone::text, out);
      const int better = row.better[i];
      const Tone tone = better > 0 ? Tone::better : better < 0 ? Tone::worse : Tone::dim;
      if (below) {
        add_text(style, x, y + line, room_of(i), row.changes[i] + verdict(better, false), tone, out);
        continue;
      }
      const float wide = style.width(row.values[i]) + gap;
      const std::string change = (beside ? row.changes[i] : "") + verdict(better, in_words);
      if (style.width(change) <= room_of(i) - wide) add_text(style, x + wide, y, room_of(i) - wide, change, tone, out);
    }
    y += below && changes(row) ? 2 * line : line;
  }
  return out;
}

Meanings meanings_of(std::span<const TraceModel* const> traces) {
  const auto any = [&](auto has) {
    return std::any_of(traces.begin(), traces.end(), [&](const TraceModel* model) { return has(*model); });
  };
  const auto phase = [&](Phase what) { return any([&](const TraceModel& m) { return m.has(what); }); };
  const auto mark = [&](Mark what) { return any([&](const TraceModel& m) { return !m.times(what).empty(); }); };
  const bool caches = any([](const TraceModel& m) { return m.has_cache(); });
  Meanings out;
  const auto add = [](std::vector<Meaning>& to, bool occurs, const Meaning& meaning) {
    if (occurs) to.push_back(meaning);
  };
  const Meaning prefill = {"prefill", Tone::prefill, Pattern::solid, 'P'};
  const Meaning decode = {"decode", Tone::decode, Pattern::solid, 'D'};
  add(out.lanes, phase(Phase::queued), {"waits", Tone::queued, Pattern::hollow, 'Q'});
  add(out.lanes, phase(Phase::prefill), prefill);
  add(out.lanes, caches, {"found in the cache", Tone::prefill, Pattern::hollow});
  add(out.lanes, phase(Phase::decode), decode);
  add(out.lanes, phase(Phase::stalled), {"stalled: no row", Tone::stalled, Pattern::solid, 'S'});
  add(out.lanes, phase(Phase::padding), {"computed for nobody", Tone::padding, Pattern::diagonal, 'N'});
  add(out.lanes, phase(Phase::preempted), {"preempted", Tone::preempted, Pattern::hatch, 'X'});
  const char* marks[kMarks] = {"preemption", "refused", "failed", "cancelled", "out of KV memory"};
  for (int i = 0; i < kMarks; ++i) {
    add(out.lanes, mark(static_cast<Mark>(i)), {marks[i], tone_of(i, Tone::mark_preempted)});
  }
  const char* parts[] = {"GEMM", "attention", "elementwise", "head", "communication", "host", "not told apart"};
  for (int i = 0; i < 7; ++i) {
    add(out.steps, any([&](const TraceModel& m) { return m.has_part(i); }), {parts[i], tone_of(i, Tone::gemm)});
  }
  add(out.batch, phase(Phase::prefill), prefill);
  add(out.batch, phase(Phase::decode), decode);
  add(out.batch, phase(Phase::padding), {"for nobody", Tone::padding, Pattern::hollow});
  out.blocks = {{"free", Tone::free, Pattern::hollow},
                {"filled", Tone::owner},
                {"to be filled", Tone::owner, Pattern::solid, 0, 90},
                {"never used", Tone::wasted, Pattern::hatch}};
  add(out.blocks, caches, {"shared", Tone::owner, Pattern::framed});
  add(out.blocks, caches, {"cached", Tone::cached, Pattern::diagonal});
  add(out.blocks, true, {"just taken", Tone::taken, Pattern::hollow});
  add(out.blocks, any([](const TraceModel& m) { return m.sum_steps(0, m.num_steps()).evicted_blocks > 0; }),
      {"just evicted", Tone::evicted, Pattern::cross});
  return out;
}

Picture legend(const Style& style, Box box, std::span<const Meaning> meanings) {
  Picture out = panel(box);
  const float pad = 4 * style.scale;
  const float line = 1.3f * style.em;
  const float swatch = 1.4f * style.em;
  float x = box.x0 + pad;
  float y = box.y0;
  for (const Meaning& item : meanings) {
    const float wide = swatch + style.width(item.text) + 4 * pad;
    if (x + wide > box.x1 && x > box.x0 + pad) {
      x = box.x0 + pad;
      y += line;
    }
    out.content_height = std::max(out.content_height, y + line - box.y0);
    if (y + line <= box.y1) {
      add_rect(out, {{x, y + 2, x + swatch, y + line - 2}, item.tone, item.pattern, 0, item.strength, item.letter, {}});
      add_text(style, x + swatch + pad, y + 1, wide - swatch, item.text, Tone::text, out);
    }
    x += wide;
  }
  return out;
}

std::string tip(const Frame& frame, const Moment& moment, const std::vector<PrefixNode>& tree, const Ref& ref) {
  const TraceModel& model = *frame.model;
  const auto several = [&](const char* what) {
    return ref.count > 1 ? fmt::format("\n{} {} here", ref.count, what) : std::string();
  };
  switch (ref.kind) {
    case Ref::Kind::none:
    case Ref::Kind::time: return {};
    case Ref::Kind::request: return request_in_words(model, ref.id);
    case Ref::Kind::sentence: return ref.id < 0 ? std::string() : request_in_words(model, ref.id);
    case Ref::Kind::step: return step_in_words(model, ref.id) + several("steps");
    case Ref::Kind::span: {
      std::string out = request_in_words(model, ref.id);
      if (ref.count > 1 || ref.part < 0) return out + several("spans");
      const Span& span = model.request(ref.id).spans[static_cast<std::size_t>(ref.part)];
      const TimeNs end = model.end_of(ref.id, ref.part);
      out += fmt::format("\n{} for {}", name_of(span.phase()), short_time(static_cast<double>(end - span.begin)));
      if (const std::int32_t tokens = model.tokens_of(ref.id, ref.part); tokens > 0) {
        out += fmt::format(", {} token{} from position {}", tokens, tokens == 1 ? "" : "s", span.computed());
      }
      return out;
    }
    case Ref::Kind::block:
      if (ref.count == 1) return block_in_words(model, moment, ref.id);
      return fmt::format("blocks {} to {}\n", ref.id, ref.id + ref.count - 1) + block_in_words(model, moment, ref.id);
    case Ref::Kind::node: {
      const PrefixNode& node = tree[static_cast<std::size_t>(ref.id)];
      const std::int32_t size = model.header().engine.block_size;
      std::string out = fmt::format("{} tokens from position {}, held by {}", std::ssize(node.blocks) * size, node.first * size,
                                    node.references);
      if (node.orphan) out += "\nwhat came before it was evicted: it cannot be found";
      if (node.request >= 0) out += "\nlast handed out to " + model.request(node.request).id;
      if (node.touched >= 0) out += fmt::format("\nlast touched in step {}", model.step(node.touched).number);
      return out + several("nodes");
    }
    case Ref::Kind::mark: {
      const Event& event = model.events()[static_cast<std::size_t>(ref.id)];
      return fmt::format("{} {}", model.request(event.request).id, name_of(event.mark)) + several("of them");
    }
  }
  return {};
}

}  // namespace tokenyard::viz
