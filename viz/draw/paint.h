// Draws pictures with Dear ImGui.
#pragma once

#include "viz/app/theme.h"
#include "viz/view/picture.h"

struct ImDrawList;

namespace tokenyard::viz {

// Edges go to whole pixels, and nothing becomes thinner than one.
void paint(ImDrawList& list, const Picture& picture, Theme theme, const Style& style);

}  // namespace tokenyard::viz
