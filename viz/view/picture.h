// What a panel consists of: rectangles, lines and texts with colours by meaning. Pixels from the window's top left.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tokenyard::viz {

struct Box {
  float x0 = 0, y0 = 0, x1 = 0, y1 = 0;
  float width() const { return x1 - x0; }
  float height() const { return y1 - y0; }
  bool holds(float x, float y) const { return x >= x0 && x < x1 && y >= y0 && y < y1; }
};

// Meanings, which a theme turns into colours.
enum class Tone : std::uint8_t {
  ground,
  grid,
  text,
  dim,
  limit,
  slo,
  cursor,
  most,  // above a column's mean, up to its fullest step
  selection,
  highlight,
  // phases, in the order of Phase
  queued,
  prefill,
  decode,
  stalled,
  padding,
  preempted,
  // marks, in the order of Mark
  mark_preempted,
  mark_refused,
  mark_failed,
  mark_cancelled,
  mark_kv_capacity,
  finished,
  // parts of a step
  gemm,
  attention,
  elementwise,
  head,
  communication,
  host,
  other,
  // blocks and token slots
  free,
  used,
  reserved,
  wasted,
  cached,
  taken,
  evicted,
  owner,  // one of kLooks, see Rect::hue
  // lines of the first to the fourth trace
  trace0,
  trace1,
  trace2,
  trace3,
  better,
  worse,
};
Tone tone_of(int base, Tone first);

// Strength of what is faint. A legend tells it from what is full: less than half is faint.
inline constexpr std::uint8_t kFaint = 90, kBand = 64;

// How requests look where they own blocks: so many colours, each plain, with a dot, or with an upright line.
inline constexpr int kHues = 8;
inline constexpr int kLooks = 3 * kHues;

// The second channel beside colour.
enum class Pattern : std::uint8_t {
  solid,
  hollow,     // outline only: found in the cache, free
  hatch,      // preempted
  backhatch,  // leaning the other way: never used
  diagonal,   // one stroke: cached and evictable
  framed,     // solid with a second border: shared
  cross,      // evicted
};

// What a thing on the screen is, for tips, clicks and tests.
struct Ref {
  enum class Kind : std::uint8_t { none, request, span, step, block, node, mark, sentence, time };
  Kind kind = Kind::none;
  std::uint8_t trace = 0;  // which of the compared ones
  std::int32_t id = -1;    // request, step index, block, node, event
  std::int32_t part = -1;  // span of the request, first of the merged
  std::int32_t count = 1;  // merged things
  friend bool operator==(const Ref&, const Ref&) = default;
};

struct Rect {
  Box box;
  Tone tone = Tone::ground;
  Pattern pattern = Pattern::solid;
  std::uint8_t hue = 0;         // for Tone::owner: 0 .. kLooks - 1
  std::uint8_t strength = 255;  // brightness or opacity: 0 faint .. 255 full
  char letter = 0;              // in it, where it has room: Q P D X ...
  Ref ref = {};
};

struct Label {
  float x = 0, y = 0;  // top left of the text, already aligned
  std::string text;    // already shortened to its room
  Tone tone = Tone::text;
  // Of the filled rectangle it stands on: then it is black or white, whichever is read better there.
  std::optional<Tone> on = {};
  std::uint8_t hue = 0;
  std::uint8_t strength = 255;
};

enum class Dash : std::uint8_t { none, dashed, dotted, dash_dot };

struct Line {
  struct Point {
    float x, y;
  };
  std::vector<Point> points;
  Tone tone = Tone::text;
  float width = 1;
  Dash dash = Dash::none;
};

// Everything lies within `box`. Drawn in order: rects, lines, labels.
struct Picture {
  Box box;
  std::vector<Rect> rects;
  std::vector<Line> lines;
  std::vector<Label> labels;
  float content_height = 0;  // what would be drawn without `scroll`; > box.height(): it can be scrolled

  // The topmost rectangle with a ref there; null: none.
  const Rect* hit(float x, float y) const;
  // Or else the nearest one, no further than `reach` pixels.
  const Rect* near(float x, float y, float reach) const;
  void append(Picture&& other);
};

// How big things are. Pixels.
struct Style {
  float em = 14;    // height of a line of text
  float scale = 1;  // of gaps and thin lines
  float fold = 3;   // what is narrower than this is merged with its neighbours; grows with scale
  // Width of a text; the host gives its font's.
  std::function<float(std::string_view)> text_width;
  float width(std::string_view text) const;
  // Shortened with "..." to fit.
  std::string fit(std::string_view text, float room) const;
  // Likewise, in the middle: names often differ at their end only.
  std::string fit_name(std::string_view name, float room) const;
};

}  // namespace tokenyard::viz
