// Draws pictures with Dear ImGui.
#pragma once

#include <cstdint>

#include "viz/app/theme.h"
#include "viz/view/picture.h"

struct ImDrawList;
struct ImVec4;

namespace tokenyard::viz {

// Edges go to whole pixels, and nothing becomes thinner than one.
void paint(ImDrawList& list, const Picture& picture, Theme theme, const Style& style);

// For Dear ImGui's own widgets.
ImVec4 color_of(Theme theme, Tone tone, std::uint8_t strength = 255);

}  // namespace tokenyard::viz
