// Block tables: gives requests the blocks their tokens need, shares blocks that hold the same text, and keeps what a finished
// request leaves behind for the next one. Executes one policy's BlockRules; decides nothing by itself.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/block_pool.h"
#include "core/config.h"
#include "core/request.h"
#include "core/step_plan.h"

namespace tokenyard {

class BlockManager {
 public:
  explicit BlockManager(const EngineConfig& config);

  const BlockPool& pool() const { return pool_; }
  BlockPool& pool() { return pool_; }
  const BlockRules& rules() const { return rules_; }
  std::int32_t block_size() const { return block_size_; }
  std::int32_t num_free() const { return pool_.num_free(); }
  std::int32_t num_usable() const { return pool_.num_blocks() - (rules_.null_block ? 1 : 0); }
  std::int32_t blocks_for(std::int64_t tokens) const {
    return static_cast<std::int32_t>((tokens + block_size_ - 1) / block_size_);
  }
  std::int64_t capacity() const { return std::int64_t{num_usable()} * block_size_; }  // tokens the whole pool holds
  // Sum over all requests of Request::num_slots; less those of the referenced blocks it is what sharing saved.
  std::int64_t num_slots() const { return num_slots_; }
  std::int32_t num_referenced() const { return num_usable() - pool_.num_free(); }

  // The longest prefix of `request` that is in the pool, in whole blocks, always leaving one token to compute (its logits are
  // wanted). Valid until the next call. O(blocks of the prefix).
  struct Prefix {
    std::span<const BlockId> blocks;
    std::int32_t tokens = 0;
    std::int32_t num_free = 0;  // of these blocks that nobody holds: taking them shortens the free queue
  };
  Prefix find_prefix(Request& request);

  // Gives a request without a table the blocks for its first `tokens` tokens: the prefix, then fresh ones.
  // REQUIRES: blocks_for(tokens) - prefix.blocks + prefix.num_free <= num_free().
  void admit(Request& request, const Prefix& prefix, std::int32_t tokens);

  // Blocks missing from the table for the first `tokens` tokens.
  std::int32_t missing(const Request& request, std::int32_t tokens) const {
    return request.num_slots >= tokens ? 0 : blocks_for(tokens) - static_cast<std::int32_t>(request.blocks.size());
  }
  // REQUIRES: count <= num_free().
  void extend(Request& request, std::int32_t count);

  // Makes the full blocks among the first `computed` tokens findable, as far as these are known, if the rules have a prefix
  // index.
  void publish(Request& request, std::int32_t computed) {
    if (computed - request.num_published >= publish_from_) publish_blocks(request, std::min(computed, request.num_known()));
  }
  // Takes that back for the blocks from `first_block` on.
  void withdraw(Request& request, std::int32_t first_block);

  // Gives all blocks back; what was published stays findable. The table is empty after.
  void release(Request& request);
  // Blocks that only this request holds.
  std::int32_t num_private(const Request& request) const;

  // Contiguous rules: reserve a run by first fit; enlarge it in place, or else move it (appending to `copies`). False, and
  // nothing changed, when no hole is large enough.
  bool reserve(Request& request, std::int32_t count);
  bool enlarge(Request& request, std::int32_t count, std::vector<BlockCopy>& copies);

  // Blocks whose place in the index changed in this step in a way its rows do not tell: superseded by a newer duplicate, or
  // given to a row that was withdrawn. The pool says whether they are findable now.
  std::vector<BlockId>& disturbed() { return disturbed_; }
  const std::vector<BlockId>& disturbed() const { return disturbed_; }

  // Throws std::logic_error unless reference counts equal the number of these tables that hold each block, no table holds a
  // block twice, and every table covers its request's computed tokens. REQUIRES: `requests` are all with a table.
  void check_invariants(std::span<const Request* const> requests) const;

 private:
  void count_slots(Request& request);                          // after a change of its table
  void publish_blocks(Request& request, std::int32_t tokens);  // the full ones among the first `tokens`

  BlockRules rules_;
  std::int32_t block_size_;
  std::int32_t publish_from_ = block_size_;  // with so many tokens more, another block can be published
  BlockPool pool_;
  std::int64_t num_slots_ = 0;
  std::vector<BlockId> prefix_;
  std::vector<BlockId> disturbed_;
};

}  // namespace tokenyard
