// What a viewer makes of a trace: model, the state at every step, words and pictures.
#include <memory>
#include <sstream>
#include <string>

#include "core/base/input_error.h"
#include "core/trace/reader.h"
#include "fuzz.h"
#include "viz/model/model_builder.h"
#include "viz/view/comparison.h"
#include "viz/view/overview.h"
#include "viz/view/panel.h"

namespace tokenyard {
namespace {

void show(const viz::TraceModel& model) {
  using namespace viz;
  Seeker seeker(model);
  Style style;
  const Clock clock(model, Align::work);
  const Extent extent = extent_of({&clock, 1});
  Frame frame{};
  frame.model = &model;
  frame.clock = &clock;
  frame.style = &style;
  frame.axis.show(extent.begin, extent.end, extent.begin, extent.end);
  frame.request = model.num_requests() - 1;
  const Box box{0, 0, 640, 480};
  const Latency latency = latency_of(model, {});
  const Verdict verdict = verdict_of(model, latency);
  frame.latency = &latency;
  frame.verdict = &verdict;
  Scene scene;
  for (const LaneView lanes : {LaneView::requests, LaneView::seats}) {
    scene.lanes = lanes;
    for (std::int32_t step = -1; step < std::min(model.num_steps(), 20); ++step) {
      const Moment& moment = seeker.seek(step);
      const std::vector<PrefixNode> tree = prefix_tree(model, moment);
      const std::vector<Sentence> sentences = explain(model, moment);
      frame.step = step;
      frame.moment = &moment;
      frame.tree = &tree;
      frame.sentences = &sentences;
      scene.frames = {frame};
      describe(scene);
      for (const Panel* panel : all_panels()) {
        if (panel->layout != nullptr) panel->layout(scene, box);
      }
    }
  }
  overview(frame, box, extent.begin, extent.end);
}

}  // namespace

void fuzz(std::string_view text) {
  TraceReader reader(std::make_unique<std::istringstream>(std::string(text)), "fuzz.trace");
  // A pool may be as large as a user says; here it would only cost time.
  if (reader.header().engine.num_blocks > 100'000) return;
  viz::ModelBuilder builder("fuzz.trace");
  builder.on_header(reader.header());
  try {
    while (pass_on(reader, builder) != TraceSource::Kind::none) {
    }
  } catch (const InputError&) {
    show(builder.model());  // what could be read
    throw;
  }
  show(builder.model());
}

}  // namespace tokenyard
