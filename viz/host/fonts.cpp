#include "viz/host/fonts.h"

#include <imgui.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace tokenyard::viz {
namespace {

constexpr float kHeight = 14;  // pixels at scale 1
constexpr const char* kPlaces[] = {"/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", "/usr/share/fonts/dejavu/DejaVuSans.ttf",
                                   "/usr/share/fonts/dejavu-sans-fonts/DejaVuSans.ttf", "/usr/share/fonts/TTF/DejaVuSans.ttf"};

bool readable(const char* path) {
  std::FILE* file = std::fopen(path, "rb");
  if (file != nullptr) std::fclose(file);
  return file != nullptr;
}

}  // namespace

bool load_font(float scale) {
  ImFontAtlas& fonts = *ImGui::GetIO().Fonts;
  fonts.Clear();
  static const ImWchar ranges[] = {0x20,   0xFF,   0x2013, 0x2026, 0x2190, 0x2193, 0x2264,
                                   0x2265, 0x2713, 0x2713, 0x2717, 0x2717, 0};
  for (const char* path : kPlaces) {
    if (!readable(path)) continue;
    ImFontConfig config;
    config.OversampleH = 1;  // letters stand on whole pixels
    config.PixelSnapH = true;
    if (fonts.AddFontFromFileTTF(path, std::round(kHeight * scale), &config, ranges) != nullptr) return true;
  }
  ImFontConfig config;
  config.SizePixels = 13 * std::max(1.0F, std::round(scale));
  fonts.AddFontDefault(&config);
  return false;
}

}  // namespace tokenyard::viz
