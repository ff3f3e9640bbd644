#include "cli/output/plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "cli/output/rasterize.h"
#include "cli/output/report.h"
#include "core/base/input_error.h"
#include "core/base/output_file.h"

namespace tokenyard::cli {
namespace {

constexpr double kPlotWidth = 1280, kHeight = 720;
constexpr double kMargin = 24, kTop = 84, kGap = 28;
constexpr double kFont = 15;
// Widths of letters differ between fonts; this is a wide one's mean.
double text_width(const std::string& text, double size) { return 0.6 * size * static_cast<double>(text.size()); }

// Okabe and Ito, "Color Universal Design" (2008); black and yellow last, for they are hardest to read as lines.
constexpr std::array kColors = {"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#F0E442"};
const char* color(std::size_t i) { return kColors[i % kColors.size()]; }
const char* dash(std::size_t i) { return i < kColors.size() ? "" : " stroke-dasharray=\"7 4\""; }

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return out;
}

std::string text_at(double x, double y, const char* anchor, double size, const std::string& text, const char* more = "") {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\" font-size=\"{}\"{}>{}</text>\n", x, y, anchor, size,
                     more, escaped(text));
}

// 1, 2 or 5 times a power of ten, giving about `count` steps over `span`.
double step_of(double span, double count) {
  const double raw = span / count;
  const double power = std::pow(10, std::floor(std::log10(raw)));
  const double lead = raw / power;
  return power * (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10);
}

std::string tick_text(double value) {
  const double size = std::abs(value);
  if (size >= 1e6) return fmt::format("{:g}M", value / 1e6);
  if (size >= 1e5) return fmt::format("{:g}k", value / 1e3);
  return fmt::format("{:g}", size < 1e-12 ? 0 : value);
}

class AxisScale {
 public:
  AxisScale(double low, double high, bool log, double begin, double end) : log_(log), begin_(begin), end_(end) {
    if (log_) {
      low_ = std::log10(low);
      high_ = std::log10(high);
      if (high_ - low_ < 0.5) {
        const double middle = (low_ + high_) / 2;
        low_ = middle - 0.25;
        high_ = middle + 0.25;
      }
    } else {
      low_ = low;
      high_ = high > low ? high : low + 1;
    }
  }
  double at(double value) const {
    const double position = log_ ? std::log10(std::max(value, 1e-300)) : value;
    return begin_ + std::clamp((position - low_) / (high_ - low_), 0.0, 1.0) * (end_ - begin_);
  }
  std::vector<double> ticks(double count) const {
    std::vector<double> out;
    if (log_) {
      const bool dense = high_ - low_ <= 3;
      for (double power = std::floor(low_); power <= high_; power += 1) {
        for (const double lead : {1.0, 2.0, 5.0}) {
          if (lead > 1 && !dense) continue;
          const double position = power + std::log10(lead);
          if (position >= low_ - 1e-9 && position <= high_ + 1e-9) out.push_back(std::pow(10, power) * lead);
        }
      }
      return out;
    }
    const double step = step_of(high_ - low_, count);
    for (double k = std::ceil(low_ / step - 1e-9); k * step <= high_ + 1e-9 * step; k += 1) out.push_back(k * step);
    return out;
  }

 private:
  bool log_;
  double begin_, end_;
  double low_ = 0, high_ = 1;
};

struct Box {
  double x, y, width, height;
};

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  void take(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool empty() const { return low > high; }
};

// Entries in as many lines as they need; returns the lines' height.
double legend(const Panel& panel, const Box& box, std::string& out) {
  struct Entry {
    std::string name, mark;
  };
  double x = box.x, y = box.y;
  const double line = 20;
  const auto put = [&](const std::string& name, const std::string& swatch) {
    const double width = 30 + text_width(name, kFont - 2) + 14;
    if (x > box.x && x + width > box.x + box.width) {
      x = box.x;
      y += line;
    }
    out += fmt::format("<g transform=\"translate({:.1f} {:.1f})\">{}</g>\n", x, y, swatch);
    out += text_at(x + 30, y + 5, "start", kFont - 2, name);
    x += width;
  };
  for (std::size_t i = 0; i < panel.series.size(); ++i) {
    const Series& s = panel.series[i];
    std::string swatch;
    if (panel.stacked) {
      swatch = fmt::format("<rect x=\"4\" y=\"-6\" width=\"18\" height=\"12\" fill=\"{}\"/>", color(i));
    } else {
      if (s.line) swatch = fmt::format("<path d=\"M2 0H24\" stroke=\"{}\" stroke-width=\"3\"{}/>", color(i), dash(i));
      if (s.points) swatch += fmt::format("<circle cx=\"13\" cy=\"0\" r=\"5\" fill=\"{}\"/>", color(i));
    }
    put(s.name, swatch);
  }
  for (const Reference& reference : panel.references) {
    put(reference.name, "<path d=\"M2 0H24\" stroke=\"#555\" stroke-width=\"2\" stroke-dasharray=\"5 4\"/>");
  }
  return y - box.y + line;
}

