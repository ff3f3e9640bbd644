// Up to four traces under one cursor.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "viz/model/trace_model.h"
#include "viz/view/axis.h"

namespace tokenyard::viz {

inline constexpr std::size_t kMostTraces = 4;

// Where two trace files part, as core/trace_diff tells it.
struct FirstDifference {
  bool same = true;
  std::int32_t step_a = -1;  // index in each model; -1: it has no such step
  std::int32_t step_b = -1;
  std::string text;
};
// Reads both files again. Throws InputError like diff_traces.
FirstDifference first_difference(const std::string& a, const std::string& b, bool ignore_time);

// What all axes must cover.
struct Extent {
  Place begin = 0;
  Place end = 1;
};
Extent extent_of(std::span<const Clock> clocks);

}  // namespace tokenyard::viz
