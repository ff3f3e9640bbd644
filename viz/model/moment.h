// The state at one step: blocks, tables, who is seated, who is refused.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "viz/model/trace_model.h"

namespace tokenyard::viz {

struct Block {
  std::int32_t references = 0;  // tables that hold it; 0: free
  std::int32_t owner = -1;      // the request it was last handed out to
  std::int32_t index = 0;       // as this block of its table
  BlockId parent = -1;          // the block before it then
  std::int32_t taken = -1;      // the step in which it was handed out,
  std::int32_t touched = -1;    // and in which its references last changed
  bool findable = false;
  friend bool operator==(const Block&, const Block&) = default;
};

// As it is while a step runs: its admissions and new blocks are in, who leaves in it is still there; who left in the step
// before is gone, also where the step was planned before that was known.
struct Moment {
  struct Seated {
    std::int32_t request;
    std::vector<BlockId> table;
  };
  std::int32_t step = -1;
  std::vector<Block> blocks;
  std::vector<Seated> seated;      // in batch order
  std::int32_t used_blocks = 0;    // in some table
  std::int32_t cached_blocks = 0;  // free, and findable
  std::vector<BlockId> taken;      // handed out in this step
  std::vector<BlockId> evicted;    // of these, the ones that were findable for something else
  std::vector<BlockId> shared;     // taken from the prefix cache in this step
  std::vector<std::int32_t> held;  // refusals that stand, indices into TraceModel::held()

  const std::vector<BlockId>* table_of(std::int32_t request) const;  // null: it has none
};

// A row of a step, as the trace implies it.
struct MomentRow {
  std::int32_t request;
  Phase phase;         // prefill, decode, padding; stalled: none
  std::int32_t first;  // position
  std::int32_t tokens;
};

// Goes to any step: a copied keyframe and the changes since. Keeps its place, so the next step costs that step's changes only.
// The model may grow between two calls. One for each model and thread.
class Seeker {
 public:
  explicit Seeker(const TraceModel& model) : model_(&model) { reset(); }
  // REQUIRES: 0 <= step < model.num_steps(), or -1: before the first.
  const Moment& seek(std::int32_t step);
  // To what is left when the last known record is over. Its step is -1.
  const Moment& seek_end();
  const Moment& moment() const { return moment_; }

 private:
  friend class ModelBuilder;
  void reset();
  void replay(std::uint64_t to);
  void fetch(BlockId id) const;
  void take(std::vector<BlockId>& table, std::int32_t request, BlockId id);
  void give_back(BlockId id);

  const TraceModel* model_;
  Moment moment_;
  std::uint64_t at_ = 0;  // in the log
};

// In batch order, requests without a row included. O(running x log spans).
std::vector<MomentRow> rows_of(const TraceModel& model, const Moment& moment);
// Tokens of `request` whose K/V exist when `step` is over.
std::int32_t computed_tokens(const TraceModel& model, std::int32_t request, std::int32_t step);
// How many of a block's slots hold K/V, how many will by its owner's end, of block_size.
struct Fill {
  std::int32_t used = 0;
  std::int32_t later = 0;
};
// For every block: O(blocks held). Of a shared or cached block: all.
std::vector<Fill> fills_of(const TraceModel& model, const Moment& moment);

}  // namespace tokenyard::viz
