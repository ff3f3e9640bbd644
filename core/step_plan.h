// One step, as decided by a scheduler and carried out by a backend.
#pragma once

#include <cstdint>
#include <vector>

#include "core/request.h"

namespace tokenyard {

// Compute `count` tokens of `request` at positions first .. first+count-1; a decode is a row with count 1.
// K/V of position p belongs into request->blocks[p / block_size], slot p % block_size.
struct Row {
  Request* request;
  std::int32_t first;
  std::int32_t count;
  std::int32_t padding;  // further positions computed for nobody (static batching)
  bool sample;           // the row reaches the request's last token: sample the next one
  // The step before, which may still run, samples the row's last token: its token number `waits_for`. -1: the token is known.
  std::int32_t waits_for = -1;
};

// Why a decision fell. Each is an inequality needed > available that held when it was made.
enum class Cause : std::uint8_t {
  blocks,          // needed / free blocks
  watermark,       // needed + watermark / free blocks
  admission_gate,  // blocks for the whole sequence / free blocks
  region,          // consecutive blocks / largest hole
  seats,           // seats with this request / max_num_seqs
  token_budget,    // tokens of the whole prompt / tokens left in this step
  preemption,      // preemptions in this step / 0: nobody is admitted beside a preemption
  batch_running,   // requests of the running batch / 0 (static)
  batch_timeout,   // nanoseconds still to wait for a fuller batch / 0 (static)
};
const char* name_of(Cause);

struct Reason {
  Cause cause;
  std::int64_t needed;
  std::int64_t available;
  friend bool operator==(const Reason&, const Reason&) = default;
};

struct Admission {
  Request* request;
  std::int32_t hit_tokens;  // found in the prefix cache
  bool resumed;             // it had run before
};

struct Preemption {
  Request* victim;
  Request* beneficiary;  // who needed the blocks; the victim itself when nobody else could give way
  Reason reason;
  std::int32_t freed_blocks;  // that nobody else holds
};

// A request that could have had a row and got none: the head of the waiting queue (admission is strictly in queue order, so
// only the head is ever refused), or the first running request that the step leaves out.
struct Refusal {
  Request* request;
  Reason reason;
};

// Blocks appended to request->blocks in this step: blocks[first_index ..].
struct NewBlocks {
  Request* request;
  std::int32_t first_index;
};

// Before anything is computed, copy a block's K/V (a contiguous region that moves). In order.
struct BlockCopy {
  BlockId from;
  BlockId to;
};

// Immutable once the scheduler returns it. Rows are in batch order. Layer by layer, every row's K/V is written before any
// row's attention reads, so a row may share a block that another row of the same step fills.
struct StepPlan {
  std::int64_t step = 0;
  bool prefill_only = false;  // running requests without a row wait for a pure prefill step, by the policy's rule
  std::vector<Row> rows;

  std::vector<Admission> admissions;    // in batch order
  std::vector<Preemption> preemptions;  // in order of eviction
  std::vector<Refusal> refusals;        // running first
  std::vector<NewBlocks> new_blocks;    // in batch order
  std::vector<BlockCopy> copies;

  TimeNs wake_at = kNever;  // nothing to do before then, although requests wait (static's batch_timeout)

  std::int64_t num_tokens() const {
    std::int64_t n = 0;
    for (const Row& row : rows) n += row.count;
    return n;
  }
  void clear();
};

// Where a step's time went, nanoseconds. The parts add up to the duration.
struct StepParts {
  TimeNs gemm = 0;
  TimeNs attention = 0;
  TimeNs elementwise = 0;
  TimeNs head = 0;  // LM head and sampling
  TimeNs communication = 0;
  TimeNs host = 0;  // whatever the GPU does not cover
  TimeNs total() const { return gemm + attention + elementwise + head + communication + host; }
  friend bool operator==(const StepParts&, const StepParts&) = default;
};

struct StepResult {
  std::vector<Token> tokens;            // one per row with `sample`, in row order; kUnnamedToken from a simulator
  std::vector<TokenLogprobs> logprobs;  // empty when no row asks for them, else one per token
  TimeNs duration = 0;
  StepParts parts;

  const TokenLogprobs* logprobs_of(std::size_t token) const { return logprobs.empty() ? nullptr : &logprobs[token]; }
};

}  // namespace tokenyard
