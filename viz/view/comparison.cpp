#include "viz/view/comparison.h"

#include <algorithm>

namespace tokenyard::viz {

Extent extent_of(std::span<const Clock> clocks) {
  if (clocks.empty()) return {};
  Extent out{clocks.front().begin(), clocks.front().end()};
  for (const Clock& clock : clocks) {
    out.begin = std::min(out.begin, clock.begin());
    out.end = std::max(out.end, clock.end());
  }
  out.end = std::max(out.end, out.begin + Axis::kNarrowest);
  return out;
}

}  // namespace tokenyard::viz
