#include <algorithm>
#include <string_view>

#include <fmt/core.h>

#include "viz/view/layout.h"
#include "viz/view/panel.h"

namespace tokenyard::viz {
namespace {

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
  const float first = std::min(widest([&](const VerdictRow& r) { return style.width(r.name); }) + 3 * pad,
                               (names.size() > 2 ? 0.4f : 0.5f) * box.width());
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
    add_rect(out,
             {{x, y + 2, x + pad, y + line - 2}, tone_of(static_cast<int>(i), Tone::trace0), Pattern::solid, 0, 255, 0, {}});
    for (std::size_t k = 0; k < heads[i].size(); ++k) {
      add_text(style, x + 2 * pad, y + line * static_cast<float>(k) + 1, room_of(i), style.fit_name(heads[i][k], room_of(i)),
               Tone::text, out);
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

// Of the marked range, or of the whole runs.
std::vector<VerdictRow> rows_of(std::span<const Frame> frames) {
  std::vector<Verdict> whole;
  std::vector<RangeSum> ranges;
  for (const Frame& frame : frames) {
    whole.push_back(*frame.verdict);
    if (frame.range != nullptr) ranges.push_back(*frame.range);
  }
  return ranges.empty() ? compare(whole) : compare(ranges);
}

Picture compare_picture(const Scene& scene, Box box) {
  std::vector<std::string> names;
  for (const Frame& frame : scene.frames) names.emplace_back(frame.name);
  // Drawn as tall as it is, and moved.
  const std::vector<VerdictRow> rows = rows_of(scene.frames);
  Picture picture = verdicts(scene.style(), box, names, rows);
  const float content = picture.content_height;
  if (content > box.height()) {
    picture = verdicts(scene.style(), {box.x0, box.y0 - scene.scroll, box.x1, box.y0 - scene.scroll + content}, names, rows);
    picture.box = box;
    picture.content_height = content;
  }
  return picture;
}

// Of the one trace, and how the first one is against it.
std::string compare_text(const Scene& scene) {
  std::string out;
  const auto add = [&](const std::vector<VerdictRow>& rows) {
    for (const VerdictRow& row : rows) {
      out += fmt::format("  {:<16} {}", row.name, row.values[scene.trace]);
      if (!row.changes[scene.trace].empty()) out += " (" + row.changes[scene.trace] + ")";
      out += "\n";
    }
  };
  std::vector<Frame> whole = scene.frames;
  for (Frame& frame : whole) frame.range = nullptr;
  add(rows_of(whole));
  if (scene.frame().range == nullptr) return out;
  out += "over the marked range:\n";
  add(rows_of(scene.frames));
  return out;
}

std::string compare_at_right(const Scene& scene) { return scene.frame().range == nullptr ? "" : "over the marked range"; }

}  // namespace

extern constinit const Panel panel_compare = {
    .name = "compare",
    .title = "Comparison",
    .explains =
        "The runs' results beside each other; changes are against the first.\n"
        "While a range is marked (drag over a time, or M): only what happened in it.",
    .order = 10,
    .key = "H",
    .what = "comparison",
    .where = Panel::Where::top,
    // Many runs have narrow columns: their names are broken, and their changes stand below their values.
    .size =
        [](std::size_t traces) {
          return traces > 2 ? Panel::Size{15, 4} : Panel::Size{14, 2};
        },
    .usual = [](const Panel::Situation& now) { return now.several ? 1 : 0; },
    .shared = true,
    .list = true,
    .layout = compare_picture,
    .at_right = compare_at_right,
    .describe = {1, compare_text},
};

}  // namespace tokenyard::viz
