// Rotary position embedding as a table that every backend uses, so that all rotate by the same bits.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/model_shape.h"

namespace tokenyard {

// Element (position p, pair i) is cos and sin of p x frequency(i). Elements i and i + head_dim/2 of a head are a pair:
//   x[i] cos - x[i + half] sin,   x[i + half] cos + x[i] sin.
// With yarn both are multiplied by its attention factor.
struct RopeTable {
  std::int32_t half = 0;   // head_dim / 2
  std::vector<float> cos;  // [positions, half]
  std::vector<float> sin;  // [positions, half]
};

// Angles in single precision, as transformers has them and models were trained: at far positions they differ from exact ones.
// Their cos and sin are rounded once; without libm, so the same everywhere. O(positions x half).
// REQUIRES: RoPE scaling, if any, is linear, llama3 or yarn; load_model_config() refuses the others.
RopeTable make_rope_table(const ModelShape& model, std::int32_t positions);

// Radians a token, [head_dim / 2].
std::vector<float> rope_frequencies(const ModelShape& model);

}  // namespace tokenyard
