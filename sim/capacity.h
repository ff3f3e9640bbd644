// How much traffic meets a goal: a search over the workload's rate.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/metrics.h"

namespace tokenyard {

struct Goal {
  std::string metric;  // a name of result_values.h: "p99_ttft_ms"
  double limit = 0;    // ms
};

// "ttft_p99=500ms,tpot_p99=50ms": ttft, tpot, itl or e2el; mean, median, p90, p95 or p99; us, ms or s. Throws InputError.
std::vector<Goal> parse_goals(const std::string& text);

// Clients that give up or get no whole answer have no latency to count, so they may be no more than this share.
inline constexpr double kMostLost = 0.01;

// One run of the search.
struct Probe {
  double rate_scale = 1;       // Scenario::rate_scale
  double rate = 0;             // arrivals per second
  std::vector<double> values;  // one per goal
  double lost = 0;             // share of the requests: cancelled, failed, cut off
  bool met = false;
};

Probe make_probe(double rate_scale, const Metrics& metrics, const std::vector<Goal>& goals);

struct Capacity {
  std::optional<Probe> met;     // the highest rate found to meet the goals
  std::optional<Probe> missed;  // the lowest found to miss them
};

// Doubles or halves the rate from `start` until one rate meets the goals and the next misses them, then bisects until the two
// are at most `precision` apart (relative to the lower). Finds the edge where meeting is monotonic; else one of the edges.
// Without `met`: missed even at start / 2^20. Without `missed`: met even at start x 2^20. About 2 + log2(distance of the edge
// from start) + log2(1 / precision) runs. REQUIRES: 0 < precision < 1.
Capacity find_capacity(const std::function<Probe(double rate_scale)>& run, double start, double precision);

}  // namespace tokenyard
