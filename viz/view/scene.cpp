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
    case LaneOrder::ttft: return "ttft";
    case LaneOrder::latency: return "latency";
    case LaneOrder::priority: return "priority";
    case LaneOrder::preemptions: return "preemptions";
    case LaneOrder::id: return "id";
  }
  return "?";
}

const char* title_of(LaneOrder order) { return order == LaneOrder::ttft ? "TTFT" : name_of(order); }

const char* name_of(LatencyKind kind) {
  switch (kind) {
    case LatencyKind::ttft: return "ttft";
    case LatencyKind::tpot: return "tpot";
    case LatencyKind::itl: return "itl";
    case LatencyKind::e2el: return "e2el";
  }
  return "?";
}

const char* title_of(LatencyKind kind) {
  switch (kind) {
    case LatencyKind::ttft: return "time to first token";
    case LatencyKind::tpot: return "time per output token";
    case LatencyKind::itl: return "time between tokens";
    case LatencyKind::e2el: return "end to end";
  }
  return "?";
}

}  // namespace tokenyard::viz
