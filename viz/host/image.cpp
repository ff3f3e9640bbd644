#include "viz/host/image.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <new>

#include "core/base/input_error.h"
#include "core/base/output_file.h"

// Our own copies: libimgui.a brings libstb's along, which are built otherwise.
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_PNG
#define STBI_NO_FAILURE_STRINGS
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#include <stb_image.h>
#include <stb_image_write.h>
#pragma GCC diagnostic pop

namespace tokenyard::viz {

void write_png(const std::string& path, const Image& image) {
  std::string png;
  const auto append = [](void* to, void* data, int size) {
    static_cast<std::string*>(to)->append(static_cast<const char*>(data), static_cast<std::size_t>(size));
  };
  if (stbi_write_png_to_func(append, &png, image.width, image.height, 4, image.rgba.data(), image.width * 4) == 0)
    throw std::bad_alloc();  // it knows no other trouble
  write_file(path, png);
}

Image read_png(const std::string& path) {
  Image image;
  int channels = 0;
  stbi_uc* data = stbi_load(path.c_str(), &image.width, &image.height, &channels, 4);
  if (data == nullptr) throw InputError(path + ": expected a PNG picture");
  image.rgba.assign(data, data + static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height) * 4);
  stbi_image_free(data);
  return image;
}

ImageDifference compare(const Image& a, const Image& b) {
  ImageDifference out;
  for (std::size_t i = 0; i < a.rgba.size(); i += 4) {
    int most = 0;
    for (std::size_t k = 0; k < 4; ++k) most = std::max(most, std::abs(int{a.rgba[i + k]} - int{b.rgba[i + k]}));
    if (most > 0) ++out.pixels;
    out.most = std::max(out.most, most);
  }
  return out;
}

}  // namespace tokenyard::viz
