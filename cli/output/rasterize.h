// SVG to PNG with librsvg and cairo, where the program was built with them.
#pragma once

#include <string>

namespace tokenyard::cli {

bool can_rasterize();
// The PNG file's bytes, two pixels to a unit. REQUIRES: can_rasterize(). Throws InputError.
std::string rasterize(const std::string& svg);

}  // namespace tokenyard::cli
