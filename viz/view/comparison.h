// Up to four traces under one cursor.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "core/trace/source.h"
#include "viz/model/trace_model.h"
#include "viz/view/axis.h"

namespace tokenyard::viz {

inline constexpr std::size_t kMostTraces = 4;

// Where two traces part, as core/trace/diff tells it.
struct FirstDifference {
  bool same = true;
  std::int32_t step = -1;  // index in both models; a trace that ends before has no such step. -1: they are the same
  std::string text;
};
// Reads both from where they are. Throws InputError like diff_traces.
FirstDifference first_difference(TraceSource& a, TraceSource& b, bool ignore_time);

// What all axes must cover.
struct Extent {
  Place begin = 0;
  Place end = 1;
};
Extent extent_of(std::span<const Clock> clocks);

}  // namespace tokenyard::viz
