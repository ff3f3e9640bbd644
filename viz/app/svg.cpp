#include "viz/app/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <vector>

#include "viz/app/theme.h"
#include "viz/view/layout.h"
#include "viz/view/legend.h"
#include "viz/view/overview.h"

namespace tokenyard::viz {
namespace {

constexpr float kEm = 14, kPad = 4, kHeader = 19;
constexpr float kLetter = 7;  // mean width of a sans-serif font's letters at the size below, pixels

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      default: out += c;
    }
  }
  return out;
}

class Writer {
 public:
  Writer(Theme theme, int width, int height) : theme_(theme) {
    out_ = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" "
        "font-family=\"DejaVu Sans, Verdana, sans-serif\" font-size=\"12\">\n",
        width, height);
    fill({0, 0, static_cast<float>(width), static_cast<float>(height)}, rgb_of(theme, Tone::ground));
    flush();
  }

  // What lies beyond the picture's box is cut off.
  void picture(const Picture& in) {
    const Box& b = in.box;
    out_ += fmt::format(
        "<svg x=\"{0:.0f}\" y=\"{1:.0f}\" width=\"{2:.0f}\" height=\"{3:.0f}\" viewBox=\"{0:.0f} {1:.0f} {2:.0f} {3:.0f}\">\n",
        b.x0, b.y0, b.width(), b.height());
    for (const Rect& each : in.rects) rect(each);
    flush();
    for (const Line& each : in.lines) line(each);
    for (const Label& each : in.labels) {
      const std::uint32_t rgb =
          each.on ? ink_on(faded(theme_, rgb_of(theme_, *each.on, each.hue), each.strength)) : rgb_of(theme_, each.tone);
      text(each.x, each.y, each.text, rgb);
    }
    out_ += "</svg>\n";
  }

  void bar(const Box& box) {
    fill(box, faded(theme_, rgb_of(theme_, Tone::grid), 150));
    flush();
  }
  void text(float x, float y, const std::string& words, std::uint32_t rgb) {
    flush();
    if (!words.empty())
      out_ += fmt::format("<text x=\"{:.0f}\" y=\"{:.0f}\" fill=\"#{:06x}\">{}</text>\n", x, y + 11.5F, rgb, escaped(words));
  }
  void text(float x, float y, const std::string& words, Tone tone) { text(x, y, words, rgb_of(theme_, tone)); }

  std::string finished() {
    flush();
    return out_ + "</svg>\n";
  }

 private:
  static Box whole(const Box& in) {
    Box out = {std::round(in.x0), std::round(in.y0), std::round(in.x1), std::round(in.y1)};
    out.x1 = std::max(out.x1, out.x0 + 1);
    out.y1 = std::max(out.y1, out.y0 + 1);
    return out;
  }

  void rect(const Rect& in) {
    const Box box = whole(in.box);
    const std::uint32_t rgb = faded(theme_, rgb_of(theme_, in.tone, in.hue), in.strength);
    const float small = std::min(box.width(), box.height());
    switch (in.pattern) {
      case Pattern::solid:
        fill(box, rgb);
        if (in.tone == Tone::owner) look(box, ink_on(rgb), in.hue / kHues);
        break;
      case Pattern::hollow: small <= 2 ? fill(box, rgb) : frame(box, rgb); break;
      case Pattern::hatch:
      case Pattern::backhatch:
        fill(box, rgb);
        if (small > 3) strokes(box, in.pattern == Pattern::backhatch);
        break;
      case Pattern::diagonal:
        if (small <= 3) return fill(box, rgb);
        fill(box, faded(theme_, rgb, 70));
        frame(box, rgb);
        stroke(fmt::format("M{:.0f} {:.0f}L{:.0f} {:.0f}", box.x0, box.y1, box.x1, box.y0), rgb);
        break;
      case Pattern::framed:
        fill(box, rgb);
        if (small > 6) frame({box.x0 + 2, box.y0 + 2, box.x1 - 2, box.y1 - 2}, ink_on(rgb));
        break;
      case Pattern::cross:
        if (small <= 4) return fill(box, rgb);
        frame(box, rgb);
        stroke(fmt::format("M{0:.0f} {3:.0f}L{2:.0f} {1:.0f}M{0:.0f} {1:.0f}L{2:.0f} {3:.0f}", box.x0, box.y0, box.x1, box.y1),
               rgb);
        break;
    }
    if (in.letter != 0 && box.width() >= 11 && box.height() >= kEm * 0.75F) {
      const std::uint32_t ink = in.pattern == Pattern::solid || in.pattern == Pattern::framed ? ink_on(rgb) : rgb;
      text((box.x0 + box.x1) / 2 - 4, (box.y0 + box.y1) / 2 - 7, std::string(1, in.letter), ink);
    }
  }

  void look(const Box& box, std::uint32_t rgb, int which) {
    const float small = std::min(box.width(), box.height());
    if (which == 0 || small < 5 || box.width() > 2 * box.height()) return;
    const float size = std::max(2.0F, std::round(small / 5));
    const float x = std::round((box.x0 + box.x1 - size) / 2), y = std::round((box.y0 + box.y1 - size) / 2);
    fill(which == 1 ? Box{x, y, x + size, y + size} : Box{x, box.y0 + 1, x + 1, box.y1 - 1}, rgb);
  }

  // Of the ground's colour: x + y is constant along each, or x - y.
  void strokes(const Box& box, bool back) {
    std::string path;
    const auto piece = [&](float x0, float y0, float x1, float y1) {
      if (x1 > x0) path += fmt::format("M{:.0f} {:.0f}L{:.0f} {:.0f}", x0, y0, x1, y1);
    };
    const float begin = back ? box.x0 - box.y1 : box.x0 + box.y0, end = back ? box.x1 - box.y0 : box.x1 + box.y1;
    for (float at = std::ceil(begin / 5) * 5; at < end; at += 5) {
      const float left = std::max(box.x0, back ? at + box.y0 : at - box.y1);
      const float right = std::min(box.x1, back ? at + box.y1 : at - box.y0);
      piece(left, back ? left - at : at - left, right, back ? right - at : at - right);
    }
    if (!path.empty()) stroke(path, rgb_of(theme_, Tone::ground));
  }

  void line(const Line& in) {
    static constexpr const char* kDashes[] = {"", "6 4", "2 3", "8 3 2 3"};
    if (in.points.size() < 2) return;
    std::string points;
    for (const Line::Point& each : in.points)
      points += fmt::format("{}{:.1f},{:.1f}", points.empty() ? "" : " ", each.x, each.y);
    const std::string dash =
        in.dash == Dash::none ? "" : fmt::format(" stroke-dasharray=\"{}\"", kDashes[static_cast<int>(in.dash)]);
    out_ += fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"#{:06x}\" stroke-width=\"{:.0f}\"{}/>\n", points,
                        rgb_of(theme_, in.tone), std::max(1.0F, std::round(in.width)), dash);
  }

  void stroke(const std::string& path, std::uint32_t rgb) {
    flush();
    out_ += fmt::format("<path d=\"{}\" stroke=\"#{:06x}\"/>\n", path, rgb);
  }
  // Neighbours in the order of drawing that have one colour are one path.
  void fill(const Box& box, std::uint32_t rgb) {
    if (rgb != rgb_) flush();
    rgb_ = rgb;
    path_ += fmt::format("M{:.0f} {:.0f}h{:.0f}v{:.0f}h{:.0f}z", box.x0, box.y0, box.width(), box.height(), -box.width());
  }
  void flush() {
    if (!path_.empty()) out_ += fmt::format("<path d=\"{}\" fill=\"#{:06x}\"/>\n", path_, rgb_);
    path_.clear();
  }
  void frame(const Box& box, std::uint32_t rgb) {
    fill({box.x0, box.y0, box.x1, box.y0 + 1}, rgb);
    fill({box.x0, box.y1 - 1, box.x1, box.y1}, rgb);
    fill({box.x0, box.y0 + 1, box.x0 + 1, box.y1 - 1}, rgb);
    fill({box.x1 - 1, box.y0 + 1, box.x1, box.y1 - 1}, rgb);
  }

  Theme theme_;
  std::string out_, path_;
  std::uint32_t rgb_ = 0;
};

