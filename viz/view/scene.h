// What a panel is given to lay out: the compared traces, each with its place in time and what is known of that moment, and what
// the user has chosen to see. Plain values and borrowed pointers: a layout reads them and nothing else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "viz/model/moment.h"
#include "viz/model/prefix_tree.h"
#include "viz/model/statistics.h"
#include "viz/model/words.h"
#include "viz/view/axis.h"
#include "viz/view/picture.h"

namespace tokenyard::viz {

class BarCache;

// All panels of a trace together stay below 25,000 rectangles with it; compared traces share it.
inline constexpr std::int32_t kBudget = 3200;

// One trace: what all of its panels have in common. The pointers without a default must be set; a null one of the others means
// that panels which need it stay empty or say so.
struct Frame {
  const TraceModel* model;
  const Clock* clock;
  Axis axis;                  // begin, end; x0 and x1 are set from each panel's box
  TimeNs cursor = 0;          // in this trace's time
  std::int32_t request = -1;  // selected
  std::int32_t step = -1;     // the current one; -1: none has begun, or all are over
  bool over = false;          // the cursor is behind the run's end
  std::uint8_t trace = 0;     // index among the compared ones
  const Style* style;
  BarCache* bars = nullptr;       // may be left out
  std::int32_t budget = kBudget;  // rectangles for a panel; lanes may have 2.5 times as many, a strip of marks half of it more

  std::string_view name;
  // At the cursor's step:
  const Moment* moment = nullptr;
  const std::vector<PrefixNode>* tree = nullptr;
  const std::vector<Sentence>* sentences = nullptr;
  // Of the whole run:
  const Latency* latency = nullptr;
  const Verdict* verdict = nullptr;
  const RangeSum* range = nullptr;      // of the marked range; null: none is marked
  std::span<const std::int32_t> order;  // of its requests, as lanes from top to bottom; empty: all by arrival
};

// name_of: what a user types; title_of: what the viewer shows where that is another word.
enum class LaneView : std::uint8_t { requests, seats, density };
inline constexpr int kLaneViews = 3;
const char* name_of(LaneView);
enum class LaneOrder : std::uint8_t { arrival, ttft, latency, priority, preemptions, id };
inline constexpr int kLaneOrders = 6;
const char* name_of(LaneOrder);
const char* title_of(LaneOrder);
enum class LatencyKind : std::uint8_t { ttft, tpot, itl, e2el };
inline constexpr int kLatencyKinds = 4;
const char* name_of(LatencyKind);
const char* title_of(LatencyKind);

struct Scene {
  std::vector<Frame> frames;  // of all compared traces
  std::size_t trace = 0;      // whose panel this is
  float scroll = 0;           // pixels
  LaneView lanes = LaneView::requests;
  LaneOrder order = LaneOrder::arrival;
  LatencyKind statistic = LatencyKind::ttft;
  Slo slo;
  std::string_view selected;  // id of a request, which this trace need not have; empty: none

  const Frame& frame() const { return frames[trace]; }
  const Style& style() const { return *frame().style; }
};

}  // namespace tokenyard::viz
