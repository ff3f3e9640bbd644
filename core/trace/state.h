// The expander: turns a trace's changes into the full state at any step. Viewer, diff and export all look at this.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/base/tokens.h"
#include "core/policy.h"
#include "core/trace/source.h"

namespace tokenyard {

// Copying it makes a keyframe. Memory: every request of the trace so far and one entry a block.
class TraceState {
 public:
  enum class Life : std::uint8_t { queued, running, preempted, finished, refused, cancelled };

  struct Request {
    JoinRecord join;       // join.spec.prompt is empty: it moved into `tokens`
    TokenSequence tokens;  // prompt, then output
    Life life = Life::queued;
    FinishReason reason = FinishReason::none;
    bool done = false;                // ended, and still in its batch as padding (static)
    std::int32_t num_prompt = 0;      // tokens
    std::int32_t num_computed = 0;    // leading tokens with K/V
    std::int32_t num_registered = 0;  // leading blocks that were made findable
    std::int32_t num_cached = 0;      // tokens found in the prefix cache at the latest admission
    std::int32_t num_preemptions = 0;
    TimeNs ended_at = -1;
    std::vector<BlockId> blocks;

    bool pending = false;  // one more token is known to be, not which: the step before had not said it yet

    std::int32_t num_tokens() const { return tokens.size() + (pending ? 1 : 0); }
    bool live() const { return life == Life::queued || life == Life::running || life == Life::preempted; }
  };

  struct Row {
    std::int32_t request;
    std::int32_t first;    // position
    std::int32_t count;    // tokens
    std::int32_t padding;  // positions computed for nobody (static)
    bool sample;
  };

  struct Block {
    std::int32_t references = 0;  // tables that hold it; 0: free
    std::int32_t owner = -1;      // the request it was last handed out to,
    std::int32_t index = 0;       // as this block of its table; -1 and 0 before
    bool findable = false;
  };

  // A refusal that goes on, with the numbers it began with.
  struct Standing {
    std::int32_t request;
    std::int64_t since;  // step
    Reason reason;
  };

  struct Totals {
    std::int64_t steps = 0;
    std::int64_t computed_tokens = 0;
    std::int64_t sampled_tokens = 0;
    std::int64_t admissions = 0;
    std::int64_t hit_tokens = 0;
    std::int64_t preemptions = 0;
    std::int64_t evicted_blocks = 0;
    std::int64_t finished = 0;  // refused and cancelled ones apart
  };

  // `name` stands in messages.
  explicit TraceState(const TraceHeader& header, std::string name = "trace");

  // Records in the trace's order. Throw InputError "NAME: step N: ..." when one does not fit what came before; the state is of
  // no use then. A step costs O(running + blocks named).
  void apply(const JoinRecord& join);
  void apply(const CancelRecord& cancel);
  void apply(const StepRecord& step) {
    begin(step);
    finish(step);
  }
  // The two halves of a step: what was decided (tables and rows as they are when it was planned), and what came of it. With
  // async_scheduling finish() brings what came of the step before, if that was not known when this one was planned; the last
  // step's outcome waits for the next record, or for end().
  void begin(const StepRecord& step);
  void finish(const StepRecord& step);
  void end() { catch_up(); }  // the run has ended

  const EngineConfig& config() const { return config_; }
  const BlockRules& rules() const { return rules_; }
  std::span<const Request> requests() const { return requests_; }  // by number
  const Request& request(std::int32_t number) const { return requests_[static_cast<std::size_t>(number)]; }
  // In batch order. A prompt that nano_vllm has cut counts as running although it still heads the queue.
  std::span<const std::int32_t> running() const { return running_; }
  std::int32_t num_waiting() const { return num_waiting_; }
  std::span<const Row> rows() const { return rows_; }  // of the latest step
  std::span<const Standing> refusals() const { return standing_; }
  std::span<const Block> blocks() const { return blocks_; }
  // Findable blocks that the latest step handed out for something else.
  std::span<const BlockId> evicted() const { return evicted_; }
  // Blocks that became findable with the tokens of the step before, in the latest call of begin(), finish() or apply().
  const std::vector<BlockId>& returned() const { return returned_; }
  std::int32_t num_free() const { return num_free_; }
  std::int32_t num_usable() const { return usable_blocks(config_); }
  std::int64_t num_table_entries() const { return num_table_entries_; }
  const Totals& totals() const { return totals_; }
  std::int64_t step() const { return step_; }  // the latest, or -1
  TimeNs now() const { return now_; }          // of the latest record

 private:
  [[noreturn]] void fail(const std::string& sentence) const;
  Request& known(std::int32_t number);
  Block& block(BlockId id);
  void advance(TimeNs at);
  void take(Request& request, BlockId id);
  void hit(Request& request, BlockId id);
  void release(Request& request);
  void give_back(BlockId id);
  void publish(Request& request, std::int32_t computed);
  void catch_up();
  void note_findable(const StepRecord& step);
  void take_outcome(const StepRecord& step, std::span<const Row> rows);
  void check_table(const Request& request, std::int32_t tokens) const;
  void leave(Request& request, FinishReason reason, TimeNs at);
  void begin_refusals(const StepRecord& step);
  void begin_preemptions(const StepRecord& step);
  void begin_running(const StepRecord& step);
  void begin_admissions(const StepRecord& step);
  void add_row(Request& request, std::int32_t count);

  EngineConfig config_;
  BlockRules rules_;
  std::string name_;
  std::vector<Request> requests_;
  std::vector<std::int32_t> running_;
  std::int32_t num_waiting_ = 0;
  std::vector<Row> rows_;
  // The latest step with async_scheduling, whose outcome was not taken yet.
  StepRecord open_;
  std::vector<Row> open_rows_;
  bool is_open_ = false;
  std::vector<Standing> standing_;
  std::vector<Block> blocks_;
  std::vector<BlockId> evicted_;
  std::vector<BlockId> returned_;
  std::int32_t num_free_ = 0;
  std::int64_t num_table_entries_ = 0;
  Totals totals_;
  std::int64_t step_ = -1;
  std::int64_t next_step_ = 0;  // the earliest possible
  TimeNs now_ = 0;
};

// Reads the next record into `state`. REQUIRES: state was made from source.header().
TraceSource::Kind apply_next(TraceSource& source, TraceState& state);

}  // namespace tokenyard
