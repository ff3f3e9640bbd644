// The KV pool: single precision, in the layout of the GPU's, [layer][K|V][block][kv_head][slot][head_dim].
#pragma once

#include <cstdint>

#include "core/base/model_shape.h"
#include "core/base/types.h"

namespace tokenyard {

class KvCache {
 public:
  // Memory is taken as blocks are written. Throws std::invalid_argument, one sentence, when there is not enough.
  KvCache(const ModelShape& model, std::int32_t num_blocks, std::int32_t block_size);

  KvCache(const KvCache&) = delete;
  KvCache& operator=(const KvCache&) = delete;
  ~KvCache();

  // head_dim numbers.
  float* key(std::int32_t layer, BlockId block, std::int32_t kv_head, std::int32_t slot) {
    return data_ + offset(layer, 0, block, kv_head, slot);
  }
  float* value(std::int32_t layer, BlockId block, std::int32_t kv_head, std::int32_t slot) {
    return data_ + offset(layer, 1, block, kv_head, slot);
  }
  void copy_block(BlockId from, BlockId to);
  std::int32_t block_size() const { return block_size_; }

 private:
  std::int64_t offset(std::int32_t layer, std::int32_t which, BlockId block, std::int32_t kv_head, std::int32_t slot) const {
    return ((((std::int64_t{layer} * 2 + which) * num_blocks_ + block) * kv_heads_ + kv_head) * block_size_ + slot) * head_dim_;
  }
  std::int32_t layers_;
  std::int32_t kv_heads_;
  std::int32_t head_dim_;
  std::int32_t num_blocks_;
  std::int32_t block_size_;
  float* data_ = nullptr;
  std::int64_t bytes_;
};

}  // namespace tokenyard
