#include "backends/cpu/kv_cache.h"

#include <sys/mman.h>

#include <cstring>
#include <stdexcept>
#include <string>

namespace tokenyard {

KvCache::KvCache(const ModelShape& model, std::int32_t num_blocks, std::int32_t block_size)
    : layers_(model.num_layers),
      kv_heads_(model.num_kv_heads),
      head_dim_(model.head_dim),
      num_blocks_(num_blocks),
      block_size_(block_size) {
  bytes_ = 2 * sizeof(float);
  for (const std::int32_t factor : {layers_, num_blocks_, kv_heads_, block_size_, head_dim_}) {
    bytes_ = bytes_ > INT64_MAX / factor ? INT64_MAX : bytes_ * factor;
  }
  void* const data =
      ::mmap(nullptr, static_cast<std::size_t>(bytes_), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) {
    throw std::invalid_argument("a KV pool of " + std::to_string(num_blocks) + " blocks of " + std::to_string(block_size) +
                                " tokens needs " + std::to_string(bytes_) + " bytes, which cannot be had");
  }
  data_ = static_cast<float*>(data);
}

KvCache::~KvCache() { ::munmap(data_, static_cast<std::size_t>(bytes_)); }

void KvCache::copy_block(BlockId from, BlockId to) {
  const std::size_t bytes = sizeof(float) * static_cast<std::size_t>(kv_heads_ * std::int64_t{block_size_} * head_dim_);
  for (std::int32_t layer = 0; layer < layers_; ++layer) {
    std::memcpy(key(layer, to, 0, 0), key(layer, from, 0, 0), bytes);
    std::memcpy(value(layer, to, 0, 0), value(layer, from, 0, 0), bytes);
  }
}

}  // namespace tokenyard
