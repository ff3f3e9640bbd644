// A sweep as a picture.
#pragma once

#include <string>
#include <vector>

#include "sim/sweep.h"

namespace tokenyard::cli {

// What is drawn where nothing is asked for: throughput, latencies, and the one against the other.
inline const std::vector<std::string> kSweepPlotMetrics = {"output_throughput", "p99_ttft_ms", "p99_tpot_ms", "p99_e2el_ms"};

struct SweepPlot {
  std::string title;
  std::vector<Axis> axes;
  std::vector<std::vector<std::string>> values;  // per run, one per axis
  std::vector<std::string> names;                // of the metrics: kSweepPlotMetrics, or one to four, a panel each
  std::vector<std::vector<double>> metrics;      // per run
};

// The first axis runs along x; every combination of the others is a line. Throws InputError when those are more than a plot
// can tell apart.
std::string draw_sweep(const SweepPlot& sweep);

}  // namespace tokenyard::cli
