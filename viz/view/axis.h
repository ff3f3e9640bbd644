// One horizontal axis for all traces, and how each one's time lies on it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "viz/model/trace_model.h"

namespace tokenyard::viz {

enum class Align : std::uint8_t {
  time,     // nanoseconds since the run began
  step,     // steps
  work,     // tokens computed
  arrival,  // nanoseconds since the selected request was sent
};
inline constexpr int kAligns = 4;
// What a user types, and what the viewer shows.
const char* name_of(Align);
const char* title_of(Align);

// A place on the axis: nanoseconds, or 1e-6 steps, or 1e-3 tokens.
using Place = std::int64_t;

// Both directions are monotone; for step and work, time between two steps takes no room. O(log steps), O(1) for time and
// arrival.
class Clock {
 public:
  // `request` matters for arrival: -1, or absent from this trace, is the run's begin.
  explicit Clock(const TraceModel& model, Align align = Align::time, std::int32_t request = -1);
  Place place(TimeNs time) const;
  TimeNs time(Place place) const;
  Place begin() const { return place(model_->begin()); }
  Place end() const { return place(model_->end()); }
  Align align() const { return align_; }
  bool linear() const { return align_ == Align::time || align_ == Align::arrival; }

 private:
  const TraceModel* model_;
  Align align_;
  TimeNs origin_ = 0;
};

// The visible part of the axis. Values only; every change keeps it within [least, most] and at least kNarrowest wide.
struct Axis {
  Place begin = 0;
  Place end = 1;
  float x0 = 0;  // pixels
  float x1 = 1;

  double x(Place place) const;
  Place place(double x) const;
  double places_per_pixel() const;

  static constexpr Place kNarrowest = 100;
  // factor < 1 shows less; what is under `x` stays there.
  void zoom(double x, double factor, Place least, Place most);
  void pan(double pixels, Place least, Place most);
  void show(Place from, Place to, Place least, Place most);
};

// "12.5 ms", "step 17", "1,024 tokens".
std::string place_in_words(Align align, Place place);

// Multiples of 1, 2 or 5 times a power of ten from 0 to `top`, at most `most` of them beside 0.
std::vector<double> round_values(double top, int most);

// Where to write numbers: multiples of 1, 2 or 5 times a power of ten, at least `min_pixels` apart.
struct Tick {
  Place place;
  std::string text;
};
std::vector<Tick> ticks(const Axis& axis, Align align, float min_pixels);

}  // namespace tokenyard::viz
