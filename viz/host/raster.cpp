#include "viz/host/raster.h"

#include <imgui.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

namespace tokenyard::viz {
namespace {

struct Atlas {
  const unsigned char* rgba = nullptr;
  int width = 0, height = 0;
};

struct Clip {
  int left, top, right, bottom;  // pixels; right and bottom excluded
};

struct Vertex {
  std::int64_t x, y;  // 1/256 pixel
  float u, v;
  std::array<float, 4> color;  // 0 .. 255
  std::uint32_t packed;
};

std::array<float, 4> unpack(std::uint32_t color) {
  std::array<float, 4> out{};
  for (std::size_t k = 0; k < 4; ++k) out[k] = static_cast<float>((color >> (8 * k)) & 255);
  return out;
}

// `color` is red, green, blue, alpha.
void blend(std::uint8_t* pixel, const std::array<int, 4>& color) {
  const int alpha = color[3];
  for (std::size_t k = 0; k < 3; ++k) {
    pixel[k] =
        static_cast<std::uint8_t>(alpha == 255 ? color[k] : (color[k] * alpha + int{pixel[k]} * (255 - alpha) + 127) / 255);
  }
}

class Canvas {
 public:
  Canvas(Image& image, const Atlas& atlas) : image_(image), atlas_(atlas) {}

  // Covers the pixels whose centres are inside, in integers, with the top-left rule: neighbours neither overlap nor leave gaps.
  void triangle(std::array<Vertex, 3> v, const Clip& clip) {
    std::int64_t area = (v[1].x - v[0].x) * (v[2].y - v[0].y) - (v[2].x - v[0].x) * (v[1].y - v[0].y);
    if (area == 0) return;
    if (area < 0) {
      std::swap(v[1], v[2]);
      area = -area;
    }
    const auto [min_x, max_x] = std::minmax({v[0].x, v[1].x, v[2].x});
    const auto [min_y, max_y] = std::minmax({v[0].y, v[1].y, v[2].y});
    const auto left = static_cast<int>(std::max<std::int64_t>(clip.left, min_x >> 8));
    const auto right = static_cast<int>(std::min<std::int64_t>(clip.right - 1, max_x >> 8));
    const auto top = static_cast<int>(std::max<std::int64_t>(clip.top, min_y >> 8));
    const auto bottom = static_cast<int>(std::min<std::int64_t>(clip.bottom - 1, max_y >> 8));

    std::array<std::int64_t, 3> across{}, down{}, least{}, row{};
    for (std::size_t k = 0; k < 3; ++k) {
      const Vertex& from = v[(k + 1) % 3];
      const Vertex& to = v[(k + 2) % 3];
      const std::int64_t dx = to.x - from.x, dy = to.y - from.y;
      across[k] = -dy * 256;
      down[k] = dx * 256;
      least[k] = dy < 0 || (dy == 0 && dx > 0) ? 0 : 1;
      row[k] = dx * (std::int64_t{top} * 256 + 128 - from.y) - dy * (std::int64_t{left} * 256 + 128 - from.x);
    }
    const bool flat = v[0].packed == v[1].packed && v[1].packed == v[2].packed && v[0].u == v[1].u && v[1].u == v[2].u &&
                      v[0].v == v[1].v && v[1].v == v[2].v;
    const std::array<int, 4> color = flat ? shade(v, {1, 0, 0}) : std::array<int, 4>{};
    for (int y = top; y <= bottom; ++y) {
      // Each edge leaves a half of the row.
      std::int64_t first = 0, end = right - left + 1;
      for (std::size_t k = 0; k < 3; ++k) {
        const std::int64_t missing = least[k] - row[k];
        if (across[k] > 0) {
          if (missing > 0) first = std::max(first, (missing + across[k] - 1) / across[k]);
        } else if (missing > 0) {
          end = 0;
        } else if (across[k] < 0) {
          end = std::min(end, missing / across[k] + 1);
        }
      }
      if (first < end) {
        std::array<std::int64_t, 3> w{};
        for (std::size_t k = 0; k < 3; ++k) w[k] = row[k] + first * across[k];
        const std::size_t place = static_cast<std::size_t>(y) * static_cast<std::size_t>(image_.width) +
                                  static_cast<std::size_t>(std::max(left, 0) + first);
        std::uint8_t* pixel = &image_.rgba[place * 4];
        for (std::int64_t x = first; x < end; ++x, pixel += 4) {
          blend(pixel, flat ? color : shade(v, weights(w, area)));
          for (std::size_t k = 0; k < 3; ++k) w[k] += across[k];
        }
      }
      for (std::size_t k = 0; k < 3; ++k) row[k] += down[k];
    }
  }

