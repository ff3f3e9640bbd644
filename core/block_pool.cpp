#include "core/block_pool.h"

#include <algorithm>
#include <bit>

namespace tokenyard {

BlockPool::BlockPool(std::int32_t num_blocks, const BlockRules& rules)
    : rules_(rules),
      num_blocks_(num_blocks),
      free_(index(num_blocks) + 1),
      blocks_(index(num_blocks)),
      slots_(std::bit_ceil(index(num_blocks) * 2)) {
  free_.back() = {num_blocks_, num_blocks_};
  for (BlockId b = rules_.null_block ? 1 : 0; b < num_blocks_; ++b) link_before(num_blocks_, b);
}

void BlockPool::link_before(BlockId position, BlockId block) {
  Link& at = free_[index(position)];
  free_[index(block)] = {position, at.previous};
  free_[index(at.previous)].next = block;
  at.previous = block;
  ++num_free_;
  largest_hole_ = -1;
}

void BlockPool::unlink(BlockId block) {
  const Link link = free_[index(block)];
  free_[index(link.previous)].next = link.next;
  free_[index(link.next)].previous = link.previous;
  --num_free_;
  largest_hole_ = -1;
}

BlockId BlockPool::take() {
  const BlockId block = free_.back().next;
  unlink(block);
  Block& b = blocks_[index(block)];
  if (b.findable) withdraw(block);
  b.references = 1;
  return block;
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

void BlockPool::take_run(BlockId first, std::int32_t count) {
  for (BlockId b = first; b < first + count; ++b) {
    unlink(b);
    blocks_[index(b)].references = 1;
  }
}

void BlockPool::add_reference(BlockId block) {
  Block& b = blocks_[index(block)];
  if (b.references++ == 0) unlink(block);
}

void BlockPool::release(std::span<const BlockId> table) {
  // Unhashed blocks go to the front as a group whose first is the table's last; hashed ones to the tail one by one.
  BlockId front = free_.back().next;
  for (std::size_t i = table.size(); i-- > 0;) {
    const BlockId block = table[i];
    Block& b = blocks_[index(block)];
    if (--b.references > 0) continue;
    const bool to_front = rules_.free_order == FreeOrder::unhashed_first && !b.findable;
    if (!to_front && front == num_blocks_) front = block;  // the queue was empty: the group stays ahead of this block
    link_before(to_front ? front : num_blocks_, block);
  }
}

std::size_t BlockPool::slot_of(const BlockHash& hash) const {
  const std::size_t mask = slots_.size() - 1;
  const auto low = static_cast<std::uint32_t>(hash.low);
  std::size_t slot = low & mask;
  while (slots_[slot].block >= 0 && (slots_[slot].low != low || blocks_[index(slots_[slot].block)].hash != hash)) {
    slot = (slot + 1) & mask;
  }
  return slot;
}

void BlockPool::erase_slot(std::size_t slot) {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t next = (slot + 1) & mask; slots_[next].block >= 0; next = (next + 1) & mask) {
    const std::size_t home = slots_[next].low & mask;
    if (((next - home) & mask) < ((next - slot) & mask)) continue;  // it would move before its home
    slots_[slot] = slots_[next];
    slot = next;
  }
  slots_[slot].block = -1;
}

BlockId BlockPool::find(const BlockHash& hash) const { return slots_[slot_of(hash)].block; }

void BlockPool::publish(BlockId block, const BlockHash& hash, std::vector<BlockId>& superseded) {
  Block& b = blocks_[index(block)];
  b.hash = hash;
  b.findable = true;
  b.next_duplicate = -1;
  b.last_duplicate = block;
  Slot& slot = slots_[slot_of(hash)];
  const BlockId first = slot.block;
  if (first < 0) {
    slot = {block, static_cast<std::uint32_t>(hash.low)};
  } else if (rules_.duplicate == BlockRules::Duplicate::newest_wins) {
    slot.block = block;
    blocks_[index(first)].findable = false;
    superseded.push_back(first);
  } else {
    Block& oldest = blocks_[index(first)];
    blocks_[index(oldest.last_duplicate)].next_duplicate = block;
    oldest.last_duplicate = block;
  }
}

void BlockPool::withdraw(BlockId block) {
  Block& b = blocks_[index(block)];
  b.findable = false;
  const std::size_t slot = slot_of(b.hash);
  const BlockId first = slots_[slot].block;
  if (first == block) {
    if (b.next_duplicate < 0) {
      erase_slot(slot);
    } else {
      slots_[slot].block = b.next_duplicate;
      blocks_[index(b.next_duplicate)].last_duplicate = b.last_duplicate;
    }
    return;
  }
  Block& oldest = blocks_[index(first)];
  BlockId before = first;
  while (blocks_[index(before)].next_duplicate != block) before = blocks_[index(before)].next_duplicate;
  blocks_[index(before)].next_duplicate = b.next_duplicate;
  if (oldest.last_duplicate == block) oldest.last_duplicate = before;
}

std::vector<BlockId> BlockPool::free_head(std::int32_t count) const {
  std::vector<BlockId> head;
  for (BlockId b = free_.back().next; b != num_blocks_ && count > 0; b = free_[index(b)].next, --count) head.push_back(b);
  return head;
}

}  // namespace tokenyard
