// What the panels' layouts share: texts, marks, the cursor, the gutter left of the time axis.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "viz/view/projector.h"

namespace tokenyard::viz {

// Left of the time axis, the same for all panels that are as wide, so that times stand below each other.
float gutter(const Style& style, float width);
// The axis of a panel in `box`: what lies right of the gutter.
Axis panel_axis(const Frame& frame, Box box);

// A tick for every kind of mark in every column in which one falls. The ticks are `height` high, from y on.
void mark_strip(const Frame& frame, const Projector& projector, float y, float height, Picture& out);

void cursor_line(const Frame& frame, const Projector& projector, Box box, Picture& out);
// In lines that fit, at spaces where it can be: a number keeps its unit, and "12 of 96" stays whole.
std::vector<std::string> wrapped(const Style& style, std::string_view text, float room);
// Likewise, every line of `text`, with line ends between them.
std::string in_lines(const Style& style, std::string_view text, float room);
// A name at the left, in the gutter; further lines below it, dim. `reserved` pixels at the gutter's right are somebody else's.
void side_label(const Frame& frame, Box box, const std::string& name, const std::vector<std::string>& more, Picture& out,
                float reserved = 0);
// The numbers of an upright axis between gutter and bars, from 0 at `base` to `top` at `base - height`, with a faint line at
// each. Returns how much of the gutter they take.
float value_axis(const Frame& frame, Box box, float base, float height, double top,
                 const std::function<std::string(double)>& in_words, Picture& out);
// How high the current step is in a panel of bars: beside merged steps, what the numbers at the cursor say.
void cursor_level(const Frame& frame, const Projector& projector, float y, Picture& out);
void add_text(const Style& style, float x, float y, float room, std::string_view text, Tone tone, Picture& out);
// Likewise, on a filled rectangle.
void add_text_on(const Rect& rect, const Style& style, float x, float y, float room, std::string_view text, Picture& out);
// The colour of a request where it owns blocks, for Rect::hue.
std::uint8_t hue_of(const TraceModel& model, std::int32_t request);
// An empty picture for `box`.
Picture panel(Box box);
Box cut(Box box, const Box& by);
// Add what of it lies within the picture's box.
void add_rect(Picture& out, Rect rect);
void add_line(Picture& out, Line line);

}  // namespace tokenyard::viz
