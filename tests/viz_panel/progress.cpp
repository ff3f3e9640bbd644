#include <algorithm>
#include <string>

#include "viz/view/layout.h"
#include "viz/view/panel.h"

namespace tokenyard::viz {
namespace {

// Steps up to the one at the cursor, of all.
std::string progress_text(const Scene& scene) {
  return std::to_string(scene.frame().step + 1) + " of " + std::to_string(scene.frame().model->num_steps()) + " steps";
}

Picture progress_picture(const Scene& scene, Box box) {
  Picture out = panel(box);
  const Frame& frame = scene.frame();
  const float share = static_cast<float>(frame.step + 1) / static_cast<float>(std::max(1, frame.model->num_steps()));
  add_rect(out, {.box = {box.x0, box.y0, box.x0 + share * box.width(), box.y1}, .tone = Tone::finished});
  add_text(scene.style(), box.x0, box.y0, box.width(), progress_text(scene), Tone::text, out);
  return out;
}

}  // namespace

extern constinit const Panel panel_progress = {
    .name = "progress",
    .title = "Progress",
    .explains = "How much of the run is over at the cursor.",
    .order = 13,
    .key = "Shift+P",
    .what = "progress",
    .size =
        [](std::size_t) {
          return Panel::Size{2, 0.5F};
        },
    .layout = progress_picture,
    .at_right = progress_text,
    .describe = {8, [](const Scene& scene) { return "progress: " + progress_text(scene) + "\n"; }},
};

}  // namespace tokenyard::viz
