// What colours and patterns mean, as far as they occur in the traces shown.
#pragma once

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
