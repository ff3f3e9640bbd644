// From the fused projection to queries and cached keys and values: bias, QK-norm, rotation, K/V write, in one pass:
// docs/kernels/heads.md.
#pragma once

#include <cstdint>

#include "kernels/device.h"

namespace tokenyard::kernels {

struct Heads {
  const Bf16* qkv;                // [tokens, (heads + 2 kv_heads) head_dim]: queries, keys, values
  const Bf16* bias;               // [(heads + 2 kv_heads) head_dim]; null: none
  const Bf16* q_norm;             // [head_dim]; null: none
  const Bf16* k_norm;             // [head_dim]; null: none
  const float* cosine;            // [positions, head_dim / 2]
  const float* sine;              // [positions, head_dim / 2]
  const std::int32_t* positions;  // [tokens]
  const std::int32_t* slots;      // [tokens]: block * block_size + slot in the block, -1: a padded token, nothing is written
  Bf16* q;                        // [tokens, heads, head_dim], written
  Bf16* keys;                     // one layer's [block][kv_head][slot][head_dim], written
  Bf16* values;                   // as keys
  float epsilon;
  std::int32_t num_heads;
  std::int32_t num_kv_heads;
  std::int32_t head_dim;  // 64 or 128
  std::int32_t block_size;
  // K and V in fp8: keys and values are bytes then, in the order of kernels/fp8.cuh; these are their scales,
  // [block][kv_head][slot], written. Null: in bf16.
  std::uint8_t* key_scales = nullptr;
  std::uint8_t* value_scales = nullptr;
};

void prepare_heads(const Heads& args, std::int32_t tokens, Stream stream);

}  // namespace tokenyard::kernels
