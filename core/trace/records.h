// A trace's records: every decision of a run with its reason, as a list of changes. docs/trace-format.md is the contract.
//
//   Engine -> TraceRecorder (recorder.h) -> TraceSink (sink.h): TraceWriter (writer.h), MemoryTrace (memory.h) or another one
//   TraceSource (source.h): TraceReader (reader.h), MemoryTraceSource -> TraceState (state.h) -> the full state at any step
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/config.h"
#include "core/request.h"
#include "core/step_plan.h"

namespace tokenyard {

// The most blocks a pool may have to be traced: bounds what a hostile trace makes its reader allocate.
inline constexpr std::int32_t kMostTracedBlocks = 1 << 24;

inline constexpr int kTraceVersion = 3;  // written as the oldest version that has all that is in it

// Everything needed to run it again. The last three are JSON texts (objects) or empty.
struct TraceHeader {
  std::string program;  // "tokenyard 0.1.0"
  std::string backend;  // sim, replay, cpu, cuda
  EngineConfig engine;  // resolved
  std::string scenario;
  std::string model;
  std::string hardware;
  friend bool operator==(const TraceHeader&, const TraceHeader&) = default;
};

struct JoinRecord {
  std::int32_t request = 0;  // number, in joining order
  std::int64_t step = 0;     // joined before this step
  TimeNs at = 0;
  RequestSpec spec;
  std::string refused;  // why, or empty
  bool ahead = false;   // while the latest step was running, before its outcome was known
  friend bool operator==(const JoinRecord&, const JoinRecord&) = default;
};

struct CancelRecord {
  std::int32_t request = 0;
  std::int64_t step = 0;
  TimeNs at = 0;
  FinishReason reason = FinishReason::cancelled;  // or stop, or error
  bool gone = true;                               // false: stays in its batch as padding (static)
  bool ahead = false;                             // before the outcome of the latest step was known
  friend bool operator==(const CancelRecord&, const CancelRecord&) = default;
};

// One step's changes. Requests by number. What is not said: every running request whose computed tokens lack exactly one of its
// known ones decodes (a row of one token), in running order, unless it is in `skipped` or the step is prefill_only; the rows of
// `admitted` come last.
struct StepRecord {
  struct BlockList {  // a part of block_ids
    std::int32_t begin, count;
  };
  struct Admission {
    std::int32_t request, hit_tokens, tokens;
    BlockList blocks;  // the whole table
  };
  struct Chunk {  // a row of an earlier admitted request that is not such a decode
    std::int32_t request, tokens;
    friend bool operator==(const Chunk&, const Chunk&) = default;
  };
  struct Blocks {
    std::int32_t request;
    BlockList blocks;
  };
  struct Preemption {
    std::int32_t victim, beneficiary;
    Reason reason;
    std::int32_t freed_blocks;
    friend bool operator==(const Preemption&, const Preemption&) = default;
  };
  struct Refusal {  // began in this step, with its first numbers
    std::int32_t request;
    Reason reason;
    friend bool operator==(const Refusal&, const Refusal&) = default;
  };
  struct RefusalEnd {  // held from step `since` up to the last step before this one, with its last numbers
    std::int32_t request;
    std::int64_t since;
    Reason reason;
    friend bool operator==(const RefusalEnd&, const RefusalEnd&) = default;
  };
  struct Wait {  // no step was possible from `at` on, because of this
    std::int32_t request;
    Reason reason;
    TimeNs at;
    friend bool operator==(const Wait&, const Wait&) = default;
  };
  struct Finish {
    std::int32_t request;
    FinishReason reason;
    friend bool operator==(const Finish&, const Finish&) = default;
  };

  std::int64_t step = 0;
  TimeNs start = 0;
  TimeNs end = 0;       // its tokens were there; start + duration under a simulator
  TimeNs duration = 0;  // as the backend measured
  StepParts parts;
  bool prefill_only = false;
  bool ahead = false;  // planned while the step before ran, before its outcome (tokens, done, finished) was known
  std::vector<Admission> admitted;
  std::vector<Chunk> chunks;          // in running order
  std::vector<Blocks> grown;          // appended to the table; in running order
  std::vector<Blocks> moved;          // replace the table; in running order
  std::vector<std::int32_t> skipped;  // in running order
  std::vector<Preemption> preempted;
  std::vector<Refusal> refused;
  std::vector<RefusalEnd> refused_until;
  std::optional<Wait> waited;
  std::vector<Finish> done;  // made its last token, stays until its batch ends (static)
  std::vector<Finish> finished;
  std::vector<BlockId> unfindable;  // at the end of the step, for reasons the rows do not tell
  std::vector<BlockId> findable;    // likewise: strict peers keep what a withdrawn row would have filled
  std::vector<Token> tokens;        // sampled ids in row order; empty when none has a name
  std::vector<BlockId> block_ids;

  std::span<const BlockId> ids(BlockList list) const {
    return {block_ids.data() + list.begin, static_cast<std::size_t>(list.count)};
  }
  void clear();
  friend bool operator==(const StepRecord&, const StepRecord&);
};

}  // namespace tokenyard
