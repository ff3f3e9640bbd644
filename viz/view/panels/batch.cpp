#include <algorithm>

#include <fmt/core.h>

#include "viz/view/bars.h"
#include "viz/view/layout.h"
#include "viz/view/panel.h"

namespace tokenyard::viz {
namespace {

// The top that the visible steps of `frame` need, in tokens.
std::int64_t most_tokens(const Frame& frame) {
  const std::int64_t most = visible_sum(frame).most_positions;
  const std::int64_t budget = frame.model->header().engine.max_num_batched_tokens;
  // The budget is shown unless the steps would be too small to be told apart beside it.
  return most * 8 >= budget ? std::max(most, budget) : most;
}

// Tokens of every step against the budget, and rows against the seats; of steps that are merged the mean and the most. Compared
// traces have the same scale.
Picture batch_picture(const Scene& scene, Box box) {
  const Frame& frame = scene.frame();
  std::int64_t most = 0;
  for (const Frame& each : scene.frames) most = std::max(most, most_tokens(each));
  Picture out = panel(box);
  const Style& style = *frame.style;
  const Axis axis = panel_axis(frame, box);
  const Projector projector(frame, axis);
  const EngineConfig& config = frame.model->header().engine;
  const std::vector<Bar> all = bars(frame, projector);
  const float base = box.y1 - 1;
  const float height = box.height() - 2;
  const float numbers = value_axis(
      frame, box, base, height, static_cast<double>(most), [](double v) { return fmt::format("{:.0f}", v); }, out);
  const auto y_of = [&](double tokens) { return base - level(tokens, static_cast<double>(most), height); };
  Stairs rows;
  rows.line.tone = Tone::text;
  rows.line.width = style.scale;
  rows.idle = base;
  for (const Bar& bar : all) {
    const StepMeans means = bar.sum.means();
    const Ref ref = step_ref(frame, bar, bar.sum.fullest);
    const double parts[] = {means.prefill_tokens, means.decode_tokens, means.padding_tokens};
    const Tone tones[] = {Tone::prefill, Tone::decode, Tone::padding};
    double done = 0;
    float y = base;
    for (int i = 0; i < 3; ++i) {
      if (parts[i] <= 0) continue;
      done += parts[i];
      // At least a pixel: one decode beside a prefill of thousands is what this panel is about.
      const float top = std::min(y - 1, y_of(done));
      add_rect(out, {{bar.x0, top, bar.x1, y}, tones[i], i == 2 ? Pattern::hollow : Pattern::solid, 0, 255, 0, ref});
      y = top;
    }
    if (done == 0) add_rect(out, {{bar.x0, base - 1, bar.x1, base}, Tone::grid, Pattern::solid, 0, 255, 0, ref});
    add_most(frame, bar, y, y_of(static_cast<double>(bar.sum.most_positions)), ref, out);
    rows.add(bar, base - level(means.rows, config.max_num_seqs, height));
  }
  if (config.max_num_batched_tokens <= most) {
    const float y = y_of(config.max_num_batched_tokens);
    add_line(out, {{{axis.x0, y}, {axis.x1, y}}, Tone::limit, style.scale, Dash::dashed});
  }
  add_line(out, std::move(rows.line));
  std::vector<std::string> more = column_words(all);
  more.insert(more.begin(), fmt::format("budget {}", config.max_num_batched_tokens));
  more.push_back(fmt::format("line: rows of {}", config.max_num_seqs));
  side_label(frame, box, "tokens", more, out, numbers);
  cursor_line(frame, projector, box, out);
  if (frame.step >= 0) {
    const Step& step = frame.model->step(frame.step);
    cursor_level(frame, projector, y_of(step.tokens() + step.padding_tokens), out);
  }
  return out;
}

std::vector<Meaning> batch_meanings(std::span<const TraceModel* const> traces) {
  std::vector<Meaning> out;
  if (any_in(traces, Phase::prefill)) out.push_back({"prefill", Tone::prefill, Pattern::solid, 'P'});
  if (any_in(traces, Phase::decode)) out.push_back({"decode", Tone::decode, Pattern::solid, 'D'});
  if (any_in(traces, Phase::padding)) out.push_back({"for nobody", Tone::padding, Pattern::hollow});
  out.push_back({"most of a column", Tone::most, Pattern::solid, 0, kBand});
  return out;
}

std::string batch_at_right(const Scene& scene) {
  const Step& step = scene.frame().model->step(scene.frame().step);
  return fmt::format("{} row{}, {} token{}", step.rows(), step.rows() == 1 ? "" : "s", step.tokens(),
                     step.tokens() == 1 ? "" : "s");
}

std::string batch_text(const Scene& scene) {
  const TraceModel& model = *scene.frame().model;
  if (scene.frame().step < 0) return "";
  std::string out = "\nrows:\n";
  for (const MomentRow& row : rows_of(model, *scene.frame().moment)) {
    out += fmt::format("  {} {}", model.request(row.request).id, name_of(row.phase));
    if (row.tokens > 0) out += fmt::format(" {} from {}", row.tokens, row.first);
    out += "\n";
  }
  if (const std::int32_t late = model.step(scene.frame().step).late_rows; late > 0) {
    out += fmt::format("  {} row{} for nobody: who had ended when the step began\n", late, late == 1 ? "" : "s");
  }
  return out;
}

}  // namespace

extern constinit const Panel panel_batch = {
    .name = "batch",
    .title = "Batch",
    .explains =
        "A bar a step: tokens computed for prompts and for answers, against the token budget and the seats.\n"
        "Where steps are too narrow for that a column is several of them: the mean over their time, and faint above it the "
        "fullest. The mark at the cursor is the one step there.",
    .order = 3,
    .key = "3",
    .what = "batch",
    .where = Panel::Where::timeline,
    .size =
        [](std::size_t) {
          return Panel::Size{5, 1.4F};
        },
    .usual = [](const Panel::Situation& now) { return now.several ? 4 : 3; },
    .layout = batch_picture,
    .at_right = batch_at_right,
    .meanings = batch_meanings,
    .describe = {4, batch_text},
};

}  // namespace tokenyard::viz
