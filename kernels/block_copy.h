// Moves K/V blocks, in every layer: docs/kernels/block_copy.md.
#pragma once

#include <cstdint>

#include "kernels/device.h"

namespace tokenyard::kernels {

struct BlockPair {
  std::int32_t from;
  std::int32_t to;
};

// As if one after the other: a source may be an earlier pair's target. `cache` is [planes][blocks][block_elements], a plane
// being one layer's K or V; `pairs` [count] lie on the device. REQUIRES: block_elements is a multiple of 8.
void copy_blocks(Bf16* cache, std::int32_t planes, std::int64_t blocks, std::int32_t block_elements, const BlockPair* pairs,
                 std::int32_t count, Stream stream);

}  // namespace tokenyard::kernels
