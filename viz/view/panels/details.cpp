#include "viz/view/panel.h"

namespace tokenyard::viz {
namespace {

std::string details_words(const Scene& scene) {
  std::string out;
  const auto add = [&](const std::string& words) { out += (out.empty() ? "" : "\n\n") + words; };
  // Of several runs a line each, so that they can be compared; their range stands in the comparison.
  for (const Frame& frame : scene.frames) {
    if (frame.request < 0) continue;
    add(scene.frames.size() > 1 ? std::string(frame.name) + ": " + request_in_a_line(*frame.model, frame.request)
                                : request_in_words(*frame.model, frame.request));
  }
  if (scene.frame().range != nullptr && scene.frames.size() == 1) add(range_in_words(*scene.frame().range));
  return out.empty() ? "Click a request, or drag over a time." : out;
}

std::string details_text(const Scene& scene) {
  const Frame& frame = scene.frame();
  std::string out;
  if (frame.request >= 0) out += "\n" + request_in_words(*frame.model, frame.request) + "\n";
  if (frame.range != nullptr) out += "\nmarked: " + range_in_words(*frame.range) + "\n";
  return out;
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
    .usual = [](const Panel::Situation& now) { return now.several ? (now.selected ? 2 : 0) : 6; },
    .shared = true,
    .words = details_words,
    .describe = {5, details_text},
};

}  // namespace tokenyard::viz
