// The panels' pure layout: a model, a time range, a size in; rectangles and texts out. No panel draws more rectangles than its
// budget, whatever the trace holds, and no mark of the visible time is left out.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "viz/model/moment.h"
#include "viz/model/prefix_tree.h"
#include "viz/model/statistics.h"
#include "viz/model/words.h"
#include "viz/view/axis.h"
#include "viz/view/picture.h"

namespace tokenyard::viz {

// All panels of a trace together stay below 25,000 rectangles with it; compared traces share it.
inline constexpr std::int32_t kBudget = 3200;

// A step, or several where they are narrower than the fold.
struct Bar {
  float x0, x1;
  std::int32_t first, end;  // steps
  StepSum sum;
};

// The bars of a trace's latest panels: panels with the same axis share them, and while only the cursor moves they stay.
class BarCache {
 public:
  struct Key {
    const TraceModel* model = nullptr;
    std::int32_t steps = 0;
    Align align{};
    TimeNs begin = 0, end = 0;  // visible
    Place axis_begin = 0, axis_end = 0;
    float x0 = 0, x1 = 0;
    float fold = 0;
    friend bool operator==(const Key&, const Key&) = default;
  };
  const std::vector<Bar>* find(const Key& key) const {
    for (const Entry& entry : entries_) {
      if (entry.key == key) return &entry.bars;
    }
    return nullptr;
  }
  void keep(const Key& key, const std::vector<Bar>& bars) {
    entries_[oldest_] = {key, bars};
    oldest_ = 1 - oldest_;
  }
  void clear() { entries_.fill({}); }

 private:
  struct Entry {
    Key key;
    std::vector<Bar> bars;
  };
  std::array<Entry, 2> entries_;  // of the whole run above, and of what is visible of it
  std::size_t oldest_ = 0;
};

// What all panels of one trace have in common.
struct Frame {
  const TraceModel* model;
  const Clock* clock;
  Axis axis;                  // begin, end; x0 and x1 are set from each panel's box
  TimeNs cursor = 0;          // in this trace's time
  std::int32_t request = -1;  // selected
  std::int32_t step = -1;     // the current one
  std::uint8_t trace = 0;     // index among the compared ones
  const Style* style;
  BarCache* bars = nullptr;       // may be left out
  std::int32_t budget = kBudget;  // rectangles for a panel; lanes may have 2.5 times as many, a strip of marks half of it more
};

// Left of the time axis, the same for all panels that are as wide, so that times stand below each other.
float gutter(const Style& style, float width);
// The axis of a panel in `box`: what lies right of the gutter.
Axis panel_axis(const Frame& frame, Box box);

// The whole run in a strip: the longest step of each column, waiting requests as an area, marks as ticks, the visible range
// as a frame. Always over the whole axis [least, most].
Picture overview(const Frame& frame, Box box, Place least, Place most);
// The time axis with its numbers and the cursor.
Picture ruler(const Frame& frame, Box box);

enum class LaneView : std::uint8_t { requests, seats, density };
const char* name_of(LaneView);
enum class LaneOrder : std::uint8_t { arrival, ttft, latency, priority, preemptions, id };
inline constexpr int kLaneOrders = 6;
const char* name_of(LaneOrder);
// Request numbers in that order, the longest first for ttft, latency and preemptions.
std::vector<std::int32_t> ordered(const TraceModel& model, LaneOrder order);

struct LaneOptions {
  LaneView view = LaneView::requests;
  std::span<const std::int32_t> order;  // for requests: which, from top to bottom; empty: all by arrival
  float row = 0;                        // pixels; 0: a line of text. Below the style's fold: density is shown instead
  float scroll = 0;                     // pixels
};
Picture lanes(const Frame& frame, Box box, const LaneOptions& options);
// Where the row of `request` begins, without scroll; negative: it has none.
float lane_top(const Frame& frame, const LaneOptions& options, std::int32_t request);

// Every step's duration with its parts. `longest`: the scale's top, the same for compared traces (0: own).
Picture batch_latency(const Frame& frame, Box box, TimeNs longest = 0);
// Tokens of every step against the budget and rows against the seats. `most`: likewise, tokens.
Picture batch_composition(const Frame& frame, Box box, std::int64_t most = 0);
// The tops that `frame`'s visible range needs, to be shared.
TimeNs longest_step(const Frame& frame);
std::int64_t most_tokens(const Frame& frame);

// The pool as a grid in order of block ids. Above the budget a cell stands for several blocks.
Picture block_map(const Frame& frame, Box box, const Moment& moment);
// Logical to physical blocks of the selected request.
Picture block_table(const Frame& frame, Box box, const Moment& moment, float scroll);
Picture prefix_cache(const Frame& frame, Box box, const Moment& moment, const std::vector<PrefixNode>& tree, float scroll);

enum class LatencyKind : std::uint8_t { ttft, tpot, itl, e2el };
const char* name_of(LatencyKind);
// Cumulated distributions of up to four traces over each other, with percentiles and the objective's line.
Picture latency_cdf(const Style& style, Box box, std::span<const Latency* const> traces, LatencyKind kind, const Slo& slo);

// Running, waiting, blocks used and cached, hit rate, tokens a second; each a row of its own with its scale.
Picture counters(const Frame& frame, Box box);
Picture why(const Frame& frame, Box box, const std::vector<Sentence>& sentences, float scroll);
// The comparison's table.
Picture verdicts(const Style& style, Box box, std::span<const std::string> names, const std::vector<VerdictRow>& rows);
// What colours and patterns mean, as far as they occur in these traces.
struct Meaning {
  const char* text;
  Tone tone;
  Pattern pattern = Pattern::solid;
  char letter = 0;
  std::uint8_t strength = 255;
};
struct Meanings {
  std::vector<Meaning> lanes, steps, batch, blocks;
};
Meanings meanings_of(std::span<const TraceModel* const> traces);
// As many lines as they need.
Picture legend(const Style& style, Box box, std::span<const Meaning> meanings);

// Several lines about what `ref` is.
std::string tip(const Frame& frame, const Moment& moment, const std::vector<PrefixNode>& tree, const Ref& ref);

}  // namespace tokenyard::viz
