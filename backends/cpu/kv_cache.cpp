#include "backends/cpu/kv_cache.h"

#include <cstring>
#include <stdexcept>
#include <string>

namespace tokenyard {

KvCache::KvCache(const ModelConfig& model, std::int32_t num_blocks, std::int32_t block_size)
    : layers_(model.num_layers),
      kv_heads_(model.num_kv_heads),
      head_dim_(model.head_dim),
      num_blocks_(num_blocks),
      block_size_(block_size) {
  std::int64_t bytes = 2 * sizeof(float);
  for (const std::int32_t factor : {layers_, num_blocks_, kv_heads_, block_size_, head_dim_}) {
    if (bytes > INT64_MAX / factor) {
      bytes = INT64_MAX;
      break;
    }
    bytes *= factor;
  }
  data_.reset(static_cast<float*>(std::calloc(static_cast<std::size_t>(bytes), 1)));
  if (!data_) {
    throw std::invalid_argument("a KV pool of " + std::to_string(num_blocks) + " blocks of " + std::to_string(block_size) +
                                " tokens needs " + std::to_string(bytes) + " bytes, which cannot be had");
  }
}

void KvCache::copy_block(BlockId from, BlockId to) {
  const std::size_t bytes = sizeof(float) * static_cast<std::size_t>(kv_heads_ * std::int64_t{block_size_} * head_dim_);
  for (std::int32_t layer = 0; layer < layers_; ++layer) {
    std::memcpy(key(layer, to, 0, 0), key(layer, from, 0, 0), bytes);
    std::memcpy(value(layer, to, 0, 0), value(layer, from, 0, 0), bytes);
  }
}

}  // namespace tokenyard
