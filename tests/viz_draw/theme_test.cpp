// Colours are measured: contrast as WCAG 2 has it, and distance as the colour-blind see it.
#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "catch.h"
#include "viz/app/theme.h"

namespace tokenyard::viz {
namespace {

using Rgb = std::array<double, 3>;  // linear light, 0 .. 1

Rgb linear(std::uint32_t rgb) {
  Rgb out{};
  for (std::size_t i = 0; i < 3; ++i) {
    const double c = static_cast<double>((rgb >> (16 - 8 * i)) & 255) / 255;
    out[i] = c <= 0.04045 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4);
  }
  return out;
}

using Matrix = std::array<std::array<double, 3>, 3>;

// Machado, Oliveira and Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency" (2009),
// severity 1.
constexpr Matrix kUsual = {{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};
constexpr Matrix kProtanopia = {
    {{0.152286, 1.052583, -0.204868}, {0.114503, 0.786281, 0.099216}, {-0.003882, -0.048116, 1.051998}}};
constexpr Matrix kDeuteranopia = {
    {{0.367322, 0.860646, -0.227968}, {0.280085, 0.672501, 0.047413}, {-0.011820, 0.042940, 0.968881}}};
constexpr Matrix kTritanopia = {
    {{1.255528, -0.076749, -0.178779}, {-0.078411, 0.930809, 0.147602}, {0.004733, 0.691367, 0.303900}}};

// CIE L*a*b* of what somebody sees, D65.
Rgb lab(std::uint32_t rgb, const Matrix& eye) {
  const Rgb in = linear(rgb);
  Rgb seen{};
  for (std::size_t i = 0; i < 3; ++i) {
    seen[i] = std::clamp(eye[i][0] * in[0] + eye[i][1] * in[1] + eye[i][2] * in[2], 0.0, 1.0);
  }
  const double x = (0.4124 * seen[0] + 0.3576 * seen[1] + 0.1805 * seen[2]) / 0.9505;
  const double y = 0.2126 * seen[0] + 0.7152 * seen[1] + 0.0722 * seen[2];
  const double z = (0.0193 * seen[0] + 0.1192 * seen[1] + 0.9505 * seen[2]) / 1.089;
  const auto f = [](double t) { return t > 0.008856 ? std::cbrt(t) : 7.787 * t + 16.0 / 116; };
  return {116 * f(y) - 16, 500 * (f(x) - f(y)), 200 * (f(y) - f(z))};
}

// CIE 1976 difference: 2.3 is just noticeable side by side.
double difference(std::uint32_t a, std::uint32_t b, const Matrix& eye) {
  const Rgb la = lab(a, eye), lb = lab(b, eye);
  return std::sqrt(std::pow(la[0] - lb[0], 2) + std::pow(la[1] - lb[1], 2) + std::pow(la[2] - lb[2], 2));
}

constexpr double kText = 4.5, kGraphics = 3;  // WCAG 2.1, 1.4.3 and 1.4.11
constexpr double kApart = 10;                 // in one panel
constexpr double kDistinct = 8;               // in different panels

const std::vector<Tone> kPhaseTones = {Tone::queued,  Tone::prefill, Tone::decode,
                                       Tone::stalled, Tone::padding, Tone::preempted};
const std::vector<Tone> kParts = {Tone::gemm,          Tone::attention, Tone::elementwise, Tone::head,
                                  Tone::communication, Tone::host,      Tone::other};
const std::vector<Tone> kStates = {Tone::used, Tone::cached, Tone::wasted, Tone::evicted};
const std::vector<Tone> kTraces = {Tone::trace0, Tone::trace1, Tone::trace2, Tone::trace3};

}  // namespace

TEST_CASE("Contrast is what WCAG says") {
  CHECK(contrast(0x000000, 0xFFFFFF) == Approx(21));
  CHECK(contrast(0x777777, 0xFFFFFF) == Approx(4.48).margin(0.005));
  CHECK(contrast(0x123456, 0x123456) == Approx(1));
}

TEST_CASE("Texts and shapes stand out from the ground in both themes") {
  for (const Theme theme : {Theme::dark, Theme::light}) {
    const std::uint32_t ground = rgb_of(theme, Tone::ground);
    for (const Tone tone : {Tone::text, Tone::dim, Tone::highlight, Tone::better, Tone::worse}) {
      INFO(name_of(theme) << " text " << static_cast<int>(tone));
      CHECK(contrast(rgb_of(theme, tone), ground) >= kText);
    }
    for (int i = 0; i <= static_cast<int>(Tone::worse); ++i) {
      const auto tone = static_cast<Tone>(i);
      if (tone == Tone::ground || tone == Tone::grid) continue;
      for (int hue = 0; hue < (tone == Tone::owner ? kHues : 1); ++hue) {
        INFO(name_of(theme) << " tone " << i << " hue " << hue);
        CHECK(contrast(rgb_of(theme, tone, static_cast<std::uint8_t>(hue)), ground) >= kGraphics);
      }
    }
  }
}

TEST_CASE("Phases, parts of a step, states of blocks and compared traces differ for every kind of eye") {
  for (const Theme theme : {Theme::dark, Theme::light}) {
    for (const std::vector<Tone>& group : {kPhaseTones, kParts, kStates, kTraces}) {
      for (const Matrix& eye : {kUsual, kProtanopia, kDeuteranopia, kTritanopia}) {
        for (std::size_t i = 0; i < group.size(); ++i) {
          for (std::size_t k = 0; k < i; ++k) {
            INFO(name_of(theme) << " tones " << static_cast<int>(group[i]) << " and " << static_cast<int>(group[k])
                                << ", eye with " << eye[0][0]);
            CHECK(difference(rgb_of(theme, group[i]), rgb_of(theme, group[k]), eye) >= kApart);
          }
        }
      }
    }
  }
}

TEST_CASE("A colour means one thing: nothing else looks like a phase, and no request like a state of a block") {
  for (const Theme theme : {Theme::dark, Theme::light}) {
    std::vector<std::uint32_t> owners, phases, states, others;
    for (int hue = 0; hue < kHues; ++hue) owners.push_back(rgb_of(theme, Tone::owner, static_cast<std::uint8_t>(hue)));
    for (const Tone tone : kPhaseTones) phases.push_back(rgb_of(theme, tone));
    for (const Tone tone : kStates) states.push_back(rgb_of(theme, tone));
    for (const std::vector<Tone>& group : {kParts, kTraces, kStates}) {
      for (const Tone tone : group) others.push_back(rgb_of(theme, tone));
    }
    const auto require_apart = [&](const std::vector<std::uint32_t>& some, const std::vector<std::uint32_t>& more, double by) {
      for (const Matrix& eye : {kUsual, kProtanopia, kDeuteranopia, kTritanopia}) {
        for (const std::uint32_t a : some) {
          for (const std::uint32_t b : more) {
            if (&some == &more && a == b) continue;
            INFO(name_of(theme) << " " << std::hex << a << " and " << b << ", eye with " << eye[0][0]);
            CHECK(difference(a, b, eye) >= by);
          }
        }
      }
    };
    require_apart(owners, owners, kApart);
    require_apart(owners, states, kDistinct);
    require_apart(owners, phases, kDistinct);
    require_apart(others, phases, kDistinct);
  }
}

TEST_CASE("Letters are read on every colour") {
  for (const Theme theme : {Theme::dark, Theme::light}) {
    for (int hue = 0; hue < kHues; ++hue) {
      const std::uint32_t rgb = rgb_of(theme, Tone::owner, static_cast<std::uint8_t>(hue));
      CHECK(contrast(ink_on(rgb), rgb) >= kText);
    }
    for (const Tone tone : kPhaseTones) CHECK(contrast(ink_on(rgb_of(theme, tone)), rgb_of(theme, tone)) >= kText);
  }
}

TEST_CASE("Fading ends at the ground") {
  CHECK(faded(Theme::light, 0x204060, 255) == 0x204060);
  CHECK(faded(Theme::light, 0x204060, 0) == rgb_of(Theme::light, Tone::ground));
  CHECK(packed(0x112233, 0x44) == 0x44332211);
}

}  // namespace tokenyard::viz
