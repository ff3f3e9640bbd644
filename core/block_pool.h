// The KV pool: which blocks are free, in what order they are handed out, and which hold text another request may reuse.
//
// Invariants: a block is in the free queue exactly when its reference count is 0 (block 0 is neither under rules with a null
// block); a findable block keeps its hash while free, so freed text can still be hit until the block is handed out again.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/base/tokens.h"
#include "core/policy.h"

namespace tokenyard {

class BlockPool {
 public:
  // REQUIRES: num_blocks >= 1, and >= 2 with a null block.
  BlockPool(std::int32_t num_blocks, const BlockRules& rules);

  std::int32_t num_blocks() const { return num_blocks_; }
  std::int32_t num_free() const { return num_free_; }
  std::int32_t references(BlockId block) const { return blocks_[index(block)].references; }
  bool findable(BlockId block) const { return blocks_[index(block)].in_bucket != kNotFindable; }

  // Appends the head of the free queue to `table`; what it held can no longer be found. O(count). REQUIRES: count <=
  // num_free().
  void take(std::int32_t count, std::vector<BlockId>& table);

  // First run of `count` consecutive free blocks, or -1. O(num_blocks).
  BlockId find_run(std::int32_t count) const;
  // Blocks first, first+1, ... that are free. O(answer).
  std::int32_t hole_at(BlockId first) const;
  std::int32_t largest_hole() const;  // O(num_blocks) after a change, else O(1)
  // REQUIRES: the run is free.
  void take_run(BlockId first, std::int32_t count, std::vector<BlockId>& table);

  // One more table holds `block`; takes it out of the free queue when nobody did. O(1).
  void add_reference(BlockId block);

  // One table less holds each of `table`. Blocks nobody holds any more join the free queue as BlockRules::free_order says, from
  // the table's end, so that a text's end is evicted before its beginning. O(table).
  void release(std::span<const BlockId> table);

  // The prefix index. `find` returns a findable block whose hash is `hash`, or -1: the oldest or newest one published, by
  // BlockRules::duplicate. All O(1) expected plus O(findable blocks of that hash).
  BlockId find(const BlockHash& hash) const;
  // REQUIRES: !findable(block). Under newest_wins a block published before under the same hash is no longer findable; its id
  // is appended to `superseded`.
  void publish(BlockId block, const BlockHash& hash, std::vector<BlockId>& superseded);
  void withdraw(BlockId block);  // REQUIRES: findable(block)

  // First `count` blocks of the free queue, the next to be handed out first.
  std::vector<BlockId> free_head(std::int32_t count) const;

  void check_invariants() const;  // throws std::logic_error

 private:
  static constexpr BlockId kNotFindable = -2;
  // Half a cache line, for whoever takes a block, frees or publishes it needs all of this.
  struct alignas(32) Block {
    BlockHash hash;
    std::int32_t references = 0;
    BlockId in_bucket = kNotFindable;  // the next one there, or -1
    BlockId next = 0;                  // in the free queue
    BlockId previous = 0;
  };
  static std::size_t index(BlockId block) { return static_cast<std::size_t>(block); }
  std::size_t bucket_of(const BlockHash& hash) const { return hash.low & (buckets_.size() - 1); }
  void link_before(BlockId position, BlockId block);
  void unlink(BlockId block);

  BlockRules rules_;
  std::int32_t num_blocks_;
  std::int32_t num_free_ = 0;
  std::vector<Block> blocks_;  // [num_blocks + 1]; the last is the free queue's sentinel
  // The prefix index: findable blocks in buckets by hash, linked through Block::in_bucket. With a std::unordered_multimap in
  // its place a recorded hour takes 1.75 times as long (docs/measurements.md, "Prefix index").
  std::vector<BlockId> buckets_;            // [power of two >= num_blocks], the first block or -1
  mutable std::int32_t largest_hole_ = -1;  // -1: not known
};

}  // namespace tokenyard