void draw_series(const Panel& panel, const AxisScale& sx, const AxisScale& sy, std::string& out) {
  std::vector<double> below;
  if (panel.stacked) below.assign(panel.series.front().x.size(), 0);
  for (std::size_t i = 0; i < panel.series.size(); ++i) {
    const Series& s = panel.series[i];
    if (s.x.empty()) continue;
    if (panel.stacked) {
      std::string path, back;
      for (std::size_t k = 0; k < s.x.size(); ++k) {
        path += fmt::format("{}{:.1f} {:.1f}", k == 0 ? "M" : "L", sx.at(s.x[k]), sy.at(below[k] + s.y[k]));
        back = fmt::format("L{:.1f} {:.1f}", sx.at(s.x[k]), sy.at(below[k])) + back;
        below[k] += s.y[k];
      }
      out += fmt::format("<path d=\"{}{}Z\" fill=\"{}\" fill-opacity=\"0.85\"/>\n", path, back, color(i));
      continue;
    }
    if (s.line) {
      std::string path;
      for (std::size_t k = 0; k < s.x.size(); ++k) {
        path += fmt::format("{}{:.1f} {:.1f}", k == 0 ? "M" : "L", sx.at(s.x[k]), sy.at(s.y[k]));
      }
      out += fmt::format("<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2.5\" stroke-linejoin=\"round\"{}/>\n",
                         path, color(i), dash(i));
    }
    if (!s.points) continue;
    for (std::size_t k = 0; k < s.x.size(); ++k) {
      const bool ring = k < s.hollow.size() && s.hollow[k];
      out += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"5\" fill=\"{}\" stroke=\"{}\" stroke-width=\"2\"/>\n",
                         sx.at(s.x[k]), sy.at(s.y[k]), ring ? "#fff" : color(i), color(i));
    }
  }
}

