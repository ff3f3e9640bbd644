#include <algorithm>
#include <cmath>

#include <fmt/core.h>

#include "viz/view/layout.h"
#include "viz/view/panel.h"

namespace tokenyard::viz {
namespace {

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
    bool several = false;  // owners
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
      several |= owner >= 0 && block.owner != owner;
      owner = block.owner;
    }
    const auto part = [&](std::int64_t slots) {
      return static_cast<float>(static_cast<double>(slots) / (static_cast<double>(end - first) * size)) * own.height();
    };
    if (first < null_block) {
      add_rect(out, {own, Tone::grid, Pattern::solid, 0, 255, 0, ref});
    } else if (held == 0) {
      const Tone tone = cached > 0 ? Tone::cached : Tone::free;
      const auto strength =
          static_cast<std::uint8_t>(cached > 0 ? 128 + 127 * cached / (std::int64_t{end - first} * size) : 255);
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
      const Tone whose = several ? Tone::used : Tone::owner;
      stack(used, whose, many ? Pattern::framed : Pattern::solid, 255);
      stack(later, whose, Pattern::solid, kFaint);
      stack(held - used - later, Tone::wasted, Pattern::backhatch, 255);
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

// The pool as a grid in order of block ids. Above the budget a cell stands for several blocks.
Picture blocks_picture(const Scene& scene, Box box) {
  const Frame& frame = scene.frame();
  const Moment& moment = *frame.moment;
  // A block is mostly one rectangle, several blocks are two or three; where there are more, there are fewer cells.
  const std::int32_t budget = std::max(100, frame.budget);
  std::int32_t cells = std::ssize(moment.blocks) <= budget ? budget : budget / 2;
  Picture out = block_map(frame, box, moment, cells);
  while (std::ssize(out.rects) > budget) out = block_map(frame, box, moment, cells /= 2);
  return out;
}

std::vector<Meaning> blocks_meanings(std::span<const TraceModel* const> traces) {
  std::vector<Meaning> out = {{"free", Tone::free, Pattern::hollow},
                              {"filled, a request a colour", Tone::owner},
                              {"filled by several", Tone::used},
                              {"to be filled", Tone::owner, Pattern::solid, 0, kFaint},
                              {"never used", Tone::wasted, Pattern::backhatch}};
  if (any_caches(traces)) {
    out.push_back({"shared", Tone::owner, Pattern::framed});
    out.push_back({"cached", Tone::cached, Pattern::diagonal});
  }
  out.push_back({"just taken", Tone::taken, Pattern::hollow});
  if (any_of_traces(traces, [](const TraceModel& m) { return m.sum_steps(0, m.num_steps()).evicted_blocks > 0; }))
    out.push_back({"just evicted", Tone::evicted, Pattern::cross});
  return out;
}

std::string blocks_at_right(const Scene& scene) {
  const TraceModel& model = *scene.frame().model;
  return fmt::format("{} of {} in use", scene.frame().moment->used_blocks, model.usable_blocks());
}

}  // namespace

extern constinit const Panel panel_blocks = {
    .name = "blocks",
    .title = "KV blocks",
    .explains =
        "The pool at the cursor, a cell a block, coloured by the request that holds it; requests of one colour have a dot or a "
        "line. "
        "Filled as far as it holds keys and values, faint where its owner will write, hatched where nobody will.\n"
        "Framed: shared. One stroke: free, but cached. Bright: just taken. Crossed: just evicted. The line joins the selected "
        "request's blocks.",
    .order = 5,
    .key = "5",
    .what = "KV blocks",
    .where = Panel::Where::moment,
    .size =
        [](std::size_t) {
          return Panel::Size{6, 2.4F};
        },
    .usual = [](const Panel::Situation& now) { return now.several ? 3 : 1; },
    .layout = blocks_picture,
    .at_right = blocks_at_right,
    .meanings = blocks_meanings,
    .legend = Panel::Legend::title_or_below,
};

}  // namespace tokenyard::viz
