// A trace in memory: what a run has recorded, for everything that reads traces, without a file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <variant>

#include "core/trace/sink.h"
#include "core/trace/source.h"

namespace tokenyard {

// Keeps every record. Memory: about half a kilobyte a step, and what the records name.
class MemoryTrace final : public TraceSink {
 public:
  struct End {
    std::int64_t steps = 0;
    TimeNs at = 0;
  };
  using Record = std::variant<JoinRecord, StepRecord, CancelRecord, End>;

  void on_header(const TraceHeader& header) override { header_ = header; }
  void on_join(const JoinRecord& join) override { records_.emplace_back(join); }
  void on_step(const StepRecord& step) override { records_.emplace_back(step); }
  void on_cancel(const CancelRecord& cancel) override { records_.emplace_back(cancel); }
  void on_end(std::int64_t steps, TimeNs at) override { records_.emplace_back(End{steps, at}); }

  const TraceHeader& header() const { return header_; }
  const std::deque<Record>& records() const { return records_; }

 private:
  TraceHeader header_;
  std::deque<Record> records_;
};

// Reads it from the beginning; any number of them may read one trace, which grows only while nobody calls next().
class MemoryTraceSource final : public TraceSource {
 public:
  MemoryTraceSource(std::shared_ptr<const MemoryTrace> trace, std::string name);
  const TraceHeader& header() const override;
  Kind next() override;
  const JoinRecord& join() const override;
  const StepRecord& step() const override;
  const CancelRecord& cancel() const override;
  std::int64_t end_steps() const override;
  TimeNs end_at() const override;
  const std::string& name() const override { return name_; }
  bool cut_off() const override { return false; }

 private:
  const MemoryTrace::Record& latest() const { return trace_->records()[next_ - 1]; }

  std::shared_ptr<const MemoryTrace> trace_;
  std::string name_;
  std::size_t next_ = 0;
};

}  // namespace tokenyard
