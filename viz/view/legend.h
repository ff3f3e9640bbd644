// What colours and patterns mean: a panel says which may occur in its traces, of which those that are on the screen are shown.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "viz/view/scene.h"

namespace tokenyard::viz {

struct Meaning {
  const char* text;
  Tone tone;
  Pattern pattern = Pattern::solid;
  char letter = 0;
  std::uint8_t strength = 255;
};

// Which meanings a picture has.
class Occurring {
 public:
  void add(const Picture& picture) {
    for (const Rect& rect : picture.rects) bits_.set(bit_of(rect.tone, rect.pattern, rect.strength));
  }
  bool has(const Meaning& meaning) const { return bits_.test(bit_of(meaning.tone, meaning.pattern, meaning.strength)); }

 private:
  static std::size_t bit_of(Tone tone, Pattern pattern, std::uint8_t strength) {
    return static_cast<std::size_t>(tone) * 16 + static_cast<std::size_t>(pattern) * 2 + (strength < 128 ? 1 : 0);
  }
  std::bitset<16 * 64> bits_;
};

// Whether `has` holds for any of them.
template <typename Has>
bool any_of_traces(std::span<const TraceModel* const> traces, const Has& has) {
  for (const TraceModel* model : traces) {
    if (has(*model)) return true;
  }
  return false;
}
bool any_in(std::span<const TraceModel* const> traces, Phase phase);
bool any_caches(std::span<const TraceModel* const> traces);

// As many lines as they need.
Picture legend(const Style& style, Box box, std::span<const Meaning> meanings);

}  // namespace tokenyard::viz
