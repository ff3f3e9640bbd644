#include "viz/view/panel.h"

namespace tokenyard::viz {
namespace {

std::string details_words(const Scene& scene) {
  const Frame& frame = scene.frame();
  std::string out;
  if (frame.request >= 0) out = request_in_words(*frame.model, frame.request);
  if (!scene.range.empty()) out += (out.empty() ? "" : "\n\n") + std::string(scene.range);
  return out.empty() ? "Click a request, or drag over a time." : out;
}

std::string details_text(const Scene& scene) {
  const Frame& frame = scene.frame();
  return frame.request < 0 ? "" : "\n" + request_in_words(*frame.model, frame.request) + "\n";
}

}  // namespace

extern constinit const Panel panel_details = {
    .name = "details",
    .title = "Selection",
    .explains = "The selected request and range in words.",
    .order = 11,
    .key = "J",
    .what = "selection in words",
    .size =
        [](std::size_t) {
          return Panel::Size{4, 1.4F};
        },
    .usual = [](const Panel::Situation& now) { return now.several ? 0 : 6; },
    .words = details_words,
    .describe = {5, details_text},
};

}  // namespace tokenyard::viz
