#include "viz/view/comparison.h"

#include <algorithm>

#include "core/trace/diff.h"

namespace tokenyard::viz {

FirstDifference first_difference(TraceSource& a, TraceSource& b, bool ignore_time) {
  const TraceDifference difference = diff_traces(a, b, {ignore_time});
  FirstDifference out;
  out.same = difference.same;
  out.text = difference.text;
  // The steps they have in common come first in both.
  if (!out.same) out.step = static_cast<std::int32_t>(difference.steps);
  return out;
}

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
