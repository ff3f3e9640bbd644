// Lanes: a request each, or a seat each, or a stacked density where there are too many to be told apart.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "viz/view/scene.h"

namespace tokenyard::viz {

// Request numbers in that order, the longest first for ttft, latency and preemptions.
std::vector<std::int32_t> ordered(const TraceModel& model, LaneOrder order);

// Of `order`, who lives at some time in [from, to].
std::vector<std::int32_t> live_in(const TraceModel& model, std::span<const std::int32_t> order, TimeNs from, TimeNs to);

struct LaneOptions {
  LaneView view = LaneView::requests;
  std::span<const std::int32_t> order;  // for requests: which, from top to bottom; empty: all by arrival
  float row = 0;                        // pixels; 0: a line of text. Below the style's fold: density is shown instead
  float scroll = 0;                     // pixels
};
Picture lanes(const Frame& frame, Box box, const LaneOptions& options);
// Where the row of `request` begins, without scroll; negative: it has none.
float lane_top(const Frame& frame, const LaneOptions& options, std::int32_t request);

}  // namespace tokenyard::viz
