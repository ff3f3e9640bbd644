// Panels of numbers and words: latency, Why?, the comparison's table, the legend, tips.
#include <algorithm>
#include <cmath>
#include <optional>

#include <fmt/core.h>

#include "viz/view/layout.h"

namespace tokenyard::viz {
namespace {

// At spaces where it can be, so that every line fits.
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

Picture latency_cdf(const Style& style, Box box, std::span<const Latency> traces, LatencyKind kind, const Slo& slo) {
  Picture out = panel(box);
  const float pad = 4 * style.scale;
  const float line = 1.25f * style.em;
  add_text(style, box.x0 + pad, box.y0 + 1, box.width() - 2 * pad, name_of(kind), Tone::text, out);
  const auto which = static_cast<std::size_t>(kind);
  const std::optional<TimeNs> objectives[] = {slo.ttft, slo.tpot, std::nullopt, slo.e2el};
  const std::optional<TimeNs> objective = objectives[which];
  const auto distribution = [&](const Latency& l) -> const Distribution& {
    const Distribution* all[] = {&l.ttft, &l.tpot, &l.itl, &l.e2el};
    return *all[which];
  };
  double least = 0;
  double most = 0;
  for (const Latency& trace : traces) {
    if (distribution(trace).count() == 0) continue;
    const auto& curve = trace.curves[which];
    const double low = std::max(1.0, curve.front());
    least = least == 0 ? low : std::min(least, low);
    most = std::max({most, curve.back(), low});
  }
  if (most == 0) {
    add_text(style, box.x0 + pad, box.y0 + line, box.width() - 2 * pad, "no request has ended yet", Tone::dim, out);
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
  for (const int percent : {0, 50, 90, 100}) {
    const float at = y(percent / 100.0);
    add_rect(out, {{plot.x0, at, plot.x1, at + 1}, Tone::grid, Pattern::solid, 0, 255, 0, {}});
    if (percent == 90 && 0.1f * plot.height() < 1.6f * style.em) continue;  // its number would stand in that of 100 %
    add_text(style, box.x0 + pad, std::max(plot.y0, std::min(at, plot.y1) - style.em / 2), 3.2f * style.em,
             fmt::format("{} %", percent), Tone::dim, out);
  }
  float free_from = plot.x0;
  for (double decade = std::pow(10, std::ceil(std::log10(least))); decade <= most; decade *= 10) {
    const float at = x(decade);
    add_rect(out, {{at, plot.y0, at + 1, plot.y1}, Tone::grid, Pattern::solid, 0, 255, 0, {}});
    const std::string text = short_time(decade);
    if (at < free_from || at + style.width(text) > plot.x1) continue;
    add_text(style, at, plot.y1 + 2, 6 * style.em, text, Tone::dim, out);
    free_from = at + style.width(text) + style.em;
  }
  if (objective) {
    const float at = x(static_cast<double>(*objective));
    add_line(out, {{{at, plot.y0}, {at, plot.y1}}, Tone::slo, 1.5f * style.scale, true});
  }
  float row = plot.y1 + line + 2;
  for (std::size_t t = 0; t < traces.size(); ++t) {
    const auto tone = viz::tone_of(static_cast<int>(t), Tone::trace0);
    const Latency& trace = traces[t];
    std::string words = "no request has ended yet";
    if (distribution(trace).count() > 0) {
      const auto& curve = trace.curves[which];
      Line stairs;
      stairs.tone = tone;
      stairs.width = 1.5f * style.scale;
      for (int i = 0; i < Latency::kCurve; ++i) {
        stairs.points.push_back({x(curve[static_cast<std::size_t>(i)]), y(i / 200.0)});
      }
      add_line(out, std::move(stairs));
      words = fmt::format("P50 {}  P95 {}  P99 {}", short_time(curve[100]), short_time(curve[190]), short_time(curve[198]));
      if (objective) {
        words += fmt::format("  {:.1f} % within {}", 100 * distribution(trace).share_up_to(*objective),
                             short_time(static_cast<double>(*objective)));
      }
      if (slo.any()) words += fmt::format("  goodput {:.1f} %", 100 * trace.goodput());
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
  const float first = std::min(8.5f * style.em, box.width() / 3);
  // The first run has no changes beside its values.
  const auto others = static_cast<float>(std::max<std::size_t>(1, names.size() - 1));
  const float alone = names.size() <= 1 ? box.width() - first : std::min(6 * style.em, (box.width() - first) / (others + 1));
  const float column = (box.width() - first - alone) / others;
  const auto left_of = [&](std::size_t i) {
    return box.x0 + first + (i == 0 ? 0 : alone + column * static_cast<float>(i - 1));
  };
  out.content_height = line * static_cast<float>(rows.size() + 1);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const float x = left_of(i);
    add_rect(out, {{x, box.y0 + 2, x + pad, box.y0 + line - 2},
                   viz::tone_of(static_cast<int>(i), Tone::trace0),
                   Pattern::solid,
                   0,
                   255,
                   0,
                   {}});
    add_text(style, x + 2 * pad, box.y0 + 1, (i == 0 ? alone : column) - 3 * pad, names[i], Tone::text, out);
  }
  float y = box.y0 + line;
  for (const VerdictRow& row : rows) {
    add_text(style, box.x0 + pad, y, first - 2 * pad, row.name, Tone::dim, out);
    for (std::size_t i = 0; i < row.values.size(); ++i) {
      const float x = left_of(i) + 2 * pad;
      const float wide = style.width(row.values[i]) + 0.6f * style.em;
      add_text(style, x, y, (i == 0 ? alone : column) - 3 * pad, row.values[i], Tone::text, out);
      // Said beside the colour, in a word or, where that is too long, in a sign; a change that does not fit is left out.
      const float room = column - 3 * pad - wide;
      std::string change = row.changes[i];
      if (row.better[i] != 0) {
        const std::string word = change + (row.better[i] > 0 ? " (better)" : " (worse)");
        change = style.width(word) <= room ? word : change + (row.better[i] > 0 ? " \u2713" : " \u2717");
      }
      if (style.width(change) > room) change.clear();
      const Tone tone = row.better[i] > 0 ? Tone::better : row.better[i] < 0 ? Tone::worse : Tone::dim;
      add_text(style, x + wide, y, room, change, tone, out);
    }
    y += line;
  }
  return out;
}

Picture legend(const Style& style, Box box) {
  Picture out = panel(box);
  struct Item {
    const char* text;
    Tone tone;
    Pattern pattern;
    char letter;
  };
  static const Item items[] = {
      {"queued", Tone::queued, Pattern::hollow, 'Q'},
      {"prefill", Tone::prefill, Pattern::solid, 'P'},
      {"found in the cache", Tone::prefill, Pattern::hollow, 0},
      {"decode", Tone::decode, Pattern::solid, 'D'},
      {"stalled: no row", Tone::stalled, Pattern::solid, 'S'},
      {"computed for nobody", Tone::padding, Pattern::diagonal, 'N'},
      {"preempted", Tone::preempted, Pattern::hatch, 'X'},
      {"preemption", Tone::mark_preempted, Pattern::solid, 0},
      {"refused", Tone::mark_refused, Pattern::solid, 0},
      {"failed", Tone::mark_failed, Pattern::solid, 0},
      {"cancelled", Tone::mark_cancelled, Pattern::solid, 0},
      {"out of KV memory", Tone::mark_kv_capacity, Pattern::solid, 0},
      {"GEMM", Tone::gemm, Pattern::solid, 0},
      {"attention", Tone::attention, Pattern::solid, 0},
      {"elementwise", Tone::elementwise, Pattern::solid, 0},
      {"head", Tone::head, Pattern::solid, 0},
      {"communication", Tone::communication, Pattern::solid, 0},
      {"host", Tone::host, Pattern::solid, 0},
      {"block of a request", Tone::owner, Pattern::solid, 0},
      {"shared block", Tone::owner, Pattern::framed, 0},
      {"never used", Tone::wasted, Pattern::hatch, 0},
      {"cached, free", Tone::cached, Pattern::diagonal, 0},
      {"free", Tone::free, Pattern::hollow, 0},
      {"just handed out", Tone::taken, Pattern::hollow, 0},
      {"just evicted", Tone::evicted, Pattern::cross, 0},
  };
  const float pad = 4 * style.scale;
  const float line = 1.3f * style.em;
  const float swatch = 1.4f * style.em;
  float x = box.x0 + pad;
  float y = box.y0;
  for (const Item& item : items) {
    const float wide = swatch + style.width(item.text) + 4 * pad;
    if (x + wide > box.x1 && x > box.x0 + pad) {
      x = box.x0 + pad;
      y += line;
    }
    out.content_height = std::max(out.content_height, y + line - box.y0);
    if (y + line <= box.y1) {
      add_rect(out, {{x, y + 2, x + swatch, y + line - 2}, item.tone, item.pattern, 0, 255, item.letter, {}});
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
