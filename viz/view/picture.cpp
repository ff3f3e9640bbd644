#include "viz/view/picture.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

namespace tokenyard::viz {
namespace {

std::size_t characters(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0u) != 0x80u;
  return count;
}

}  // namespace

Tone tone_of(int base, Tone first) { return static_cast<Tone>(static_cast<int>(first) + base); }

const Rect* Picture::hit(float x, float y) const {
  for (auto rect = rects.rbegin(); rect != rects.rend(); ++rect) {
    if (rect->ref.kind != Ref::Kind::none && rect->box.holds(x, y)) return &*rect;
  }
  return nullptr;
}

const Rect* Picture::near(float x, float y, float reach) const {
  if (const Rect* found = hit(x, y); found != nullptr) return found;
  const Rect* nearest = nullptr;
  float least = reach;
  for (const Rect& rect : rects) {
    if (rect.ref.kind == Ref::Kind::none) continue;
    const float dx = std::max({rect.box.x0 - x, 0.0F, x - rect.box.x1}),
                dy = std::max({rect.box.y0 - y, 0.0F, y - rect.box.y1});
    if (const float away = std::hypot(dx, dy); away < least) {
      least = away;
      nearest = &rect;
    }
  }
  return nearest;
}

void Picture::append(Picture&& other) {
  rects.insert(rects.end(), other.rects.begin(), other.rects.end());
  lines.insert(lines.end(), std::make_move_iterator(other.lines.begin()), std::make_move_iterator(other.lines.end()));
  labels.insert(labels.end(), std::make_move_iterator(other.labels.begin()), std::make_move_iterator(other.labels.end()));
}

float Style::width(std::string_view text) const {
  // Without a font: the mean of a sans-serif one.
  return text_width ? text_width(text) : 0.55f * em * static_cast<float>(characters(text));
}

std::string Style::fit_name(std::string_view name, float room) const {
  if (width(name) <= room) return std::string(name);
  const auto inside = [&](std::size_t at) {
    return at < name.size() && (static_cast<unsigned char>(name[at]) & 0xC0u) == 0x80u;
  };
  // As many bytes of it as fit, three quarters of them from its end.
  for (std::size_t kept = name.size(); kept > 0; --kept) {
    std::size_t head = kept / 4, tail = name.size() - (kept - kept / 4);
    while (inside(head)) --head;
    while (inside(tail)) ++tail;
    std::string out = std::string(name.substr(0, head)) + "..." + std::string(name.substr(tail));
    if (width(out) <= room) return out;
  }
  return fit(name, room);
}

std::string Style::fit(std::string_view text, float room) const {
  if (width(text) <= room) return std::string(text);
  const float dots = width("...");
  if (dots > room) return {};
  // Widths grow with length: the longest prefix that fits, by bisection over its characters' ends.
  std::size_t least = 0;
  std::size_t most = text.size();
  while (least < most) {
    std::size_t middle = (least + most + 1) / 2;
    while (middle < text.size() && (static_cast<unsigned char>(text[middle]) & 0xC0u) == 0x80u) ++middle;
    if (middle > most || width(text.substr(0, middle)) + dots > room) {
      most = (least + most + 1) / 2 - 1;
    } else {
      least = middle;
    }
  }
  while (least > 0 && least < text.size() && (static_cast<unsigned char>(text[least]) & 0xC0u) == 0x80u) --least;
  return std::string(text.substr(0, least)) + "...";
}

}  // namespace tokenyard::viz
