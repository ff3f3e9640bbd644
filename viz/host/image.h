// Pictures in memory, and as PNG files.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tokenyard::viz {

struct Image {
  int width = 0, height = 0;
  std::vector<std::uint8_t> rgba;  // width * height * 4, top row first
};

// The same image gives the same bytes. Throws InputError when the file cannot be written.
void write_png(const std::string& path, const Image& image);

// Throws InputError when the file is not a PNG.
Image read_png(const std::string& path);

// How far two images of one size are apart.
struct ImageDifference {
  std::int64_t pixels = 0;  // that differ at all
  int most = 0;             // of any channel
};
// REQUIRES: equal sizes.
ImageDifference compare(const Image& a, const Image& b);

}  // namespace tokenyard::viz
