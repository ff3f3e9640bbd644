#include "core/block_manager.h"

#include <algorithm>

namespace tokenyard {

BlockManager::BlockManager(const EngineConfig& config)
    : rules_(block_rules(config)), block_size_(config.block_size), pool_(config.num_blocks, rules_) {}

const BlockHash& BlockManager::hash_of(Request& request, std::int32_t block) {
  std::vector<BlockHash>& hashes = request.block_hashes;
  while (static_cast<std::int32_t>(hashes.size()) <= block) {
    const BlockHash prefix = hashes.empty() ? BlockHash{} : hashes.back();
    const auto first = static_cast<std::int32_t>(hashes.size()) * block_size_;
    hashes.push_back(request.tokens.hash_block(prefix, first, block_size_));
  }
  return hashes[static_cast<std::size_t>(block)];
}

BlockManager::Prefix BlockManager::find_prefix(Request& request) {
  prefix_.clear();
  Prefix prefix;
  if (rules_.findable == BlockRules::Findable::never) return prefix;
  const std::int32_t most = (request.num_tokens - 1) / block_size_;
  for (std::int32_t i = 0; i < most; ++i) {
    const BlockId block = pool_.find(hash_of(request, i));
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
  request.num_registered = static_cast<std::int32_t>(prefix.blocks.size());
  extend(request, missing(request, tokens));
}

void BlockManager::extend(Request& request, std::int32_t count) {
  for (std::int32_t i = 0; i < count; ++i) request.blocks.push_back(pool_.take());
  num_table_entries_ += count;
}

void BlockManager::publish_next(Request& request) {
  const std::int32_t i = request.num_registered++;
  pool_.publish(request.blocks[static_cast<std::size_t>(i)], hash_of(request, i), disturbed_);
}

void BlockManager::withdraw(Request& request, std::int32_t first_block) {
  while (request.num_registered > first_block) {
    pool_.withdraw(request.blocks[static_cast<std::size_t>(--request.num_registered)]);
  }
}

void BlockManager::release(Request& request) {
  pool_.release(request.blocks);
  num_table_entries_ -= static_cast<std::int64_t>(request.blocks.size());
  request.blocks.clear();
  request.num_registered = 0;
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
