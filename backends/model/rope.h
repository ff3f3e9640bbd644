// Rotary position embedding as a table that every backend uses, so that all rotate by the same bits.
#pragma once

#include <cstdint>
#include <vector>

#include "backends/model/model_config.h"

namespace tokenyard {

// Element (position p, pair i) is cos and sin of p x frequency(i). Elements i and i + head_dim/2 of a head are a pair:
//   x[i] cos - x[i + half] sin,   x[i + half] cos + x[i] sin.
struct RopeTable {
  std::int32_t half = 0;   // head_dim / 2
  std::vector<float> cos;  // [positions, half]
  std::vector<float> sin;  // [positions, half]
};

// Angles in single precision, as transformers has them and models were trained: at far positions they differ from exact ones.
// Their cos and sin are rounded once; without libm, so the same everywhere. O(positions x half).
RopeTable make_rope_table(const ModelConfig& config, std::int32_t positions);

// Radians a token, [head_dim / 2].
std::vector<float> rope_frequencies(const ModelConfig& config);

}  // namespace tokenyard
