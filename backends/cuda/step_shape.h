// The shape of a step, and the sizes it is padded to, so that one captured graph and one gated product serve many steps.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/attention_plan.h"

namespace tokenyard::cuda {

// The padded sizes of a step.
struct StepShape {
  std::int32_t tokens = 0;     // computed
  std::int32_t head_rows = 0;  // of them, whose logits are wanted
  bool prefill = false;        // some row has more than one token
  // What such rows see, in blocks of kernels::kAttentionChunk tokens (kernels::ExpandedKv).
  std::int32_t expand_blocks = 0;
  kernels::AttentionReads reads = {};
};

// Ascending, the last is `most`: every power of two to 16, then by 16 to 256, by 64 to 1024, by 256 beyond. A padded row costs
// its part of the matrix products only; attention and sampling do nothing for it.
inline std::vector<std::int32_t> padded_sizes(std::int32_t most) {
  std::vector<std::int32_t> sizes;
  for (std::int32_t n = 1; n < most;) {
    sizes.push_back(n);
    n += n < 16 ? n : n < 256 ? 16 : n < 1024 ? 64 : 256;
  }
  sizes.push_back(most);
  return sizes;
}

// The least of `sizes` that is not below n. REQUIRES: there is one.
inline std::int32_t padded(const std::vector<std::int32_t>& sizes, std::int32_t n) {
  return *std::lower_bound(sizes.begin(), sizes.end(), n);
}

}  // namespace tokenyard::cuda
