// The trace: every decision of a run with its reason, as a list of changes. docs/trace-format.md is the contract.
//
//   Engine -> TraceRecorder -> TraceSink      TraceWriter (JSON Lines) or anything in memory
//   TraceReader -> the same records -> TraceState (trace_state.h) -> the full state at any step
#pragma once

#include <cstdint>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/config.h"
#include "core/request.h"
#include "core/step_plan.h"

namespace tokenyard {

class Scheduler;

inline constexpr int kTraceVersion = 1;

// Everything needed to run it again. The last three are JSON texts (objects) or empty.
struct TraceHeader {
  std::string program;  // "tokenyard 0.1.0"
  std::string backend;  // sim, replay, cpu, cuda
  EngineConfig engine;  // resolved
  std::string scenario;
  std::string model;
  std::string hardware;
};

struct JoinRecord {
  std::int32_t request = 0;  // number, in joining order
  std::int64_t step = 0;     // joined before this step
  TimeNs at = 0;
  RequestSpec spec;
  std::string refused;  // why, or empty
};

struct CancelRecord {
  std::int32_t request = 0;
  std::int64_t step = 0;
  TimeNs at = 0;
  FinishReason reason = FinishReason::cancelled;  // or error
  bool gone = true;                               // false: stays in its batch as padding (static)
};

// One step's changes. Requests by number. What is not said: every running request whose computed tokens lack one of its known
// ones decodes (a row of one token), in running order, unless it is in `skipped` or the step is prefill_only.
struct StepRecord {
  struct Admission {
    std::int32_t request, hit_tokens, tokens;
    std::vector<BlockId> blocks;  // the whole table
  };
  struct Chunk {  // a row of an earlier admitted request that is not such a decode
    std::int32_t request, tokens;
  };
  struct Blocks {
    std::int32_t request;
    std::vector<BlockId> blocks;
  };
  struct Preemption {
    std::int32_t victim, beneficiary;
    Reason reason;
    std::int32_t freed_blocks;
  };
  struct Refusal {  // began in this step, with its first numbers
    std::int32_t request;
    Reason reason;
  };
  struct RefusalEnd {  // held from step `since` up to the step before this one, with its last numbers
    std::int32_t request;
    std::int64_t since;
    Reason reason;
  };
  struct Finish {
    std::int32_t request;
    FinishReason reason;
  };

  std::int64_t step = 0;
  TimeNs start = 0;
  TimeNs duration = 0;
  StepParts parts;
  bool prefill_only = false;
  std::vector<Admission> admitted;
  std::vector<Chunk> chunks;
  std::vector<Blocks> grown;  // appended to the table
  std::vector<Blocks> moved;  // replace the table
  std::vector<std::int32_t> skipped;
  std::vector<Preemption> preempted;
  std::vector<Refusal> refused;
  std::vector<RefusalEnd> refused_until;
  std::vector<std::int32_t> done;  // made its last token, stays until its batch ends (static)
  std::vector<Finish> finished;
  std::vector<BlockId> unfindable;
  std::vector<Token> tokens;  // sampled ids in row order; empty when they have no names

  void clear();
};

class TraceSink {
 public:
  virtual ~TraceSink() = default;
  virtual void on_header(const TraceHeader&) = 0;
  virtual void on_join(const JoinRecord&) = 0;
  virtual void on_step(const StepRecord&) = 0;
  virtual void on_cancel(const CancelRecord&) = 0;
  // The run ended as it should; a trace without this was cut off.
  virtual void on_end(std::int64_t steps, TimeNs at) = 0;
};

// Turns what the engine does into records. Keeps only refusals that go on.
class TraceRecorder {
 public:
  explicit TraceRecorder(TraceSink& sink) : sink_(sink) {}
  void on_join(const Request& request, const std::string& refused);
  void on_cancel(const Request& request, std::int64_t step, TimeNs at, bool gone);
  // After commit; `left` have left in this step.
  void on_step(const StepPlan& plan, const StepResult& result, TimeNs start, const Scheduler& scheduler,
               const std::vector<Request*>& left);

 private:
  struct Standing {
    std::int32_t request;
    std::int64_t since;
    Reason last;
  };
  void record_refusals(const StepPlan& plan);
  void record_rows(const StepPlan& plan, const Scheduler& scheduler);

  TraceSink& sink_;
  StepRecord record_;
  std::vector<Standing> standing_;
};

// JSON Lines. Each record is one line, complete or absent; buffered 64 KiB at a time. O(1) memory.
class TraceWriter final : public TraceSink {
 public:
  // Throws InputError when the file cannot be created or (any call) written.
  explicit TraceWriter(const std::string& path);
  ~TraceWriter() override;
  void on_header(const TraceHeader&) override;
  void on_join(const JoinRecord&) override;
  void on_step(const StepRecord&) override;
  void on_cancel(const CancelRecord&) override;
  void on_end(std::int64_t steps, TimeNs at) override;
  void flush();

 private:
  struct Out;
  std::unique_ptr<Out> out_;
};

// Reads a trace line by line into a sink. Throws InputError naming file, line and what was expected. Records are checked for
// shape, TraceState checks that they fit together.
class TraceReader {
 public:
  explicit TraceReader(const std::string& path);
  TraceReader(std::unique_ptr<std::istream> in, std::string name);
  ~TraceReader();

  const TraceHeader& header() const { return header_; }  // read by the constructor

  enum class Kind { join, step, cancel, end, none };  // none: no whole line is left
  Kind next();
  const JoinRecord& join() const { return join_; }
  const StepRecord& step() const { return step_; }
  const CancelRecord& cancel() const { return cancel_; }
  std::int64_t end_steps() const { return end_steps_; }
  TimeNs end_at() const { return end_at_; }
  std::int64_t line() const { return line_; }
  const std::string& name() const { return name_; }
  // The last line is not whole (a run was cut off while writing it).
  bool cut_off() const { return cut_off_; }

 private:
  bool read_line();

  std::string name_;
  std::unique_ptr<std::istream> in_;
  std::string text_;
  std::int64_t line_ = 0;
  bool cut_off_ = false;
  TraceHeader header_;
  JoinRecord join_;
  StepRecord step_;
  CancelRecord cancel_;
  std::int64_t end_steps_ = 0;
  TimeNs end_at_ = 0;
};

}  // namespace tokenyard