 private:
  static std::array<float, 3> weights(const std::array<std::int64_t, 3>& w, std::int64_t area) {
    std::array<float, 3> out{};
    for (std::size_t k = 0; k < 3; ++k) out[k] = static_cast<float>(static_cast<double>(w[k]) / static_cast<double>(area));
    return out;
  }

  std::array<int, 4> shade(const std::array<Vertex, 3>& v, const std::array<float, 3>& b) const {
    const float u = v[0].u * b[0] + v[1].u * b[1] + v[2].u * b[2];
    const float t = v[0].v * b[0] + v[1].v * b[1] + v[2].v * b[2];
    const int tx = std::clamp(static_cast<int>(u * static_cast<float>(atlas_.width)), 0, atlas_.width - 1);
    const int ty = std::clamp(static_cast<int>(t * static_cast<float>(atlas_.height)), 0, atlas_.height - 1);
    const unsigned char* texel =
        atlas_.rgba +
        (static_cast<std::size_t>(ty) * static_cast<std::size_t>(atlas_.width) + static_cast<std::size_t>(tx)) * 4;
    std::array<int, 4> color{};
    for (std::size_t k = 0; k < 4; ++k) {
      const float mixed = v[0].color[k] * b[0] + v[1].color[k] * b[1] + v[2].color[k] * b[2];
      color[k] = static_cast<int>(mixed * static_cast<float>(texel[k]) / 255.0F + 0.5F);
    }
    return color;
  }

  Image& image_;
  const Atlas& atlas_;
};

}  // namespace

Image rasterize(const ImDrawData& data, int width, int height, std::uint32_t background) {
  Image image;
  image.width = width;
  image.height = height;
  image.rgba.resize(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 4);
  for (std::size_t i = 0; i < image.rgba.size(); i += 4) {
    for (std::size_t k = 0; k < 3; ++k) image.rgba[i + k] = static_cast<std::uint8_t>(background >> (8 * k));
    image.rgba[i + 3] = 255;
  }

  Atlas atlas;
  unsigned char* texels = nullptr;
  ImGui::GetIO().Fonts->GetTexDataAsRGBA32(&texels, &atlas.width, &atlas.height);
  atlas.rgba = texels;

  const ImVec2 origin = data.DisplayPos, scale = data.FramebufferScale;
  Canvas canvas(image, atlas);
  for (int n = 0; n < data.CmdListsCount; ++n) {
    const ImDrawList& list = *data.CmdLists[n];
    for (const ImDrawCmd& command : list.CmdBuffer) {
      const Clip clip = {std::max(0, static_cast<int>((command.ClipRect.x - origin.x) * scale.x)),
                         std::max(0, static_cast<int>((command.ClipRect.y - origin.y) * scale.y)),
                         std::min(width, static_cast<int>((command.ClipRect.z - origin.x) * scale.x)),
                         std::min(height, static_cast<int>((command.ClipRect.w - origin.y) * scale.y))};
      if (clip.right <= clip.left || clip.bottom <= clip.top) continue;
      for (unsigned i = 0; i + 2 < command.ElemCount; i += 3) {
        std::array<Vertex, 3> corners{};
        for (unsigned k = 0; k < 3; ++k) {
          const auto index = static_cast<unsigned>(list.IdxBuffer[static_cast<int>(command.IdxOffset + i + k)]);
          const ImDrawVert& in = list.VtxBuffer[static_cast<int>(command.VtxOffset + index)];
          corners[k] = {std::llround((in.pos.x - origin.x) * scale.x * 256.0F),
                        std::llround((in.pos.y - origin.y) * scale.y * 256.0F),
                        in.uv.x,
                        in.uv.y,
                        unpack(in.col),
                        in.col};
        }
        canvas.triangle(corners, clip);
      }
    }
  }
  return image;
}

}  // namespace tokenyard::viz
