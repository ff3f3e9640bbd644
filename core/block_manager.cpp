#include "core/block_manager.h"

#include <algorithm>
#include <limits>

namespace tokenyard {

BlockManager::BlockManager(const EngineConfig& config)
    : rules_(block_rules(config)),
      block_size_(config.block_size),
      publish_from_(rules_.findable == BlockRules::Findable::never ? std::numeric_limits<std::int32_t>::max() : block_size_),
      pool_(config.num_blocks, rules_) {}

BlockManager::Prefix BlockManager::find_prefix(Request& request) {
  prefix_.clear();
  Prefix prefix;
  if (rules_.findable == BlockRules::Findable::never) return prefix;
  const std::int32_t most = (request.num_tokens - 1) / block_size_;
  for (std::int32_t i = 0; i < most; ++i) {
    request.tokens.hash_blocks(block_size_, i + 1, request.block_hashes);
    const BlockId block = pool_.find(request.block_hashes[static_cast<std::size_t>(i)]);
    if (block < 0) break;
    prefix_.push_back(block);
    if (pool_.references(block) == 0) ++prefix.num_free;
  }
  prefix.blocks = prefix_;
  prefix.tokens = static_cast<std::int32_t>(prefix_.size()) * block_size_;
  return prefix;
}

void BlockManager::admit(Request& request, const Prefix& prefix, std::int32_t tokens) {
  for (const BlockId block : prefix.blocks) {
    pool_.add_reference(block);
    request.blocks.push_back(block);
  }
  num_table_entries_ += static_cast<std::int64_t>(prefix.blocks.size());
  request.num_published = prefix.tokens;
  extend(request, missing(request, tokens));
}

void BlockManager::extend(Request& request, std::int32_t count) {
  pool_.take(count, request.blocks);
  num_table_entries_ += count;
}

void BlockManager::publish_blocks(Request& request, std::int32_t count) {
  request.tokens.hash_blocks(block_size_, count, request.block_hashes);
  for (auto i = static_cast<std::size_t>(request.num_published / block_size_); i < static_cast<std::size_t>(count); ++i) {
    pool_.publish(request.blocks[i], request.block_hashes[i], disturbed_);
  }
  request.num_published = count * block_size_;
}

void BlockManager::withdraw(Request& request, std::int32_t first_block) {
  for (; request.num_published > first_block * block_size_; request.num_published -= block_size_) {
    pool_.withdraw(request.blocks[static_cast<std::size_t>(request.num_published / block_size_) - 1]);
  }
}

void BlockManager::release(Request& request) {
  pool_.release(request.blocks);
  num_table_entries_ -= static_cast<std::int64_t>(request.blocks.size());
  request.blocks.clear();
  request.num_published = 0;
}

std::int32_t BlockManager::num_private(const Request& request) const {
  return static_cast<std::int32_t>(
      std::count_if(request.blocks.begin(), request.blocks.end(), [&](BlockId b) { return pool_.references(b) == 1; }));
}

bool BlockManager::reserve(Request& request, std::int32_t count) {
  const BlockId first = pool_.find_run(count);
  if (first < 0) return false;
  pool_.take_run(first, count);
  for (BlockId b = first; b < first + count; ++b) request.blocks.push_back(b);
  num_table_entries_ += count;
  return true;
}

bool BlockManager::enlarge(Request& request, std::int32_t count, std::vector<BlockCopy>& copies) {
  const auto held = static_cast<std::int32_t>(request.blocks.size());
  const BlockId end = request.blocks.back() + 1;
  if (pool_.hole_at(end) >= count - held) {
    pool_.take_run(end, count - held);
    for (BlockId b = end; b < end + count - held; ++b) request.blocks.push_back(b);
    num_table_entries_ += count - held;
    return true;
  }
  const std::vector<BlockId> old = request.blocks;
  request.blocks.clear();
  if (!reserve(request, count)) {
    request.blocks = old;
    return false;
  }
  const std::int32_t filled = blocks_for(request.num_computed);
  for (std::int32_t i = 0; i < filled; ++i) {
    copies.push_back({old[static_cast<std::size_t>(i)], request.blocks[static_cast<std::size_t>(i)]});
  }
  pool_.release(old);
  num_table_entries_ -= held;
  return true;
}

}  // namespace tokenyard
