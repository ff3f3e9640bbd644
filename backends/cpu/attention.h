// Attention of one query head over paged K/V, in an order that only absolute positions decide.
#pragma once

#include <cstdint>
#include <span>

#include "backends/cpu/kv_cache.h"

namespace tokenyard {

// Positions are taken in pieces that begin at 0, 256, 512, ...; each is a softmax of its own, and the pieces are merged in
// ascending order. The GPU splits likewise.
inline constexpr std::int32_t kAttentionPiece = 256;

// out = sum over positions p < context of softmax(q . k_p / sqrt(head_dim)) v_p; all of them [head_dim].
// `blocks` is the request's block table.
void attend(KvCache& cache, std::int32_t layer, std::int32_t kv_head, std::span<const BlockId> blocks, std::int32_t context,
            const float* query, std::int32_t head_dim, float* out);

}  // namespace tokenyard
