#include "backends/model/rope.h"

#include <algorithm>
#include <cmath>
#include <optional>
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

// One that turns slowly over the original context is divided, a fast one kept (_compute_llama3_parameters).
float llama3_frequency(const RopeScaling& scaling, float frequency) {
  const auto factor = static_cast<float>(scaling.factor);
  const auto low = static_cast<float>(scaling.low_freq_factor);
  const auto range = static_cast<float>(scaling.high_freq_factor - scaling.low_freq_factor);
  const float wavelength = 6.28318530717958648f / frequency;
  if (wavelength > static_cast<float>(scaling.original_context / scaling.low_freq_factor)) return frequency / factor;
  if (wavelength < static_cast<float>(scaling.original_context / scaling.high_freq_factor)) return frequency;
  const float kept = (static_cast<float>(scaling.original_context) / wavelength - low) / range;
  return (1 - kept) * frequency / factor + kept * frequency;
}

// The pairs between which yarn blends: the pair, as a real number, that turns beta_fast times over the original context, and
// the one that turns beta_slow times.
std::pair<double, double> yarn_blend(const RopeScaling& scaling, std::int32_t head_dim, double theta) {
  const auto pair_of_turns = [&](double turns) {
    return head_dim * portable_log(scaling.original_context / (turns * 6.283185307179586)) / (2 * portable_log(theta));
  };
  double first = pair_of_turns(scaling.beta_fast);
  double last = pair_of_turns(scaling.beta_slow);
  if (scaling.whole_pairs) {
    first = std::floor(first);
    last = std::ceil(last);
  }
  first = std::max(first, 0.0);
  last = std::min(last, head_dim - 1.0);
  return {first, first == last ? last + 0.001 : last};
}

}  // namespace

// Each operation rounded to single precision, in transformers' order (modeling_rope_utils.py): one last bit of a frequency is
// 1e-3 radians at position 30,000.
std::vector<float> rope_frequencies(const ModelShape& model) {
  const std::optional<RopeScaling>& scaling = model.rope_scaling;
  const auto factor = static_cast<float>(scaling ? scaling->factor : 1);
  std::vector<float> out;
  for (std::int32_t i = 0; i < model.head_dim / 2; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(model.head_dim);
    const auto tokens = static_cast<float>(portable_exp(portable_log(model.rope_theta) * exponent));  // to turn by a radian
    float frequency = 1 / tokens;
    if (scaling && scaling->kind == RopeScaling::Kind::linear) frequency /= factor;
    if (scaling && scaling->kind == RopeScaling::Kind::llama3) frequency = llama3_frequency(*scaling, frequency);
    if (scaling && scaling->kind == RopeScaling::Kind::yarn) {
      const auto [first, last] = yarn_blend(*scaling, model.head_dim, model.rope_theta);
      const float along = (static_cast<float>(i) - static_cast<float>(first)) / static_cast<float>(last - first);
      const float kept = 1 - std::min(std::max(along, 0.0f), 1.0f);
      frequency = 1 / (factor * tokens) * (1 - kept) + frequency * kept;
    }
    out.push_back(frequency);
  }
  return out;
}

RopeTable make_rope_table(const ModelShape& model, std::int32_t positions) {
  const std::vector<float> frequencies = rope_frequencies(model);
  RopeTable table;
  const auto factor = static_cast<float>(model.rope_scaling ? model.rope_scaling->attention_factor : 1);
  table.half = model.head_dim / 2;
  table.cos.reserve(static_cast<std::size_t>(positions) * frequencies.size());
  table.sin.reserve(static_cast<std::size_t>(positions) * frequencies.size());
  for (std::int32_t p = 0; p < positions; ++p) {
    for (const float frequency : frequencies) {
      const auto [cosine, sine] = cos_sin(static_cast<float>(p) * frequency);
      table.cos.push_back(static_cast<float>(cosine) * factor);
      table.sin.push_back(static_cast<float>(sine) * factor);
    }
  }
  return table;
}

}  // namespace tokenyard
