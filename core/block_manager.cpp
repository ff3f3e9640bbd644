#include "core/block_manager.h"

#include <algorithm>

namespace tokenyard {

BlockManager::BlockManager(const EngineConfig& config)
    : rules_(block_rules(config)), block_size_(config.block_size), pool_(config.num_blocks, rules_) {
  if (rules_.findable == BlockRules::Findable::never) publish_from_ = std::numeric_limits<std::int32_t>::max();
}

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
  for (const BlockId block : prefix.blocks) pool_.add_reference(block);
  request.blocks.assign(prefix.blocks.begin(), prefix.blocks.end());
  count_slots(request);
  request.num_published = prefix.tokens;
  extend(request, missing(request, tokens));
}

void BlockManager::extend(Request& request, std::int32_t count) {
  pool_.take(count, request.blocks);
  count_slots(request);
}

void BlockManager::count_slots(Request& request) {
  const std::int64_t slots = std::int64_t{block_size_} * std::ssize(request.blocks);
  num_slots_ += slots - request.num_slots;
  request.num_slots = slots;
}

void BlockManager::publish_blocks(Request& request, std::int32_t tokens) {
  request.tokens.hash_blocks(block_size_, tokens / block_size_, request.block_hashes);
  for (; request.num_published + block_size_ <= tokens; request.num_published += block_size_) {
    const auto i = static_cast<std::size_t>(request.num_published / block_size_);
    pool_.publish(request.blocks[i], request.block_hashes[i], disturbed_);
  }
}

void BlockManager::withdraw(Request& request, std::int32_t first_block) {
  for (; request.num_published > first_block * block_size_; request.num_published -= block_size_) {
    pool_.withdraw(request.blocks[static_cast<std::size_t>(request.num_published / block_size_) - 1]);
  }
}

void BlockManager::release(Request& request) {
  pool_.release(request.blocks);
  request.blocks.clear();
  count_slots(request);
  request.num_published = 0;
}

std::int32_t BlockManager::num_private(const Request& request) const {
  return static_cast<std::int32_t>(
      std::count_if(request.blocks.begin(), request.blocks.end(), [&](BlockId b) { return pool_.references(b) == 1; }));
}

bool BlockManager::reserve(Request& request, std::int32_t count) {
  const BlockId first = pool_.find_run(count);
  if (first < 0) return false;
  pool_.take_run(first, count, request.blocks);
  count_slots(request);
  return true;
}

bool BlockManager::enlarge(Request& request, std::int32_t count, std::vector<BlockCopy>& copies) {
  const auto held = static_cast<std::int32_t>(request.blocks.size());
  const BlockId end = request.blocks.back() + 1;
  if (pool_.hole_at(end) >= count - held) {
    pool_.take_run(end, count - held, request.blocks);
    count_slots(request);
    return true;
  }
  const std::vector<BlockId> old = request.blocks;
  request.blocks.clear();
  if (!reserve(request, count)) {
    request.blocks = old;
    return false;
  }
  const auto filled = static_cast<std::size_t>(blocks_for(request.num_computed));
  for (std::size_t i = 0; i < filled; ++i) copies.push_back({old[i], request.blocks[i]});
  pool_.release(old);
  return true;
}

}  // namespace tokenyard
