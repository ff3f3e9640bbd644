// What must hold after every operation. Apart from the code it checks, so that both read easily.
#include <algorithm>
#include <stdexcept>

#include "core/block_manager.h"
#include "core/block_pool.h"
#include "core/scheduler.h"

namespace tokenyard {
namespace {

void require(bool holds, const char* what) {
  if (!holds) throw std::logic_error(what);
}

}  // namespace

void BlockPool::check_invariants() const {
  std::vector<bool> in_queue(index(num_blocks_), false);
  std::int32_t count = 0;
  for (BlockId b = blocks_.back().next; b != num_blocks_; b = blocks_[index(b)].next) {
    require(!in_queue[index(b)], "a block is twice in the free queue");
    require(blocks_[index(blocks_[index(b)].next)].previous == b, "the free queue's links disagree");
    in_queue[index(b)] = true;
    ++count;
  }
  require(count == num_free_, "num_free disagrees with the free queue");
  std::int32_t indexed = 0;
  for (BlockId b = rules_.null_block ? 1 : 0; b < num_blocks_; ++b) {
    const Block& block = blocks_[index(b)];
    require(block.references >= 0, "a reference count is negative");
    require(in_queue[index(b)] == (block.references == 0), "a block must be free xor referenced");
    indexed += findable(b) ? 1 : 0;
  }
  require(!rules_.null_block || !in_queue[0], "the null block is free");
  for (std::size_t bucket = 0; bucket < buckets_.size(); ++bucket) {
    for (BlockId b = buckets_[bucket]; b >= 0; b = blocks_[index(b)].in_bucket) {
      require(findable(b), "the index holds a block that is not findable");
      require(bucket_of(blocks_[index(b)].hash) == bucket, "a block is in another hash's bucket");
      require(--indexed >= 0, "the index has a cycle");
    }
  }
  require(indexed == 0, "a findable block is not in the index");
}

void BlockManager::check_invariants(std::span<const Request* const> requests) const {
  pool_.check_invariants();
  std::vector<std::int32_t> holders(static_cast<std::size_t>(pool_.num_blocks()), 0);
  std::int64_t slots = 0;
  for (const Request* request : requests) {
    std::vector<BlockId> sorted = request->blocks;
    std::sort(sorted.begin(), sorted.end());
    require(std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end(), "a block is twice in one table");
    require(missing(*request, request->num_computed) == 0, "a table does not cover its computed tokens");
    require(!rules_.contiguous || sorted.empty() || sorted.back() - sorted.front() + 1 == static_cast<BlockId>(sorted.size()),
            "a reservation is not contiguous");
    for (const BlockId block : sorted) ++holders[static_cast<std::size_t>(block)];
    require(request->num_slots == std::int64_t{block_size_} * std::ssize(sorted), "num_slots disagrees with a table");
    require(request->num_published <= request->num_computed, "a block was published before all of it was scheduled");
    slots += request->num_slots;
  }
  require(slots == num_slots_, "num_slots disagrees with the tables");
  for (BlockId b = rules_.null_block ? 1 : 0; b < pool_.num_blocks(); ++b) {
    require(pool_.references(b) == holders[static_cast<std::size_t>(b)], "a reference count disagrees with the tables");
  }
}

std::vector<const Request*> Scheduler::holders() const {
  std::vector<const Request*> all(running_.begin(), running_.end());
  for (const Request* request : waiting_.in_order()) {
    if (!request->blocks.empty()) all.push_back(request);
  }
  return all;
}

void Scheduler::check_invariants() const {
  const std::vector<const Request*> all = holders();
  blocks_.check_invariants(all);
  for (const Request* request : all) {
    if (request->tokens.size() != request->num_known()) throw std::logic_error("num_tokens disagrees with the tokens");
    if (request->num_computed > request->num_tokens) throw std::logic_error("more tokens computed than known");
  }
}

}  // namespace tokenyard
