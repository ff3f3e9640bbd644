// What a viewer makes of a trace: model, the state at every step, words and pictures.
#include <memory>
#include <sstream>
#include <string>

#include "core/base/input_error.h"
#include "core/trace/trace.h"
#include "fuzz.h"
#include "viz/view/comparison.h"
#include "viz/view/panels.h"

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
  for (std::int32_t step = -1; step < std::min(model.num_steps(), 20); ++step) {
    const Moment& moment = seeker.seek(step);
    frame.step = step;
    describe(model, moment, frame.request, {});
    block_map(frame, box, moment);
    block_table(frame, box, moment, 0);
    prefix_cache(frame, box, moment, prefix_tree(moment), 0);
  }
  lanes(frame, box, {});
  LaneOptions seats;
  seats.view = LaneView::seats;
  lanes(frame, box, seats);
  overview(frame, box, extent.begin, extent.end);
  batch_latency(frame, box);
  batch_composition(frame, box);
  counters(frame, box);
  const Latency* const latencies[] = {&latency};
  latency_cdf(style, box, latencies, LatencyKind::e2el, {});
}

}  // namespace

void fuzz(std::string_view text) {
  TraceReader reader(std::make_unique<std::istringstream>(std::string(text)), "fuzz.trace");
  // A pool may be as large as a user says; here it would only cost time.
  if (reader.header().engine.num_blocks > 100'000) return;
  viz::ModelBuilder builder("fuzz.trace");
  builder.on_header(reader.header());
  try {
    for (bool more = true; more;) {
      switch (reader.next()) {
        case TraceReader::Kind::join: builder.on_join(reader.join()); break;
        case TraceReader::Kind::step: builder.on_step(reader.step()); break;
        case TraceReader::Kind::cancel: builder.on_cancel(reader.cancel()); break;
        case TraceReader::Kind::end: builder.on_end(reader.end_steps(), reader.end_at()); break;
        case TraceReader::Kind::none: more = false; break;
      }
    }
  } catch (const InputError&) {
    show(builder.model());  // what could be read
    throw;
  }
  show(builder.model());
}

}  // namespace tokenyard
