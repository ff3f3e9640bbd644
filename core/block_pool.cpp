#include "core/block_pool.h"

#include <algorithm>
#include <bit>

namespace tokenyard {

BlockPool::BlockPool(std::int32_t num_blocks, const BlockRules& rules)
    : rules_(rules), num_blocks_(num_blocks), blocks_(index(num_blocks) + 1), buckets_(std::bit_ceil(index(num_blocks)), -1) {
  blocks_.back().next = blocks_.back().previous = num_blocks_;
  for (BlockId b = rules_.null_block ? 1 : 0; b < num_blocks_; ++b) link_before(num_blocks_, b);
}

void BlockPool::link_before(BlockId position, BlockId block) {
  Block& at = blocks_[index(position)];
  Block& b = blocks_[index(block)];
  b.next = position;
  b.previous = at.previous;
  blocks_[index(at.previous)].next = block;
  at.previous = block;
  ++num_free_;
  largest_hole_ = -1;
}

void BlockPool::unlink(BlockId block) {
  const Block& b = blocks_[index(block)];
  blocks_[index(b.previous)].next = b.next;
  blocks_[index(b.next)].previous = b.previous;
  --num_free_;
  largest_hole_ = -1;
}

void BlockPool::take(std::int32_t count, std::vector<BlockId>& table) {
  BlockId head = blocks_.back().next;
  for (std::int32_t i = 0; i < count; ++i) {
    Block& block = blocks_[index(head)];
    __builtin_prefetch(&blocks_[index(blocks_[index(block.next)].next)]);  // freed long ago
    if (findable(head)) withdraw(head);
    block.references = 1;
    table.push_back(head);
    head = block.next;
  }
  blocks_.back().next = head;
  blocks_[index(head)].previous = num_blocks_;
  num_free_ -= count;
  largest_hole_ = -1;
}

std::int32_t BlockPool::hole_at(BlockId first) const {
  BlockId end = first;
  while (end < num_blocks_ && blocks_[index(end)].references == 0) ++end;
  return end - first;
}

BlockId BlockPool::find_run(std::int32_t count) const {
  for (BlockId b = rules_.null_block ? 1 : 0; b < num_blocks_;) {
    const std::int32_t hole = hole_at(b);
    if (hole >= count) return b;
    b += hole + 1;
  }
  return -1;
}

std::int32_t BlockPool::largest_hole() const {
  if (largest_hole_ < 0) {
    largest_hole_ = 0;
    for (BlockId b = rules_.null_block ? 1 : 0; b < num_blocks_;) {
      const std::int32_t hole = hole_at(b);
      largest_hole_ = std::max(largest_hole_, hole);
      b += hole + 1;
    }
  }
  return largest_hole_;
}

void BlockPool::take_run(BlockId first, std::int32_t count, std::vector<BlockId>& table) {
  for (BlockId b = first; b < first + count; ++b) {
    unlink(b);
    blocks_[index(b)].references = 1;
    table.push_back(b);
  }
}

void BlockPool::add_reference(BlockId block) {
  Block& b = blocks_[index(block)];
  if (b.references++ == 0) unlink(block);
}

void BlockPool::release(std::span<const BlockId> table) {
  // Unhashed blocks go to the front as a group whose first is the table's last; hashed ones to the tail one by one.
  BlockId front = blocks_.back().next;
  for (std::size_t i = table.size(); i-- > 0;) {
    const BlockId block = table[i];
    Block& b = blocks_[index(block)];
    if (--b.references > 0) continue;
    const bool to_front = rules_.free_order == FreeOrder::unhashed_first && !findable(block);
    if (!to_front && front == num_blocks_) front = block;  // the queue was empty: the group stays ahead of this block
    link_before(to_front ? front : num_blocks_, block);
  }
}

BlockId BlockPool::find(const BlockHash& hash) const {
  BlockId oldest = -1;  // a bucket's list begins with the block published last
  for (BlockId b = buckets_[bucket_of(hash)]; b >= 0; b = blocks_[index(b)].in_bucket) {
    if (blocks_[index(b)].hash == hash) oldest = b;
  }
  return oldest;
}

void BlockPool::publish(BlockId block, const BlockHash& hash, std::vector<BlockId>& superseded) {
  if (rules_.duplicate == BlockRules::Duplicate::newest_wins) {
    if (const BlockId older = find(hash); older >= 0) {
      withdraw(older);
      superseded.push_back(older);
    }
  }
  BlockId& first = buckets_[bucket_of(hash)];
  Block& b = blocks_[index(block)];
  b.hash = hash;
  b.in_bucket = first;
  first = block;
}

void BlockPool::withdraw(BlockId block) {
  Block& b = blocks_[index(block)];
  BlockId* link = &buckets_[bucket_of(b.hash)];
  while (*link != block) link = &blocks_[index(*link)].in_bucket;
  *link = b.in_bucket;
  b.in_bucket = kNotFindable;
}

std::vector<BlockId> BlockPool::free_head(std::int32_t count) const {
  std::vector<BlockId> head;
  for (BlockId b = blocks_.back().next; b != num_blocks_ && count > 0; b = blocks_[index(b)].next, --count) head.push_back(b);
  return head;
}

}  // namespace tokenyard
