#include "viz/view/scene.h"

namespace tokenyard::viz {

const char* name_of(LaneView view) {
  switch (view) {
    case LaneView::requests: return "requests";
    case LaneView::seats: return "seats";
    case LaneView::density: return "density";
  }
  return "?";
}

const char* name_of(LaneOrder order) {
  switch (order) {
    case LaneOrder::arrival: return "arrival";
    case LaneOrder::ttft: return "TTFT";
    case LaneOrder::latency: return "latency";
    case LaneOrder::priority: return "priority";
    case LaneOrder::preemptions: return "preemptions";
    case LaneOrder::id: return "id";
  }
  return "?";
}

const char* name_of(LatencyKind kind) {
  switch (kind) {
    case LatencyKind::ttft: return "time to first token";
    case LatencyKind::tpot: return "time per output token";
    case LatencyKind::itl: return "time between tokens";
    case LatencyKind::e2el: return "end to end";
  }
  return "?";
}

}  // namespace tokenyard::viz
