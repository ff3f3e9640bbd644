#include "backends/model/rope.h"

#include <cmath>
#include <utility>

#include "core/base/portable_math.h"

namespace tokenyard {
namespace {

// {cos x, sin x} for 0 <= x < 2^27, absolute error below 1e-14.
std::pair<double, double> cos_sin(double x) {
  // pi / 2 in two parts; the first has 33 bits, so that its product with a quadrant below 2^20 is exact.
  const double high = 0x1.921fb544p+0;
  const double low = 0x1.0b4611a626331p-34;
  const double quadrant = std::floor(x * 0.63661977236758134 + 0.5);
  const double r = (x - quadrant * high) - quadrant * low;  // |r| <= pi/4
  const double z = r * r;
  double cosine = 1;
  double sine = 1;
  for (int n = 16; n >= 2; n -= 2) {
    cosine = 1 - cosine * z / ((n - 1) * n);
    sine = 1 - sine * z / (n * (n + 1));
  }
  sine *= r;
  switch (static_cast<std::int64_t>(quadrant) % 4) {
    case 0: return {cosine, sine};
    case 1: return {-sine, cosine};
    case 2: return {-cosine, -sine};
    default: return {sine, -cosine};
  }
}

}  // namespace

// Each operation rounded to single precision, in transformers' order (_compute_llama3_parameters): one last bit of a frequency
// is 1e-3 radians at position 30,000.
std::vector<float> rope_frequencies(const ModelConfig& config) {
  std::vector<float> out;
  for (std::int32_t i = 0; i < config.head_dim / 2; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(config.head_dim);
    float frequency = 1 / static_cast<float>(portable_exp(portable_log(config.rope_theta) * exponent));
    if (config.rope_scaling) {
      const RopeScaling& scaling = *config.rope_scaling;
      const auto factor = static_cast<float>(scaling.factor);
      const auto low = static_cast<float>(scaling.low_freq_factor);
      const auto range = static_cast<float>(scaling.high_freq_factor - scaling.low_freq_factor);
      const float wavelength = 6.28318530717958648f / frequency;
      if (wavelength > static_cast<float>(scaling.original_context / scaling.low_freq_factor)) {
        frequency /= factor;
      } else if (wavelength >= static_cast<float>(scaling.original_context / scaling.high_freq_factor)) {
        const float kept = (static_cast<float>(scaling.original_context) / wavelength - low) / range;
        frequency = (1 - kept) * frequency / factor + kept * frequency;
      }
    }
    out.push_back(frequency);
  }
  return out;
}

RopeTable make_rope_table(const ModelConfig& config, std::int32_t positions) {
  const std::vector<float> frequencies = rope_frequencies(config);
  RopeTable table;
  table.half = config.head_dim / 2;
  table.cos.reserve(static_cast<std::size_t>(positions) * frequencies.size());
  table.sin.reserve(static_cast<std::size_t>(positions) * frequencies.size());
  for (std::int32_t p = 0; p < positions; ++p) {
    for (const float frequency : frequencies) {
      const auto [cosine, sine] = cos_sin(static_cast<float>(p) * frequency);
      table.cos.push_back(static_cast<float>(cosine));
      table.sin.push_back(static_cast<float>(sine));
    }
  }
  return table;
}

}  // namespace tokenyard
