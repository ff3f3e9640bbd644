// What meanings look like. Two themes, each safe for the colour-blind: tests/viz_draw/theme_test.cpp measures contrast and
// distance.
#pragma once

#include <cstdint>

#include "viz/view/picture.h"

namespace tokenyard::viz {

enum class Theme : std::uint8_t { dark, light };
inline constexpr int kThemes = 2;
const char* name_of(Theme);

// 0xRRGGBB.
std::uint32_t rgb_of(Theme theme, Tone tone, std::uint8_t hue = 0);
// As Dear ImGui packs colours; alpha 255 is opaque.
std::uint32_t packed(std::uint32_t rgb, std::uint8_t alpha = 255);
// Black or white, whichever is read better on `rgb`.
std::uint32_t ink_on(std::uint32_t rgb);
// `strength` of 255 is `rgb`, 0 the theme's ground.
std::uint32_t faded(Theme theme, std::uint32_t rgb, std::uint8_t strength);
// As WCAG 2 defines it, 1 .. 21.
double contrast(std::uint32_t a, std::uint32_t b);

}  // namespace tokenyard::viz
