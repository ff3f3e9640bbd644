#include "viz/draw/paint.h"

#include <imgui.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

namespace tokenyard::viz {
namespace {

// Dear ImGui 1.86 has 16-bit indices: what goes in at once must stay below 65,536 vertices, which AddRectFilled sees to.
class Painter {
 public:
  Painter(ImDrawList& list, Theme theme, const Style& style)
      : list_(list), theme_(theme), thin_(std::max(1.0F, std::round(style.scale))), em_(style.em) {}

  void rect(const Rect& in) const {
    const Box box = whole(in.box);
    const std::uint32_t rgb = faded(theme_, rgb_of(theme_, in.tone, in.hue), in.strength);
    const std::uint32_t color = packed(rgb);
    const float small = std::min(box.width(), box.height());
    switch (in.pattern) {
      case Pattern::solid:
        fill(box, color);
        if (in.tone == Tone::owner) texture(box, packed(ink_on(rgb)), in.hue / kHues);
        break;
      case Pattern::hollow: small <= 2 * thin_ ? fill(box, color) : frame(box, color); break;
      case Pattern::hatch:
      case Pattern::backhatch:
        fill(box, color);
        if (small > 3 * thin_)
          strokes(box, packed(rgb_of(theme_, Tone::ground), 170), 5 * thin_, in.pattern == Pattern::backhatch);
        break;
      case Pattern::diagonal:
        if (small <= 3 * thin_) {
          fill(box, color);
        } else {
          fill(box, packed(faded(theme_, rgb, 70)));
          frame(box, color);
          list_.AddLine({box.x0, box.y1}, {box.x1, box.y0}, color, thin_);
        }
        break;
      case Pattern::framed:
        fill(box, color);
        if (small > 6 * thin_) {
          frame({box.x0 + 2 * thin_, box.y0 + 2 * thin_, box.x1 - 2 * thin_, box.y1 - 2 * thin_}, packed(ink_on(rgb)));
        }
        break;
      case Pattern::cross:
        if (small > 4 * thin_) {
          frame(box, color);
          list_.AddLine({box.x0, box.y1}, {box.x1, box.y0}, color, thin_);
          list_.AddLine({box.x0, box.y0}, {box.x1, box.y1}, color, thin_);
        } else {
          fill(box, color);
        }
        break;
    }
    if (in.letter != 0)
      letter(box, in.letter, in.pattern == Pattern::solid || in.pattern == Pattern::framed ? ink_on(rgb) : rgb);
  }

  void line(const Line& in) const {
    const std::uint32_t color = packed(rgb_of(theme_, in.tone));
    const float width = std::max(1.0F, std::round(in.width * thin_));
    if (in.dash == Dash::none) {
      pieces(in.points, width, color);
      return;
    }
    // Drawn and left out, in turns, along the whole line.
    static constexpr float kTurns[][4] = {{6, 4, 6, 4}, {2, 3, 2, 3}, {8, 3, 2, 3}};
    const float* turns = kTurns[static_cast<int>(in.dash) - 1];
    std::size_t turn = 0;
    float left = turns[0] * thin_;
    std::vector<Line::Point> piece;
    for (std::size_t i = 1; i < in.points.size(); ++i) {
      Line::Point a = in.points[i - 1];
      const Line::Point b = in.points[i];
      if (piece.empty() && turn % 2 == 0) piece.push_back(a);
      for (float far = std::hypot(b.x - a.x, b.y - a.y); far > 0;) {
        const float go = std::min(far, left);
        a = {a.x + (b.x - a.x) * go / far, a.y + (b.y - a.y) * go / far};
        far -= go;
        left -= go;
        if (turn % 2 == 0) piece.push_back(a);
        if (left > 0) continue;
        if (turn % 2 == 0) pieces(std::exchange(piece, {}), width, color);
        turn = (turn + 1) % 4;
        left = turns[turn] * thin_;
        if (turn % 2 == 0) piece = {a};
      }
    }
    pieces(piece, width, color);
  }

  void pieces(const std::vector<Line::Point>& points, float width, std::uint32_t color) const {
    for (std::size_t i = 1; i < points.size(); ++i) {
      const Line::Point a = points[i - 1], b = points[i];
      // Upright and level lines as rectangles: sharp, and the same bytes everywhere.
      if (a.x == b.x || a.y == b.y) {
        straight(a, b, width, color);
      } else {
        list_.AddLine({a.x, a.y}, {b.x, b.y}, color, width);
      }
    }
  }

