#include <algorithm>

#include "viz/view/bars.h"
#include "viz/view/layout.h"
#include "viz/view/panel.h"

namespace tokenyard::viz {
namespace {

// Every step's duration with its parts. Compared traces have the same scale.
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
  for (const Bar& bar : all) {
    const Step& step = frame.model->step(bar.sum.longest);
    const StepParts& p = step.parts;
    const TimeNs parts[] = {p.gemm, p.attention, p.elementwise, p.head, p.communication, p.host};
    const Ref ref = step_ref(frame, bar, bar.sum.longest);
    float y = base;
    TimeNs done = 0;
    const auto stack = [&](TimeNs part, Tone tone) {
      if (part <= 0 || done >= step.duration) return;
      done += std::min(part, step.duration - done);
      const float top = base - level(static_cast<double>(done), static_cast<double>(longest), height);
      // A part too thin to be seen is left out; the ones above it keep their place.
      if (y - top < 0.5f) return;
      add_rect(out, {{bar.x0, top, bar.x1, y}, tone, Pattern::solid, 0, 255, 0, ref});
      y = top;
    };
    for (int i = 0; i < 6; ++i) stack(parts[i], tone_of(i, Tone::gemm));
    stack(step.duration - done, Tone::other);
    if (y == base) add_rect(out, {{bar.x0, base - 1, bar.x1, base}, Tone::other, Pattern::solid, 0, 255, 0, ref});
  }
  side_label(frame, box, "step time", {"up to " + short_time(static_cast<double>(longest))}, out);
  cursor_line(frame, projector, box, out);
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
    .explains = "A bar a step: how long it took, and what for. The batch panel shows what caused it.",
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
