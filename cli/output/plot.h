// Line charts as SVG: what a slide needs and no more.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace tokenyard::cli {

struct Series {
  std::string name;  // in the legend
  std::vector<double> x, y;
  bool points = false;            // a mark at each point
  std::vector<bool> hollow = {};  // marks that are rings; empty: none
  bool line = true;
};

struct Reference {  // a dashed line across the panel
  std::string name;
  double at = 0;
  bool vertical = false;
};

struct Panel {
  std::string title, x_label, y_label;
  std::vector<Series> series;
  std::vector<Reference> references = {};
  bool log_x = false, log_y = false;
  bool stacked = false;                      // areas on top of each other; all series have the same x
  std::vector<std::string> categories = {};  // x is an index into these, evenly spaced
  std::optional<double> y_max = {};          // else from the data
};

// One to four panels on 1280 x 720. Colours are Okabe and Ito's, which people with any colour vision tell apart; series beyond
// the eighth are dashed. REQUIRES: no more than kMostSeries series in a panel; all values are finite.
inline constexpr std::size_t kMostSeries = 16;
std::string draw(const std::string& title, const std::string& subtitle, const std::vector<Panel>& panels);

// Throws InputError when `path` cannot become a plot: call before long work.
void require_plot_format(const std::string& path);
// By the name's ending: .svg, and .png where this program was built with librsvg. Throws InputError.
void save_plot(const std::string& path, const std::string& svg);

}  // namespace tokenyard::cli
