#include "viz/view/legend.h"

#include <algorithm>

#include "viz/view/layout.h"

namespace tokenyard::viz {

bool any_in(std::span<const TraceModel* const> traces, Phase phase) {
  return any_of_traces(traces, [phase](const TraceModel& model) { return model.has(phase); });
}

bool any_caches(std::span<const TraceModel* const> traces) {
  return any_of_traces(traces, [](const TraceModel& model) { return model.has_cache(); });
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

}  // namespace tokenyard::viz
