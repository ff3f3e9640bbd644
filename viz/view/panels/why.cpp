#include "viz/view/layout.h"
#include "viz/view/panel.h"

namespace tokenyard::viz {
namespace {

Tone tone_of(Sentence::Kind kind) {
  switch (kind) {
    case Sentence::Kind::preempted: return Tone::mark_preempted;
    case Sentence::Kind::held:
    case Sentence::Kind::waited: return Tone::queued;
    case Sentence::Kind::admitted:
    case Sentence::Kind::prefill: return Tone::prefill;
    case Sentence::Kind::decode: return Tone::decode;
    case Sentence::Kind::stalled: return Tone::stalled;
    case Sentence::Kind::finished: return Tone::finished;
    case Sentence::Kind::ended: return Tone::mark_failed;
    case Sentence::Kind::evicted: return Tone::evicted;
  }
  return Tone::text;
}

// How a sentence stands in the panel.
struct Measures {
  Measures(const Style& style, Box box)
      : pad(4 * style.scale), line(1.2f * style.em), mark(0.6f * style.em), room(box.width() - mark - 3 * pad) {}
  float pad, line, mark, room;
  float gap() const { return pad / 2; }
};

Picture why_picture(const Scene& scene, Box box) {
  const Frame& frame = scene.frame();
  const std::vector<Sentence>& sentences = *frame.sentences;
  const float scroll = scene.scroll;
  Picture out = panel(box);
  const Style& style = *frame.style;
  const Measures measures(style, box);
  const auto [pad, line, mark, room] = measures;
  float y = box.y0 - scroll;
  for (const Sentence& sentence : sentences) {
    // Far outside nobody sees how a sentence is wrapped; its height must be right all the same.
    const std::vector<std::string> lines = wrapped(style, sentence.text, room);
    const float height = line * static_cast<float>(lines.size());
    if (y + height > box.y0 && y < box.y1) {
      const Ref ref{Ref::Kind::sentence, frame.trace, sentence.request, -1, 1};
      const bool selected = sentence.request >= 0 && sentence.request == frame.request;
      add_rect(out, {{box.x0, y, box.x1, y + height},
                     selected ? Tone::highlight : Tone::ground,
                     Pattern::solid,
                     0,
                     static_cast<std::uint8_t>(selected ? 70 : 255),
                     0,
                     ref});
      add_rect(
          out,
          {{box.x0 + pad, y + 2, box.x0 + pad + mark, y + height - 2}, tone_of(sentence.kind), Pattern::solid, 0, 255, 0, ref});
      for (std::size_t i = 0; i < lines.size(); ++i) {
        add_text(style, box.x0 + 2 * pad + mark, y + line * static_cast<float>(i) + 1, room, lines[i], Tone::text, out);
      }
    }
    y += height + measures.gap();
  }
  if (sentences.empty()) add_text(style, box.x0 + pad, box.y0 + 1, room, "nothing was decided yet", Tone::dim, out);
  out.content_height = y + scroll - box.y0;
  return out;
}

std::string why_text(const Scene& scene) {
  if (scene.frame().step < 0) return "";
  std::string out = "\nwhy:\n";
  for (const Sentence& sentence : *scene.frame().sentences) out += "  " + sentence.text + "\n";
  return out;
}

// To what was decided of the selected request.
float why_reveal(const Scene& scene, Box box) {
  const Frame& frame = scene.frame();
  const Measures measures(scene.style(), box);
  float top = 0;
  for (const Sentence& sentence : *frame.sentences) {
    const auto lines = static_cast<float>(wrapped(scene.style(), sentence.text, measures.room).size());
    const float height = measures.line * lines;
    const bool seen = top >= scene.scroll && top + height <= scene.scroll + box.height();
    if (frame.request >= 0 && sentence.request == frame.request) return seen ? scene.scroll : top;
    top += height + measures.gap();
  }
  return scene.scroll;
}

}  // namespace

extern constinit const Panel panel_why = {
    .name = "why",
    .title = "Why?",
    .explains = "What the scheduler decided in this step, and with which numbers.",
    .order = 9,
    .key = "9",
    .what = "why",
    .size =
        [](std::size_t) {
          return Panel::Size{5, 1.8F};
        },
    .usual = [](const Panel::Situation&) { return 2; },
    .list = true,
    .layout = why_picture,
    .at_right =
        [](const Scene& scene) { return "step " + std::to_string(scene.frame().model->step(scene.frame().step).number); },
    .reveal = why_reveal,
    .describe = {3, why_text},
};

}  // namespace tokenyard::viz