void draw_panel(const Panel& panel, const Box& box, std::string& out) {
  out += text_at(box.x, box.y + 16, "start", kFont + 2, panel.title, " font-weight=\"600\"");
  const double legend_height = legend(panel, {box.x + 6, box.y + 38, box.width - 12, 0}, out);

  Range x, y;
  for (const Series& s : panel.series) {
    for (const double v : s.x) {
      if (!panel.log_x || v > 0) x.take(v);
    }
    for (const double v : s.y) {
      if (!panel.log_y || v > 0) y.take(v);
    }
  }
  for (const Reference& reference : panel.references) (reference.vertical ? x : y).take(reference.at);
  if (x.empty()) x.take(1);
  if (y.empty()) y.take(1);
  if (!panel.log_y) y.low = std::min(0.0, y.low);
  if (panel.stacked) {
    Range sum;
    for (std::size_t k = 0; k < panel.series.front().y.size(); ++k) {
      double total = 0;
      for (const Series& s : panel.series) total += s.y[k];
      sum.take(total);
    }
    y.high = std::max(y.low, sum.high);
  }
  if (panel.y_max) y.high = *panel.y_max;
  if (panel.log_y) {
    y.low *= 0.8;
    y.high *= 1.25;
  }
  if (!panel.categories.empty()) {
    x.low = -0.5;
    x.high = static_cast<double>(panel.categories.size()) - 0.5;
  } else if (!panel.log_x) {
    x.low = std::min(0.0, x.low);
    const bool marks = !panel.series.empty() && panel.series.front().points;
    if (marks) x.high += 0.04 * (x.high - x.low);  // the last one stands free
  }

  const double bottom = box.y + box.height - 50;
  const double top = box.y + 38 + legend_height;
  const double y_steps = std::max(2.0, (bottom - top) / 36);
  if (!panel.log_y && !panel.y_max) {          // up to the next tick
    for (int round = 0; round < 2; ++round) {  // the longer axis may take a larger step
      const double step = step_of(std::max(y.high - y.low, 1e-9), y_steps);
      y.high = step * std::ceil(y.high / step - 1e-9);
    }
  }
  const AxisScale sy(y.low, y.high, panel.log_y, bottom, top);
  double labels = 0;
  const std::vector<double> y_ticks = sy.ticks(y_steps);
  for (const double tick : y_ticks) labels = std::max(labels, text_width(tick_text(tick), kFont - 1));
  const double left = box.x + 24 + labels + 8;
  const double right = box.x + box.width - 12;
  const AxisScale sx(x.low, x.high, panel.log_x, left, right);

  for (const double tick : y_ticks) {
    out += fmt::format("<path d=\"M{:.1f} {:.1f}H{:.1f}\" stroke=\"#ddd\"/>\n", left, sy.at(tick), right);
    out += text_at(left - 8, sy.at(tick) + 5, "end", kFont - 1, tick_text(tick));
  }
  if (panel.categories.empty()) {
    double occupied = -1e9;  // labels that would touch are left out
    for (const double tick : sx.ticks((right - left) / 90)) {
      const double half = text_width(tick_text(tick), kFont - 1) / 2;
      out += fmt::format("<path d=\"M{:.1f} {:.1f}v6\" stroke=\"#333\"/>\n", sx.at(tick), bottom);
      if (sx.at(tick) - half < occupied + 8) continue;
      occupied = sx.at(tick) + half;
      out += text_at(sx.at(tick), bottom + 22, "middle", kFont - 1, tick_text(tick));
    }
  } else {
    const double room = (right - left) / static_cast<double>(panel.categories.size());
    for (std::size_t i = 0; i < panel.categories.size(); ++i) {
      std::string name = panel.categories[i];
      const auto most = static_cast<std::size_t>(std::max(3.0, room / (0.6 * (kFont - 1)) - 1));
      if (name.size() > most) name = name.substr(0, most - 1) + "~";
      out += text_at(sx.at(static_cast<double>(i)), bottom + 22, "middle", kFont - 1, name);
    }
  }
  out += text_at((left + right) / 2, bottom + 44, "middle", kFont, panel.x_label);
  out += fmt::format(
      "<text transform=\"translate({:.1f} {:.1f}) rotate(-90)\" text-anchor=\"middle\" font-size=\"{}\">{}</text>\n",
      box.x + 12, (top + bottom) / 2, kFont, escaped(panel.y_label));

  draw_series(panel, sx, sy, out);
  for (const Reference& reference : panel.references) {
    const std::string path = reference.vertical ? fmt::format("M{:.1f} {:.1f}V{:.1f}", sx.at(reference.at), bottom, top)
                                                : fmt::format("M{:.1f} {:.1f}H{:.1f}", left, sy.at(reference.at), right);
    out += fmt::format("<path d=\"{}\" fill=\"none\" stroke=\"#555\" stroke-width=\"2\" stroke-dasharray=\"5 4\"/>\n", path);
  }
  out += fmt::format("<path d=\"M{:.1f} {:.1f}V{:.1f}H{:.1f}\" fill=\"none\" stroke=\"#333\" stroke-width=\"1.5\"/>\n", left,
                     top, bottom, right);
}

bool ends_with(const std::string& path, const char* ending) { return path.ends_with(ending); }

}  // namespace

std::string draw(const std::string& title, const std::string& subtitle, const std::vector<Panel>& panels) {
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" "
      "font-family=\"Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif\" fill=\"#222\">\n"
      "<rect width=\"{0}\" height=\"{1}\" fill=\"#fff\"/>\n",
      kPlotWidth, kHeight);
  out += text_at(kMargin, 36, "start", 24, title, " font-weight=\"600\"");
  out += text_at(kMargin, 60, "start", kFont, subtitle, " fill=\"#555\"");
  const double width = kPlotWidth - 2 * kMargin, height = kHeight - kTop - 8;
  const double half_width = (width - kGap) / 2, half_height = (height - kGap / 2) / 2;
  for (std::size_t i = 0; i < panels.size(); ++i) {
    Box box{kMargin, kTop, width, height};
    if (panels.size() > 1) {
      // Two side by side; of three, the first is tall; four in a square.
      const bool right = panels.size() == 3 ? i > 0 : i % 2 == 1;
      const bool low = panels.size() == 3 ? i == 2 : i >= 2;
      const bool tall = panels.size() == 2 || (panels.size() == 3 && i == 0);
      box = {kMargin + (right ? half_width + kGap : 0), kTop + (low ? half_height + kGap / 2 : 0), half_width,
             tall ? height : half_height};
    }
    draw_panel(panels[i], box, out);
  }
  return out + "</svg>\n";
}

void require_plot_format(const std::string& path) {
  if (ends_with(path, ".svg") || is_stream(path) || (ends_with(path, ".png") && can_rasterize())) return;
  if (ends_with(path, ".png")) {
    throw InputError(path + ": expected a name ending in .svg: this program was built without librsvg, which .png needs");
  }
  throw InputError(path + ": expected a name ending in .svg or .png");
}

void save_plot(const std::string& path, const std::string& svg) {
  require_plot_format(path);
  write_file(path, ends_with(path, ".png") ? rasterize(svg) : svg);
}

}  // namespace tokenyard::cli
