// From a trace's times to pixels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "viz/view/scene.h"

namespace tokenyard::viz {

// Times to pixels, for one trace and one visible range: linear, or by a table of one time a pixel.
class Projector {
 public:
  Projector(const Frame& frame, const Axis& axis);
  // Not further than a pixel outside the axis.
  float x(TimeNs time) const;
  TimeNs time(float x) const;
  TimeNs begin() const { return begin_; }  // visible times
  TimeNs end() const { return end_; }
  Place from() const { return from_; }  // on the axis
  Place to() const { return to_; }
  float x0() const { return x0_; }
  float x1() const { return x1_; }

 private:
  float tabled(TimeNs time) const;
  std::size_t slot(TimeNs time) const;  // REQUIRES: within the visible times

  float x0_, x1_;
  Place from_, to_;
  float end_x_;  // of the run's end: right of it time stands still where the axis is none of time
  TimeNs begin_, end_;
  double pixels_per_ns_ = 0;
  std::vector<TimeNs> times_;  // at x0, x0 + 1, ...; empty: linear
  double slots_per_ns_ = 0;
  std::vector<std::int32_t> slots_;  // index of the first of times_ that lies in that slot or a later one
  // Most are asked for in order, and an end is the next one's begin.
  mutable TimeNs last_time_ = kNever;
  mutable float last_x_ = 0;
};

}  // namespace tokenyard::viz
