// Steps as bars over the time axis: one each, or several together where they would be narrower than the style's fold.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "viz/view/projector.h"

namespace tokenyard::viz {

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

std::vector<Bar> bars(const Frame& frame, const Projector& projector);
// The steps of all bars: first to one past the last.
std::pair<std::int32_t, std::int32_t> visible_steps(const TraceModel& model, TimeNs begin, TimeNs end);
// Sums over the visible steps of `frame`. O(log steps).
StepSum visible_sum(const Frame& frame);

// A bar stands for `step` in tips and clicks.
Ref step_ref(const Frame& frame, const Bar& bar, std::int32_t step);

// A column's height above its mean, up to its fullest step: faint, with a line at the top. Nothing where it is one step.
void add_most(const Frame& frame, const Bar& bar, float mean_y, float most_y, const Ref& ref, Picture& out);
// What a column is, for the gutter: nothing where every bar is one step.
std::vector<std::string> column_words(const std::vector<Bar>& bars);

// How high `value` is, in pixels, where `top` is `height` high.
float level(double value, double top, float height);

// A line over bars: level over each of them, and between two that do not touch.
struct Stairs {
  Line line;
  float idle = -1;  // where no step runs; negative: as high as before
  void add(const Bar& bar, float y);
};

}  // namespace tokenyard::viz
