// A trace as tables for numpy: a row a request, a step, an event. Filled record by record, from a run or from a file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/trace/sink.h"
#include "core/trace/state.h"

namespace tokenyard::python {

// Rows are read by numpy as they lie here (tokenyard/_tables.py names the same fields in the same order): eight bytes a number,
// four a letter, no gaps. Times in nanoseconds, -1: not yet.
template <std::size_t kLetters>
struct Word {
  char32_t letters[kLetters] = {};
  Word() = default;
  explicit Word(std::string_view text) {  // ASCII, cut to its room
    for (std::size_t i = 0; i < text.size() && i < kLetters; ++i) letters[i] = static_cast<unsigned char>(text[i]);
  }
};

struct RequestRow {
  std::int64_t arrival = 0, joined = 0, first_token = -1, last_token = -1, ended = -1;
  std::int64_t prompt_tokens = 0, output_tokens = 0;
  std::int64_t cached_tokens = 0;  // found in the prefix cache at its first admission
  std::int64_t preemptions = 0, priority = 0;
  Word<12> finish_reason;  // empty: still live
};

struct StepRow {
  std::int64_t step = 0, start = 0, end = 0, duration = 0;
  std::int64_t rows = 0, tokens = 0, prefill_tokens = 0;  // prefill: of rows with more than one token, or without a sample
  std::int64_t hit_tokens = 0, admitted = 0, preempted = 0, finished = 0;
  std::int64_t running = 0, waiting = 0, free_blocks = 0;  // while it runs
};

struct EventRow {
  std::int64_t step = 0, at = 0, request = 0;
  std::int64_t other = -1;                 // of a preemption: for whom
  std::int64_t tokens = 0;                 // of an admission: found in the cache
  std::int64_t needed = 0, available = 0;  // of a preemption and a refusal
  Word<12> kind;                           // join admit preempt refuse finish cancel
  Word<16> why;                            // a cause or a finish reason
};

class Tables final : public TraceSink {
 public:
  // `name` stands in messages. Records that do not fit what came before throw InputError.
  explicit Tables(std::string name = "trace") : name_(std::move(name)) {}
  void on_header(const TraceHeader& header) override;
  void on_join(const JoinRecord& join) override;
  void on_step(const StepRecord& step) override;
  void on_cancel(const CancelRecord& cancel) override;
  void on_end(std::int64_t steps, TimeNs at) override;
  // The last step's tokens count too. Once, after the last record.
  void finish();

  std::vector<std::string> ids;  // by request number
  std::vector<RequestRow> requests;
  std::vector<StepRow> steps;
  std::vector<EventRow> events;

 private:
  // A row that samples, whose token counts unless a record that follows says that it was dropped.
  struct Sampled {
    std::int32_t request;
    TimeNs at;
  };
  // Throws InputError: the state looks at who finishes only when a later record says what came of a step planned ahead.
  RequestRow& row(std::int32_t request);
  void settle();

  std::string name_;
  std::optional<TraceState> state_;
  std::vector<Sampled> open_;
};

}  // namespace tokenyard::python
