// Up to four traces under one cursor.
#pragma once

#include <cstddef>
#include <span>

#include "viz/view/axis.h"

namespace tokenyard::viz {

inline constexpr std::size_t kMostTraces = 4;

// What all axes must cover.
struct Extent {
  Place begin = 0;
  Place end = 1;
};
Extent extent_of(std::span<const Clock> clocks);

}  // namespace tokenyard::viz
