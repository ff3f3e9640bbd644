// What the panels' layouts share. For viz/view's .cpp files only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "viz/view/panels.h"

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

std::vector<Bar> bars(const Frame& frame, const Projector& projector);
// The steps of all bars: first to one past the last.
std::pair<std::int32_t, std::int32_t> visible_steps(const TraceModel& model, TimeNs begin, TimeNs end);

// A tick for every kind of mark in every column in which one falls. The ticks are `height` high, from y on.
void mark_strip(const Frame& frame, const Projector& projector, float y, float height, Picture& out);

void cursor_line(const Frame& frame, const Projector& projector, Box box, Picture& out);
// In lines that fit, at spaces where it can be.
std::vector<std::string> wrapped(const Style& style, std::string_view text, float room);
// A name at the left, in the gutter; further lines below it, dim.
void side_label(const Frame& frame, Box box, const std::string& name, const std::vector<std::string>& more, Picture& out);
void add_text(const Style& style, float x, float y, float room, std::string_view text, Tone tone, Picture& out);
// Likewise, on a filled rectangle.
void add_text_on(const Rect& rect, const Style& style, float x, float y, float room, std::string_view text, Picture& out);
Picture panel(Box box);
Box cut(Box box, const Box& by);
// Add what of it lies within the picture's box.
void add_rect(Picture& out, Rect rect);
void add_line(Picture& out, Line line);

}  // namespace tokenyard::viz
