// How much of a long randomised test to run: TOKENYARD_TEST_SCALE=0.1 makes sanitizer runs bearable.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>

namespace tokenyard {

// `count` times the scale, at least 1.
inline std::int64_t scaled(std::int64_t count) {
  const char* scale = std::getenv("TOKENYARD_TEST_SCALE");
  return scale == nullptr ? count
                          : std::max<std::int64_t>(1, static_cast<std::int64_t>(static_cast<double>(count) * std::atof(scale)));
}

}  // namespace tokenyard
