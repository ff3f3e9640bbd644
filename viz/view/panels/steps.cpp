#include <algorithm>
#include <cmath>

#include "core/trace/reason_words.h"
#include "viz/view/bars.h"
#include "viz/view/layout.h"
#include "viz/view/panel.h"

namespace tokenyard::viz {
namespace {

// Every step's duration with its parts; of steps that are merged the mean and the longest. Compared traces have the same scale.
Picture steps_picture(const Scene& scene, Box box) {
  const Frame& frame = scene.frame();
  TimeNs longest = 0;
  for (const Frame& each : scene.frames) longest = std::max(longest, visible_sum(each).longest_ns);
  Picture out = panel(box);
  const Axis axis = panel_axis(frame, box);
  const Projector projector(frame, axis);
  const std::vector<Bar> all = bars(frame, projector);
  const float base = box.y1 - 1;
  const float height = box.height() - 2;
  const float numbers = value_axis(
      frame, box, base, height, static_cast<double>(longest),
      [](double v) { return v == 0 ? "0" : time_in_words(std::llround(v)); }, out);
  const auto y_of = [&](double ns) { return base - level(ns, static_cast<double>(longest), height); };
  for (const Bar& bar : all) {
    const StepMeans means = bar.sum.means();
    const Ref ref = step_ref(frame, bar, bar.sum.longest);
    float y = base;
    double done = 0;
    for (std::size_t i = 0; i < means.parts.size(); ++i) {
      done += means.parts[i];
      const float top = y_of(done);
      // A part too thin to be seen is left out; the ones above it keep their place.
      if (y - top < 0.5f) continue;
      add_rect(out, {{bar.x0, top, bar.x1, y}, tone_of(static_cast<int>(i), Tone::gemm), Pattern::solid, 0, 255, 0, ref});
      y = top;
    }
    add_most(frame, bar, y, y_of(static_cast<double>(bar.sum.longest_ns)), ref, out);
    if (y == base) add_rect(out, {{bar.x0, base - 1, bar.x1, base}, Tone::other, Pattern::solid, 0, 255, 0, ref});
  }
  side_label(frame, box, "step time", column_words(all), out, numbers);
  cursor_line(frame, projector, box, out);
  if (frame.step >= 0) cursor_level(frame, projector, y_of(static_cast<double>(frame.model->step(frame.step).duration)), out);
  return out;
}

std::vector<Meaning> steps_meanings(std::span<const TraceModel* const> traces) {
  std::vector<Meaning> out;
  // In the order of StepParts; the last is what the parts leave over.
  const char* const parts[] = {"GEMM", "attention", "elementwise", "head", "communication", "host", "not told apart"};
  for (int i = 0; i < 7; ++i) {
    if (any_of_traces(traces, [&](const TraceModel& model) { return model.has_part(i); }))
      out.push_back({parts[i], tone_of(i, Tone::gemm)});
  }
  out.push_back({"longest of a column", Tone::most, Pattern::solid, 0, kBand});
  return out;
}

std::string steps_at_right(const Scene& scene) {
  const Step& step = scene.frame().model->step(scene.frame().step);
  return "step " + std::to_string(step.number) + ": " + short_time(static_cast<double>(step.duration));
}

std::string steps_text(const Scene& scene) {
  const Frame& frame = scene.frame();
  if (frame.over) return "\n" + ended_in_words(*frame.model).text + "\n";
  if (frame.step < 0) return "\nbefore the first step\n";
  return "\n" + step_in_words(*frame.model, frame.step) + "\n";
}

}  // namespace

extern constinit const Panel panel_steps = {
    .name = "steps",
    .title = "Step latency",
    .explains =
        "A bar a step: how long it took, and what for. The batch panel shows what caused it.\n"
        "Where steps are too narrow for that a column is several of them: the mean over their time, and faint above it the "
        "longest. The mark at the cursor is the one step there.",
    .order = 2,
    .key = "2",
    .what = "step latency",
    .where = Panel::Where::timeline,
    .size =
        [](std::size_t) {
          return Panel::Size{5, 1.4F};
        },
    .usual = [](const Panel::Situation&) { return 2; },
    .layout = steps_picture,
    .at_right = steps_at_right,
    .meanings = steps_meanings,
    .legend = Panel::Legend::title_or_below,
    .describe = {2, steps_text},
};

}  // namespace tokenyard::viz
