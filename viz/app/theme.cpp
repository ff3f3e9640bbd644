#include "viz/app/theme.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace tokenyard::viz {
namespace {

struct Pair {
  std::uint32_t dark, light;
};

// Found by a search: as far from each other as can be for every kind of eye, and none close to a phase or a state of a block.
constexpr std::array<Pair, kHues> kOwners = {{
    {0x92707F, 0x40781E},
    {0xB7FF86, 0x81077B},
    {0xBD600B, 0xBB837C},
    {0x6889FF, 0x8E81F6},
    {0x92FCFF, 0x5391AC},
    {0x557340, 0x424A31},
    {0xFDE9BD, 0xEE6648},
    {0xB345AB, 0x5E3B5A},
}};

// Phases have Okabe and Ito's hues, each theme's made lighter or darker until it stands out from its ground; parts of a step,
// states of blocks and runs have what such a search found beside them. tests/viz_draw/theme_test.cpp measures all of it.
Pair pair_of(Tone tone, std::uint8_t hue) {
  switch (tone) {
    case Tone::ground: return {0x15181D, 0xFFFFFF};
    case Tone::grid: return {0x2C313A, 0xDDE1E7};
    case Tone::text: return {0xE8EAED, 0x15181D};
    case Tone::dim: return {0x9AA1AC, 0x5A626E};
    case Tone::limit: return {0xFF8A80, 0xC62828};
    case Tone::slo: return {0xF0E442, 0x7A5C00};
    case Tone::cursor: return {0xFFD54A, 0xB3261E};
    case Tone::most: return {0x9AA1AC, 0x5A626E};
    case Tone::selection: return {0xFFFFFF, 0x000000};
    case Tone::highlight: return {0xFFD54A, 0xA85200};
    case Tone::queued: return {0x8E959F, 0x8A9099};
    case Tone::prefill: return {0x4CA3E8, 0x0068B0};
    case Tone::decode: return {0x19B285, 0x12946D};
    case Tone::stalled: return {0xF0E442, 0xA29000};
    case Tone::padding: return {0xEDB8F0, 0x43107A};
    case Tone::preempted: return {0xF2763A, 0xB84300};
    case Tone::mark_preempted: return {0xFF7A4D, 0xC2410C};
    case Tone::mark_refused: return {0xFF5C8A, 0xB0004A};
    case Tone::mark_failed: return {0xFF5252, 0xB00020};
    case Tone::mark_cancelled: return {0xD0A2F0, 0x6A1B9A};
    case Tone::mark_kv_capacity: return {0xFFB74D, 0x9A5B00};
    case Tone::finished: return {0xC9D1D9, 0x3B424C};
    case Tone::gemm: return {0xD89E27, 0x673D01};
    case Tone::attention: return {0xEB5653, 0xE86773};
    case Tone::elementwise: return {0xF66FCA, 0x5D3967};
    case Tone::head: return {0x3F6BDC, 0x8E81F6};
    case Tone::communication: return {0x8BF186, 0x6B8C29};
    case Tone::host: return {0x7D6E77, 0x2F4D3E};
    case Tone::other: return {0xDBF1D7, 0x2C9DBB};
    case Tone::free: return {0x5F6773, 0x858C96};
    case Tone::used: return {0x9261D1, 0xBA67D4};
    case Tone::reserved: return {0xF0E442, 0x9A8600};
    case Tone::wasted: return {0xB49360, 0x5F4100};
    case Tone::cached: return {0x29CDC5, 0x236E69};
    case Tone::taken: return {0xFFFFFF, 0x000000};
    case Tone::evicted: return {0xF28B90, 0x8E0E2D};
    case Tone::owner: return kOwners[hue % kHues];
    case Tone::trace0: return {0x92FCFF, 0x005235};
    case Tone::trace1: return {0xF85580, 0xF65593};
    case Tone::trace2: return {0x827C0F, 0xB27325};
    case Tone::trace3: return {0x4A73E4, 0x8579ED};
    case Tone::better: return {0x4FC3F7, 0x005A9C};
    case Tone::worse: return {0xFF9E5E, 0xB34700};
  }
  return {0xFF00FF, 0xFF00FF};
}

double channel(std::uint32_t rgb, int shift) { return static_cast<double>((rgb >> shift) & 255) / 255; }

double luminance(std::uint32_t rgb) {
  const auto linear = [](double c) { return c <= 0.04045 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4); };
  return 0.2126 * linear(channel(rgb, 16)) + 0.7152 * linear(channel(rgb, 8)) + 0.0722 * linear(channel(rgb, 0));
}

}  // namespace

const char* name_of(Theme theme) { return theme == Theme::dark ? "dark" : "light"; }

std::uint32_t rgb_of(Theme theme, Tone tone, std::uint8_t hue) {
  const Pair pair = pair_of(tone, hue);
  return theme == Theme::dark ? pair.dark : pair.light;
}

std::uint32_t packed(std::uint32_t rgb, std::uint8_t alpha) {
  return ((rgb >> 16) & 255) | (rgb & 0xFF00) | ((rgb & 255) << 16) | (std::uint32_t{alpha} << 24);
}

std::uint32_t ink_on(std::uint32_t rgb) { return contrast(rgb, 0x000000) >= contrast(rgb, 0xFFFFFF) ? 0x000000 : 0xFFFFFF; }

std::uint32_t faded(Theme theme, std::uint32_t rgb, std::uint8_t strength) {
  const std::uint32_t ground = rgb_of(theme, Tone::ground);
  std::uint32_t out = 0;
  for (int shift = 0; shift <= 16; shift += 8) {
    const std::uint32_t full = (rgb >> shift) & 255, none = (ground >> shift) & 255;
    out |= ((full * strength + none * (255U - strength) + 127) / 255) << shift;
  }
  return out;
}

double contrast(std::uint32_t a, std::uint32_t b) {
  const double la = luminance(a), lb = luminance(b);
  return (std::max(la, lb) + 0.05) / (std::min(la, lb) + 0.05);
}

}  // namespace tokenyard::viz