class Sheet {
 public:
  Sheet(const App& app, int width, int height) : app_(app), writer_(app.theme, width, height) {
    style_.em = kEm;
    style_.text_width = [](std::string_view text) {
      const auto begins = [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; };
      return kLetter * static_cast<float>(std::count_if(text.begin(), text.end(), begins));
    };
    std::vector<const Panel*> of_runs, beside;
    const bool several = app.sides.size() > 1;
    for (const Panel* panel : all_panels()) {
      if (panel->sliders || !wanted(*panel)) continue;
      const bool of_run = panel->where == Panel::Where::timeline || (panel->where == Panel::Where::moment && several);
      (of_run ? of_runs : beside).push_back(panel);
    }
    const auto w = static_cast<float>(width), h = static_cast<float>(height);
    const float right = beside.empty() ? 0 : of_runs.empty() ? w : std::round(w * 0.34F);
    // The legend is as high as all that may occur needs; then everything else is laid out, once.
    std::vector<const TraceModel*> models;
    for (const auto& side : app.sides) models.push_back(side->model);
    std::vector<Meaning> meanings;
    for (const std::vector<const Panel*>* column : {&of_runs, &beside}) {
      for (const Panel* panel : *column) {
        if (panel->meanings == nullptr) continue;
        for (const Meaning& meaning : panel->meanings(models)) add_once(meanings, meaning);
      }
    }
    const float lines = legend(style_, {0, 0, w, 0}, meanings).content_height;
    const Box area = {0, 0, w, h - lines - kPad};
    const std::size_t count = of_runs.empty() ? 0 : app.sides.size();
    const float wide = count == 0 ? 0 : (area.width() - right) / static_cast<float>(count);
    for (std::size_t i = 0; i < count; ++i) {
      const float left = std::round(wide * static_cast<float>(i));
      const Box own = {left, area.y0, std::round(wide * static_cast<float>(i + 1)) - kPad, area.y1};
      const float below = own.y0 + std::round(kEm * 1.5F);
      writer_.picture(ruler(frame_of(app, i, &style_), {own.x0 + kPad, own.y0, own.x1 - kPad, below}));
      column({own.x0, below, own.x1, own.y1}, of_runs, i);
    }
    if (right > 0) column({w - right, area.y0, w, area.y1}, beside, app.active);
    std::erase_if(meanings, [&](const Meaning& meaning) { return !occurs_.has(meaning); });
    writer_.picture(legend(style_, {kPad, area.y1 + kPad, w - kPad, h}, meanings));
  }
  std::string finished() { return writer_.finished(); }

