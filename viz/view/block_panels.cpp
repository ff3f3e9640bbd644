// Panels of one moment: the KV block map, a block table, the prefix cache.
#include <algorithm>
#include <cmath>

#include <fmt/core.h>

#include "viz/view/layout.h"

namespace tokenyard::viz {
namespace {

constexpr std::uint8_t kHues = 8;

std::uint8_t hue_of(const TraceModel& model, std::int32_t request) {
  return request < 0 ? std::uint8_t{0} : static_cast<std::uint8_t>(model.request(request).hue % kHues);
}

struct Grid {
  std::int32_t group = 1;  // blocks a cell
  std::int32_t columns = 1;
  std::int32_t cells = 0;
  float side = 1;
};

// The largest square cells that fit; where they would be too small or too many, each stands for several blocks.
Grid grid_of(Box box, std::int32_t blocks, std::int32_t most_cells, float least_side, float most_side) {
  Grid grid;
  const float width = std::max(1.0f, box.width());
  const float height = std::max(1.0f, box.height());
  for (grid.group = 1;; grid.group *= 2) {
    grid.cells = (blocks - 1) / grid.group + 1;
    grid.side = std::min(most_side, std::floor(std::sqrt(width * height / static_cast<float>(grid.cells))));
    // Whole columns and rows: a little smaller, perhaps.
    while (grid.side > 1) {
      grid.columns = std::max(1, static_cast<std::int32_t>(width / grid.side));
      const std::int32_t rows = (grid.cells - 1) / grid.columns + 1;
      if (static_cast<float>(rows) * grid.side <= height) break;
      grid.side -= 1;
    }
    if ((grid.side >= least_side && grid.cells <= most_cells) || grid.cells == 1) return grid;
  }
}

// What a map says above it, in lines, as briefly as the room demands.
std::vector<std::string> block_words(const Style& style, const TraceModel& model, const Moment& moment, std::int32_t group,
                                     float room) {
  std::string title, brief;
  const auto say = [&](const std::string& words, const std::string& few) {
    title += (title.empty() ? "" : ", ") + words;
    brief += (brief.empty() ? "" : ", ") + few;
  };
  if (group > 1) say(fmt::format("a cell is {} blocks", group), fmt::format("cell: {} blocks", group));
  if (moment.cached_blocks > 0)
    say(fmt::format("{} free, but cached", moment.cached_blocks), fmt::format("{} cached", moment.cached_blocks));
  if (moment.step >= 0) {
    const MemoryUse& m = model.step(moment.step).memory;
    const std::int64_t all = m.used + m.reserved + m.internal + m.external + m.free;
    const auto share = [&](std::int64_t slots, const std::string& words, const std::string& few) {
      const double percent = 100.0 * static_cast<double>(slots) / static_cast<double>(std::max<std::int64_t>(1, all));
      if (percent >= 0.05)
        say(fmt::format("{:.1f} % {}", percent, words), fmt::format("{:.{}f} % {}", percent, percent < 1 ? 1 : 0, few));
    };
    share(m.internal, "never used", "never used");
    share(m.external, "in holes too small", "in holes");
  }
  if (title.empty()) title = brief = fmt::format("a cell is a block of {} tokens", model.header().engine.block_size);
  if (style.width(title) <= room) return {title};
  return wrapped(style, brief, room);
}

// As block_map, with at most so many cells.
Picture block_map(const Frame& frame, Box box, const Moment& moment, std::int32_t most_cells) {
  Picture out = panel(box);
  const Style& style = *frame.style;
  const TraceModel& model = *frame.model;
  const auto count = static_cast<std::int32_t>(moment.blocks.size());
  if (count == 0) return out;
  const float room = box.width() - 8 * style.scale;
  const float line = 1.3f * style.em;
  // Whether a cell is several blocks is part of the words, which take a line or two.
  Box area = box;
  Grid grid;
  std::vector<std::string> words = {""};
  for (std::size_t lines = 0; lines < words.size();) {
    lines = words.size();
    area.y0 = std::min(box.y0 + line * static_cast<float>(lines), box.y1);
    grid = grid_of(area, count, most_cells, 4 * style.scale, 2.4f * style.em);
    words = block_words(style, model, moment, grid.group, room);
  }
  for (std::size_t i = 0; i < words.size(); ++i) {
    add_text(style, box.x0 + 4 * style.scale, box.y0 + line * static_cast<float>(i) + 1, room, words[i], Tone::text, out);
  }
  const std::int32_t size = model.header().engine.block_size;
  const std::vector<Fill> fills = fills_of(model, moment);
  std::vector<std::uint8_t> fresh(moment.blocks.size());  // 1: taken, 2: evicted, in this step
  for (const BlockId id : moment.taken) fresh[static_cast<std::size_t>(id)] = 1;
  for (const BlockId id : moment.evicted) fresh[static_cast<std::size_t>(id)] = 2;
  const float gap = grid.side >= 5 ? 1 : 0;
  const auto cell_box = [&](std::int32_t cell) {
    const float x = area.x0 + static_cast<float>(cell % grid.columns) * grid.side;
    const float y = area.y0 + static_cast<float>(cell / grid.columns) * grid.side;
    return Box{x, y, x + grid.side - gap, y + grid.side - gap};
  };
  const std::vector<BlockId>* table = frame.request < 0 ? nullptr : moment.table_of(frame.request);
  const BlockId null_block = count - model.usable_blocks();  // blocks below it are never handed out

  for (std::int32_t cell = 0; cell < grid.cells; ++cell) {
    const std::int32_t first = cell * grid.group;
    const std::int32_t end = std::min(count, first + grid.group);
    const Box own = cell_box(cell);
    const Ref ref{Ref::Kind::block, frame.trace, first, -1, end - first};
    // The sums of the cell's blocks, in slots.
    std::int64_t used = 0;
    std::int64_t later = 0;
    std::int64_t held = 0;
    std::int64_t cached = 0;
    std::int32_t shared = 0;
    std::int32_t owner = -1;
    std::uint8_t news = 0;
    for (std::int32_t id = first; id < end; ++id) {
      const Block& block = moment.blocks[static_cast<std::size_t>(id)];
      news = std::max(news, fresh[static_cast<std::size_t>(id)]);
      if (block.references == 0) {
        if (block.findable) cached += size;
        continue;
      }
      held += size;
      used += fills[static_cast<std::size_t>(id)].used;
      later += fills[static_cast<std::size_t>(id)].later;
      shared = std::max(shared, block.references);
      if (owner < 0) owner = block.owner;
    }
    const auto part = [&](std::int64_t slots) {
      return static_cast<float>(static_cast<double>(slots) / (static_cast<double>(end - first) * size)) * own.height();
    };
    if (first < null_block) {
      add_rect(out, {own, Tone::grid, Pattern::solid, 0, 255, 0, ref});
    } else if (held == 0) {
      const Tone tone = cached > 0 ? Tone::cached : Tone::free;
      const auto strength =
          static_cast<std::uint8_t>(cached > 0 ? 80 + 175 * cached / (std::int64_t{end - first} * size) : 255);
      add_rect(out, {own, tone, cached > 0 ? Pattern::diagonal : Pattern::hollow, 0, strength, 0, ref});
    } else {
      // From the bottom: what is used, what its owner will use, what nobody will, what is cached; the rest is free.
      float y = own.y1;
      const auto stack = [&](std::int64_t slots, Tone tone, Pattern pattern, std::uint8_t strength) {
        if (slots <= 0) return;
        const float top = std::max(own.y0, y - part(slots));
        add_rect(out, {{own.x0, top, own.x1, y}, tone, pattern, hue_of(model, owner), strength, 0, ref});
        y = top;
      };
      const bool many = shared > 1 && grid.group == 1;
      stack(used, Tone::owner, many ? Pattern::framed : Pattern::solid, 255);
      stack(later, Tone::owner, Pattern::solid, 90);
      stack(held - used - later, Tone::wasted, Pattern::hatch, 255);
      stack(cached, Tone::cached, Pattern::diagonal, 255);
      stack(std::int64_t{end - first} * size - held - cached, Tone::free, Pattern::hollow, 255);
      if (many && own.width() >= style.width(std::to_string(shared)) + 4 && own.height() >= style.em) {
        add_text_on(out.rects.back(), style, own.x0 + (own.width() - style.width(std::to_string(shared))) / 2,
                    own.y0 + (own.height() - style.em) / 2, own.width(), std::to_string(shared), out);
      }
    }
    if (news == 1) add_rect(out, {own, Tone::taken, Pattern::hollow, 0, 255, 0, ref});
    if (news == 2) add_rect(out, {own, Tone::evicted, Pattern::cross, 0, 255, 0, ref});
  }
  if (table != nullptr) {
    Line thread;
    thread.tone = Tone::highlight;
    thread.width = 1.5f * style.scale;
    std::int32_t last = -1;
    for (const BlockId id : *table) {
      const std::int32_t cell = id / grid.group;
      if (cell == last) continue;
      last = cell;
      const Box own = cell_box(cell);
      thread.points.push_back({(own.x0 + own.x1) / 2, (own.y0 + own.y1) / 2});
    }
    add_line(out, std::move(thread));
  }
  return out;
}

}  // namespace

Picture block_map(const Frame& frame, Box box, const Moment& moment) {
  // A block is mostly one rectangle, several blocks are two or three; where there are more, there are fewer cells.
  const std::int32_t budget = std::max(100, frame.budget);
  std::int32_t cells = std::ssize(moment.blocks) <= budget ? budget : budget / 2;
  Picture out = block_map(frame, box, moment, cells);
  while (std::ssize(out.rects) > budget) out = block_map(frame, box, moment, cells /= 2);
  return out;
}

Picture block_table(const Frame& frame, Box box, const Moment& moment, float scroll) {
  Picture out = panel(box);
  const Style& style = *frame.style;
  const float pad = 4 * style.scale;
  const float row = 1.25f * style.em;
  if (frame.request < 0) {
    add_text(style, box.x0 + pad, box.y0 + 1, box.width() - 2 * pad, "select a request to see its block table", Tone::dim, out);
    return out;
  }
  const TraceModel& model = *frame.model;
  const std::string& id = model.request(frame.request).id;
  const std::vector<BlockId>* table = moment.table_of(frame.request);
  if (table == nullptr) {
    add_text(style, box.x0 + pad, box.y0 + 1, box.width() - 2 * pad, id + " holds no blocks in this step", Tone::dim, out);
    return out;
  }
  const std::int32_t size = model.header().engine.block_size;
  add_text(style, box.x0 + pad, box.y0 + 1, box.width() - 2 * pad,
           fmt::format("{}: logical block, physical block, tokens of {}", id, size), Tone::text, out);
  const std::vector<Fill> fills = fills_of(model, moment);
  const Box area{box.x0, std::min(box.y0 + row, box.y1), box.x1, box.y1};
  const auto count = static_cast<std::int32_t>(table->size());
  out.content_height = row * static_cast<float>(count + 1);
  const auto first = std::clamp(static_cast<std::int32_t>(scroll / row), 0, count);
  const float columns[] = {0, 4.5f * style.em, 11 * style.em};
  for (std::int32_t i = first; i < count; ++i) {
    const float y = area.y0 + static_cast<float>(i) * row - scroll;
    if (y >= area.y1) break;
    const auto block = static_cast<std::size_t>((*table)[static_cast<std::size_t>(i)]);
    const Block& b = moment.blocks[block];
    const Ref ref{Ref::Kind::block, frame.trace, static_cast<std::int32_t>(block), i, 1};
    const float x0 = box.x0 + columns[2] + pad;
    const float wide = std::max(0.0f, box.x1 - pad - x0);
    const Box bar = cut({x0, y + 1, x0 + wide, y + row - 1}, area);
    const float middle = bar.x0 + bar.width() * static_cast<float>(fills[block].used) / static_cast<float>(size);
    add_rect(out, {cut({box.x0, y, box.x1, y + row}, area), Tone::ground, Pattern::solid, 0, 255, 0, ref});
    const Rect filled = {{bar.x0, bar.y0, middle, bar.y1},
                         Tone::owner,
                         b.references > 1 ? Pattern::framed : Pattern::solid,
                         hue_of(model, b.owner),
                         255,
                         0,
                         ref};
    add_rect(out, filled);
    add_rect(out, {{middle, bar.y0, bar.x1, bar.y1},
                   fills[block].later > 0 ? Tone::reserved : Tone::wasted,
                   Pattern::hollow,
                   0,
                   255,
                   0,
                   ref});
    if (y < area.y0) continue;
    add_text(style, box.x0 + columns[0] + pad, y + 1, columns[1] - pad, std::to_string(i), Tone::text, out);
    add_text(style, box.x0 + columns[1] + pad, y + 1, columns[2] - columns[1] - pad, "-> " + std::to_string(block), Tone::text,
             out);
    std::string words = fmt::format("{}/{}", fills[block].used, size);
    if (b.references > 1) words += fmt::format("  shared by {}", b.references);
    // In the filled part, or right of it.
    if (middle - bar.x0 >= style.width(words) + 4 * pad) {
      add_text_on(filled, style, x0 + 2 * pad, y + 1, middle - x0 - 3 * pad, words, out);
    } else {
      add_text(style, middle + pad, y + 1, bar.x1 - middle - 2 * pad, words, Tone::text, out);
    }
  }
  return out;
}

Picture prefix_cache(const Frame& frame, Box box, const Moment& moment, const std::vector<PrefixNode>& tree, float scroll) {
  Picture out = panel(box);
  const Style& style = *frame.style;
  const float pad = 4 * style.scale;
  const float row = 1.5f * style.em;
  const float head = 1.3f * style.em;
  std::int64_t blocks = 0;
  for (const PrefixNode& node : tree) blocks += static_cast<std::int64_t>(node.blocks.size());
  add_text(style, box.x0 + pad, box.y0 + 1, box.width() - 2 * pad,
           tree.empty() ? std::string("nothing is cached") : fmt::format("{} blocks; below each, what goes on from it", blocks),
           tree.empty() ? Tone::dim : Tone::text, out);
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
    rect.strength = static_cast<std::uint8_t>(255 - std::min(175, age));
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

}  // namespace tokenyard::viz
