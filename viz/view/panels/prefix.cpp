#include <algorithm>

#include <fmt/core.h>

#include "viz/view/layout.h"
#include "viz/view/panel.h"

namespace tokenyard::viz {
namespace {

// The tree of cached beginnings, from the top down.
Picture prefix_picture(const Scene& scene, Box box) {
  const Frame& frame = scene.frame();
  const Moment& moment = *frame.moment;
  const std::vector<PrefixNode>& tree = *frame.tree;
  const float scroll = scene.scroll;
  Picture out = panel(box);
  const Style& style = *frame.style;
  const float pad = 4 * style.scale;
  const float row = 1.5f * style.em;
  const float head = 1.3f * style.em;
  std::int64_t blocks = 0;
  for (const PrefixNode& node : tree) blocks += static_cast<std::int64_t>(node.blocks.size());
  std::string title = "this run keeps no prefix cache";
  if (keeps_prefixes(*frame.model)) title = "nothing is cached";
  if (!tree.empty())
    title = fmt::format("{} in use, {} free, but cached; below each, what goes on from it", moment.used_blocks,
                        moment.cached_blocks);
  add_text(style, box.x0 + pad, box.y0 + 1, box.width() - 2 * pad, title, tree.empty() ? Tone::dim : Tone::text, out);
  if (tree.empty() || blocks == 0) return out;
  std::vector<bool> on_path(tree.size());
  for (const std::int32_t i : path_of(tree, moment, frame.request)) on_path[static_cast<std::size_t>(i)] = true;
  const float fold = style.fold;
  // A node's part of the width is what it and everything below it weighs; children share their parent's.
  struct Part {
    double x0, x1;  // pixels
    double next;    // where its next child begins
    float top;
  };
  std::vector<Part> places(tree.size());
  const auto budget = static_cast<std::size_t>(std::max(100, frame.budget));
  double next_root = static_cast<double>(box.x0);
  const double per_block = static_cast<double>(box.width()) / static_cast<double>(blocks);
  // The last rectangle of each row: what is narrower than the fold joins it.
  std::vector<std::int32_t> last_of_row;
  for (std::size_t i = 0; i < tree.size(); ++i) {
    const PrefixNode& node = tree[i];
    double* begin = node.parent < 0 ? &next_root : &places[static_cast<std::size_t>(node.parent)].next;
    Part& place = places[i];
    place.x0 = *begin;
    if (node.parent < 0) {
      place.x1 = place.x0 + node.weight * per_block;
    } else {
      const Part& parent = places[static_cast<std::size_t>(node.parent)];
      const PrefixNode& above = tree[static_cast<std::size_t>(node.parent)];
      const double below = above.weight - static_cast<double>(above.blocks.size());
      place.x1 = place.x0 + (parent.x1 - parent.x0) * node.weight / below;
    }
    *begin = place.x1;
    place.next = place.x0;
    place.top = box.y0 + head + static_cast<float>(node.depth) * row - scroll;
    out.content_height = std::max(out.content_height, place.top + row + scroll - box.y0);
    if (place.top >= box.y1 || place.top < box.y0 + head - 1 || out.rects.size() >= budget) continue;
    const auto x0 = static_cast<float>(place.x0);
    const auto x1 = static_cast<float>(place.x1);
    const auto depth = static_cast<std::size_t>(node.depth);
    if (depth >= last_of_row.size()) last_of_row.resize(depth + 1, -1);
    const std::int32_t last = last_of_row[depth];
    if (x1 - x0 < fold && last >= 0) {
      Rect& before = out.rects[static_cast<std::size_t>(last)];
      if (before.ref.count > 1 && before.box.x0 + fold >= x1) {
        before.box.x1 = std::min(std::max(before.box.x1, x1), box.x1);
        ++before.ref.count;
        continue;
      }
    }
    Rect rect{{x0, place.top, std::max(x1 - (x1 - x0 > 4 ? 1.0f : 0.0f), x0 + 1), place.top + row - 1},
              Tone::cached,
              Pattern::solid,
              0,
              255,
              0,
              {}};
    rect.tone = node.references > 0 ? Tone::used : Tone::cached;
    rect.pattern = node.orphan           ? Pattern::cross
                   : node.references > 1 ? Pattern::framed
                   : node.findable       ? Pattern::solid
                                         : Pattern::hollow;
    const std::int32_t age = std::max(0, moment.step - node.touched);
    rect.strength = static_cast<std::uint8_t>(255 - std::min(127, age));
    rect.ref = {Ref::Kind::node, frame.trace, static_cast<std::int32_t>(i), -1, x1 - x0 < fold ? 2 : 1};
    if (x1 - x0 < fold) rect.box.x1 = std::min(x0 + 1, box.x1);
    const std::size_t drawn = out.rects.size();
    add_rect(out, rect);
    if (out.rects.size() == drawn) continue;
    last_of_row[depth] = static_cast<std::int32_t>(drawn);
    if (on_path[i]) add_rect(out, {rect.box, Tone::highlight, Pattern::hollow, 0, 255, 0, {}});
    const auto size = std::ssize(node.blocks);
    std::string words = fmt::format("{} block{}", size, size == 1 ? "" : "s");
    if (node.references > 0) words += fmt::format(", {} hold{}", node.references, node.references == 1 ? "s" : "");
    if (x1 - x0 <= 3 * style.em) continue;
    if (rect.pattern == Pattern::solid || rect.pattern == Pattern::framed) {
      add_text_on(rect, style, x0 + pad, place.top + (row - style.em) / 2, x1 - x0 - 2 * pad, words, out);
    } else {
      add_text(style, x0 + pad, place.top + (row - style.em) / 2, x1 - x0 - 2 * pad, words, Tone::text, out);
    }
  }
  return out;
}

}  // namespace

extern constinit const Panel panel_prefix = {
    .name = "prefix",
    .title = "Prefix cache",
    .explains = "Cached beginnings as a tree: each row goes on where the one above ends; width is blocks.",
    .order = 7,
    .key = "7",
    .what = "prefix cache",
    .size =
        [](std::size_t) {
          return Panel::Size{5, 1.2F};
        },
    .usual = [](const Panel::Situation& now) { return now.caches && !now.several ? 5 : 0; },
    .layout = prefix_picture,
};

}  // namespace tokenyard::viz
