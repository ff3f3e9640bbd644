#include <algorithm>

#include <fmt/core.h>

#include "viz/view/layout.h"
#include "viz/view/panel.h"

namespace tokenyard::viz {
namespace {

// Logical to physical blocks of the selected request.
Picture table_picture(const Scene& scene, Box box) {
  const Frame& frame = scene.frame();
  const Moment& moment = *frame.moment;
  const float scroll = scene.scroll;
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

std::string table_text(const Scene& scene) {
  const Frame& frame = scene.frame();
  if (frame.request < 0) return "";
  const std::vector<BlockId>* table = frame.moment->table_of(frame.request);
  if (table == nullptr) return "";
  const std::vector<Fill> fills = fills_of(*frame.model, *frame.moment);
  std::string out = "block table:\n";
  for (std::size_t i = 0; i < table->size(); ++i) {
    const auto id = static_cast<std::size_t>((*table)[i]);
    out += fmt::format("  {} -> {}  {}/{}", i, (*table)[i], fills[id].used, frame.model->header().engine.block_size);
    if (frame.moment->blocks[id].references > 1) out += fmt::format("  shared by {}", frame.moment->blocks[id].references);
    out += "\n";
  }
  return out;
}

}  // namespace

extern constinit const Panel panel_table = {
    .name = "table",
    .title = "Block table",
    .explains = "The selected request's blocks: its own order on the left, where they lie in the pool on the right.",
    .order = 6,
    .key = "6",
    .what = "block table",
    .size =
        [](std::size_t) {
          return Panel::Size{4, 1};
        },
    .usual = [](const Panel::Situation& now) { return now.selected && !now.several ? 4 : 0; },
    .list = true,
    .layout = table_picture,
    .at_right = [](const Scene& scene) { return std::string(scene.selected); },
    .describe = {6, table_text},
};

}  // namespace tokenyard::viz
