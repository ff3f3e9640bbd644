// Dear ImGui's triangles drawn on the CPU: no GPU, no window system, the same bytes everywhere.
#pragma once

#include <cstdint>

#include "viz/host/image.h"

struct ImDrawData;

namespace tokenyard::viz {

// `background` is 0xAABBGGRR, as ImGui's colours. The only texture is the current context's font atlas, whose texels are taken
// one to a pixel. REQUIRES: draw callbacks are not used.
Image rasterize(const ImDrawData& data, int width, int height, std::uint32_t background);

}  // namespace tokenyard::viz
