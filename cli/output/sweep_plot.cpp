#include "cli/output/sweep_plot.h"

#include <algorithm>
#include <cmath>

#include "cli/output/plot.h"
#include "core/base/input_error.h"

namespace tokenyard::cli {

std::string draw_sweep(const SweepPlot& sweep) {
  const Axis& along = sweep.axes.front();
  const auto last_word = [](const std::string& path) { return path.substr(path.rfind('.') + 1); };
  std::vector<std::string> names;  // of the lines, in the order of the runs
  const auto line_of = [&](std::size_t run) {
    std::string name;
    for (std::size_t a = 1; a < sweep.axes.size(); ++a) {
      name += (a == 1 ? "" : ", ") + last_word(sweep.axes[a].path) + " " + sweep.values[run][a];
    }
    return name.empty() ? std::string("all runs") : name;
  };
  for (std::size_t run = 0; run < sweep.values.size(); ++run) {
    const std::string name = line_of(run);
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  if (names.size() > kMostSeries) {
    throw InputError("--plot: expected at most " + std::to_string(kMostSeries) + " lines, found " +
                     std::to_string(names.size()) + "; put the axis with most values first, or vary less");
  }

  const auto panel_of = [&](std::size_t metric, const std::string& title) {
    const bool is_time = sweep.names[metric].ends_with("_ms");
    Panel panel{title, last_word(along.path), is_time ? "ms" : "", {}};
    panel.categories = along.values;
    for (const std::string& name : names) panel.series.push_back({name, {}, {}, true});
    double low = 1e300, high = 0;
    for (std::size_t run = 0; run < sweep.values.size(); ++run) {
      const double value = sweep.metrics[run][metric];
      if (!std::isfinite(value)) continue;
      const auto line = static_cast<std::size_t>(std::find(names.begin(), names.end(), line_of(run)) - names.begin());
      const auto at = std::find(along.values.begin(), along.values.end(), sweep.values[run][0]) - along.values.begin();
      panel.series[line].x.push_back(static_cast<double>(at));
      panel.series[line].y.push_back(value);
      low = std::min(low, value);
      high = std::max(high, value);
    }
    panel.log_y = is_time && low > 0 && high > 30 * low;
    return panel;
  };
  if (sweep.names != kSweepPlotMetrics) {
    std::vector<Panel> panels;
    for (std::size_t metric = 0; metric < sweep.names.size(); ++metric) panels.push_back(panel_of(metric, sweep.names[metric]));
    return draw(sweep.title, "varied: " + along.path, panels);
  }
  Panel throughput = panel_of(0, "Output throughput");
  throughput.y_label = "tokens/s";

  Panel curve{"Throughput against latency", "output tokens/s", "P99 end-to-end, s", {}};
  for (const std::string& name : names) curve.series.push_back({name, {}, {}, true});
  for (std::size_t run = 0; run < sweep.values.size(); ++run) {
    if (!std::isfinite(sweep.metrics[run][0]) || !std::isfinite(sweep.metrics[run][3])) continue;
    const auto line = static_cast<std::size_t>(std::find(names.begin(), names.end(), line_of(run)) - names.begin());
    curve.series[line].x.push_back(sweep.metrics[run][0]);
    curve.series[line].y.push_back(sweep.metrics[run][3] / 1e3);
  }
  return draw(sweep.title, "varied: " + along.path,
              {throughput, curve, panel_of(1, "P99 time to first token"), panel_of(2, "P99 time per output token")});
}

}  // namespace tokenyard::cli