  void label(const Label& in) const {
    const std::uint32_t rgb =
        in.on ? ink_on(faded(theme_, rgb_of(theme_, *in.on, in.hue), in.strength)) : rgb_of(theme_, in.tone);
    list_.AddText({std::round(in.x), std::round(in.y)}, packed(rgb), in.text.data(), in.text.data() + in.text.size());
  }

 private:
  static Box whole(const Box& in) {
    Box out = {std::round(in.x0), std::round(in.y0), std::round(in.x1), std::round(in.y1)};
    out.x1 = std::max(out.x1, out.x0 + 1);
    out.y1 = std::max(out.y1, out.y0 + 1);
    return out;
  }

  void fill(const Box& box, std::uint32_t color) const { list_.AddRectFilled({box.x0, box.y0}, {box.x1, box.y1}, color); }

  void frame(const Box& box, std::uint32_t color) const {
    fill({box.x0, box.y0, box.x1, box.y0 + thin_}, color);
    fill({box.x0, box.y1 - thin_, box.x1, box.y1}, color);
    fill({box.x0, box.y0 + thin_, box.x0 + thin_, box.y1 - thin_}, color);
    fill({box.x1 - thin_, box.y0 + thin_, box.x1, box.y1 - thin_}, color);
  }

  // Tells requests of one colour apart, in cells: bars of a table have words on them.
  void texture(const Box& box, std::uint32_t color, int which) const {
    const float small = std::min(box.width(), box.height());
    if (which == 0 || small < 5 * thin_ || box.width() > 2 * box.height()) return;
    const float size = std::max(2 * thin_, std::round(small / 5));
    const float x = std::round((box.x0 + box.x1 - size) / 2), y = std::round((box.y0 + box.y1 - size) / 2);
    if (which == 1) fill({x, y, x + size, y + size}, color);
    if (which == 2) fill({x, box.y0 + thin_, x + thin_, box.y1 - thin_}, color);
  }

  // Parallel lines from bottom left to top right, cut at the box: x + y is constant along each. Or from top left to bottom
  // right.
  void strokes(const Box& box, std::uint32_t color, float apart, bool back) const {
    if (back) {
      const float begin = std::ceil((box.x0 - box.y1) / apart) * apart;
      for (float difference = begin; difference < box.x1 - box.y0; difference += apart) {
        const float left = std::max(box.x0, difference + box.y0), right = std::min(box.x1, difference + box.y1);
        if (right > left) list_.AddLine({left, left - difference}, {right, right - difference}, color, thin_);
      }
      return;
    }
    const float first = std::ceil((box.x0 + box.y0) / apart) * apart;
    for (float sum = first; sum < box.x1 + box.y1; sum += apart) {
      const float left = std::max(box.x0, sum - box.y1), right = std::min(box.x1, sum - box.y0);
      if (right > left) list_.AddLine({left, sum - left}, {right, sum - right}, color, thin_);
    }
  }

  void straight(Line::Point a, Line::Point b, float width, std::uint32_t color) const {
    const bool level = a.y == b.y;
    const float from = std::round(level ? std::min(a.x, b.x) : std::min(a.y, b.y));
    const float to = std::round(level ? std::max(a.x, b.x) : std::max(a.y, b.y));
    const float at = std::round((level ? a.y : a.x) - width / 2);
    const float end = std::max(to, from + 1);
    fill(level ? Box{from, at, end, at + width} : Box{at, from, at + width, end}, color);
  }

  void letter(const Box& box, char c, std::uint32_t rgb) const {
    const ImVec2 size = ImGui::CalcTextSize(&c, &c + 1);
    if (box.width() < size.x + 2 || box.height() < em_ * 0.75F) return;
    list_.AddText({std::round((box.x0 + box.x1 - size.x) / 2), std::round((box.y0 + box.y1 - size.y) / 2)}, packed(rgb), &c,
                  &c + 1);
  }

  ImDrawList& list_;
  Theme theme_;
  float thin_;
  float em_;
};

}  // namespace

void paint(ImDrawList& list, const Picture& picture, Theme theme, const Style& style) {
  list.PushClipRect({picture.box.x0, picture.box.y0}, {picture.box.x1, picture.box.y1}, true);
  const Painter painter(list, theme, style);
  for (const Rect& rect : picture.rects) painter.rect(rect);
  for (const Line& line : picture.lines) painter.line(line);
  for (const Label& label : picture.labels) painter.label(label);
  list.PopClipRect();
}

ImVec4 color_of(Theme theme, Tone tone, std::uint8_t strength) {
  return ImGui::ColorConvertU32ToFloat4(packed(faded(theme, rgb_of(theme, tone), strength)));
}

}  // namespace tokenyard::viz
