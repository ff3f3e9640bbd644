#include "cli/known_cards.h"

namespace tokenyard::cli {
namespace {

constexpr KnownCard kCards[] = {
    {"RTX 3060", "Laptop", "l4", 25.6, 360, 12, ""},
    {"RTX 3090", "Ti", "l4", 71.2, 936, 24, "4,645"},
    {"RTX 4070 Laptop", "Ti", "rtx-4070-laptop", 0, 0, 0, "1,434"},
    {"RTX 4090", "Laptop", "rtx-4090", 0, 0, 0, "about 5,990"},
    {"A100", "40GB", "a100-80gb", 0, 0, 0, "8,670"},
    {"L4", "L40", "l4", 0, 0, 0, ""},
    {"L40S", "-", "l40s", 0, 0, 0, ""},
    {"RTX 5080", "Laptop", "l4", 112.6, 960, 16, ""},
    {"H100", "PCIe", "h100-sxm", 0, 0, 0, ""},
    {"H200", "-", "h200", 0, 0, 0, ""},
    {"B200", "-", "b200", 0, 0, 0, ""},
};

}  // namespace

std::span<const KnownCard> known_cards() { return kCards; }

const KnownCard* find_card(std::string_view device) {
  for (const KnownCard& card : kCards) {
    if (device.find(card.words) != std::string_view::npos && device.find(card.unless) == std::string_view::npos) return &card;
  }
  return nullptr;
}

HardwareSpec hardware_of(const KnownCard& card) {
  HardwareSpec hardware = find_hardware(card.hardware);
  if (card.bf16_tflops > 0) {
    hardware.bf16_tflops = card.bf16_tflops;
    hardware.memory_gb_per_s = card.memory_gb_per_s;
    hardware.memory_bytes = static_cast<std::int64_t>(card.memory_gib * (1 << 30));
  }
  return hardware;
}

}  // namespace tokenyard::cli