 private:
  bool wanted(const Panel& panel) const {
    if (app_.panels_chosen) return app_.shown[panel];
    const std::string_view name = panel.name;
    return name == "requests" || name == "steps" || name == "why";
  }

  static void add_once(std::vector<Meaning>& all, const Meaning& meaning) {
    const auto same = [&](const Meaning& each) { return std::string_view(each.text) == meaning.text; };
    if (std::none_of(all.begin(), all.end(), same)) all.push_back(meaning);
  }

  void column(Box box, const std::vector<const Panel*>& panels, std::size_t trace) {
    float least = 0, shares = 0;
    const auto least_of = [&](const Panel& panel) {
      return panel.size(app_.sides.size()).least * kEm * 1.2F + kHeader + 2 * kPad;
    };
    for (const Panel* each : panels) {
      least += least_of(*each);
      shares += panel_share(*each);
    }
    const float squeeze = std::min(1.0F, box.height() / least), extra = std::max(0.0F, box.height() - least);
    float top = box.y0;
    for (const Panel* each : panels) {
      const float bottom = top + std::round(least_of(*each) * squeeze + extra * panel_share(*each) / shares);
      panel(*each, trace, {box.x0, top, box.x1, std::min(bottom, box.y1)});
      top = bottom;
    }
  }
  float panel_share(const Panel& panel) const { return panel.size(app_.sides.size()).share; }

  void panel(const Panel& panel, std::size_t trace, Box box) {
    Scene scene = scene_of(app_, trace, &style_);
    writer_.bar({box.x0, box.y0, box.x1, box.y0 + kHeader});
    std::string name = panel.title;
    if (app_.sides.size() > 1 && !panel.shared) name += (name.back() == '?' ? " " : ": ") + app_.sides[trace]->name;
    name = style_.fit(name, box.width() - 2 * kPad);
    writer_.text(box.x0 + kPad, box.y0 + 2, name, Tone::text);
    std::string right = panel.at_right != nullptr && app_.sides[trace]->step >= 0 ? panel.at_right(scene) : "";
    if (panel.at_right != nullptr && !panel.shared && app_.sides[trace]->over) right = "the run is over";
    const float wide = style_.width(right);
    if (style_.width(name) + wide + 4 * kPad < box.width()) writer_.text(box.x1 - wide - kPad, box.y0 + 2, right, Tone::dim);
    const Box inner = {box.x0 + kPad, box.y0 + kHeader + kPad, box.x1 - kPad, box.y1 - kPad};
    if (inner.width() <= 4 || inner.height() <= 4) return;
    Picture out;
    if (panel.words != nullptr) {
      out = tokenyard::viz::panel(inner);
      float y = inner.y0;
      const std::string text = in_lines(style_, panel.words(scene), inner.width());
      for (std::size_t begin = 0; begin <= text.size();) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        add_text(style_, inner.x0, y, inner.width(), text.substr(begin, end - begin), Tone::text, out);
        y += kEm * 1.2F;
        begin = end + 1;
      }
    } else {
      if (panel.reveal != nullptr) scene.scroll = panel.reveal(scene, inner);
      out = panel.layout(scene, inner);
    }
    occurs_.add(out);
    writer_.picture(out);
  }

  const App& app_;
  Style style_;
  Writer writer_;
  Occurring occurs_;
};

}  // namespace

std::string svg_picture(const App& app, int width, int height) { return Sheet(app, width, height).finished(); }

}  // namespace tokenyard::viz
