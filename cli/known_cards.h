// Cards that people have, as the simulator is told of them.
#pragma once

#include <span>
#include <string_view>

#include "sim/hardware_spec.h"

namespace tokenyard::cli {

// A built-in card, or another's constants with this datasheet.
struct KnownCard {
  const char* words;                                // in the name that the driver gives it
  const char* unless;                               // these are not
  const char* hardware;                             // built in
  double bf16_tflops, memory_gb_per_s, memory_gib;  // of a card that is not built in, dense, sums in fp32; else 0
  const char* published;                            // output tokens/s of nano-vLLM on its benchmark
};

std::span<const KnownCard> known_cards();
// By the driver's name for it; null: not known.
const KnownCard* find_card(std::string_view device);
HardwareSpec hardware_of(const KnownCard& card);

}  // namespace tokenyard::cli
