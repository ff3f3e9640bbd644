#include "backends/cpu/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "backends/cpu/linear.h"
#include "core/base/exact_math.h"

namespace tokenyard {
namespace {

// A softmax over some positions: values = sum of e^(score - greatest) v, total = sum of e^(score - greatest).
struct Partial {
  float greatest = -std::numeric_limits<float>::infinity();
  float total = 0;
  std::vector<float> values;
};

}  // namespace

void attend(KvCache& cache, std::int32_t layer, std::int32_t kv_head, std::span<const BlockId> blocks, std::int32_t context,
            const float* query, std::int32_t head_dim, float* out) {
  const std::int32_t block_size = cache.block_size();
  const float scale = static_cast<float>(1 / std::sqrt(static_cast<double>(head_dim)));
  const auto d = static_cast<std::size_t>(head_dim);
  const auto at = [&](std::int32_t position) { return blocks[static_cast<std::size_t>(position / block_size)]; };
  thread_local Partial all;
  thread_local Partial piece;
  all.greatest = -std::numeric_limits<float>::infinity();
  all.total = 0;
  all.values.assign(d, 0);

  for (std::int32_t first = 0; first < context; first += kAttentionPiece) {
    const std::int32_t count = std::min(kAttentionPiece, context - first);
    float scores[kAttentionPiece];
    for (std::int32_t i = 0; i < count; ++i) {
      const std::int32_t p = first + i;
      scores[i] = dot(query, cache.key(layer, at(p), kv_head, p % block_size), head_dim) * scale;
    }
    piece.greatest = *std::max_element(scores, scores + count);
    for (std::int32_t i = 0; i < count; ++i) scores[i] = exact::exp_of_negative(scores[i] - piece.greatest);
    piece.total = 0;
    piece.values.assign(d, 0);
    float* const values = piece.values.data();
    for (std::int32_t i = 0; i < count; ++i) {
      const std::int32_t p = first + i;
      const float* const value = cache.value(layer, at(p), kv_head, p % block_size);
      const float weight = scores[i];
      piece.total += weight;
      for (std::size_t e = 0; e < d; ++e) values[e] += weight * value[e];
    }

    const float greatest = std::max(all.greatest, piece.greatest);
    const float old_share = exact::exp_of_negative(all.greatest - greatest);
    const float new_share = exact::exp_of_negative(piece.greatest - greatest);
    all.greatest = greatest;
    all.total = all.total * old_share + piece.total * new_share;
    for (std::size_t e = 0; e < d; ++e) all.values[e] = all.values[e] * old_share + values[e] * new_share;
  }
  for (std::size_t e = 0; e < d; ++e) out[e] = all.values[e] / all.total;
}

}  // namespace tokenyard
