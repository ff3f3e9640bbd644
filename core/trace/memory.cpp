#include "core/trace/memory.h"

#include <utility>

namespace tokenyard {

MemoryTraceSource::MemoryTraceSource(std::shared_ptr<const MemoryTrace> trace, std::string name)
    : trace_(std::move(trace)), name_(std::move(name)) {}

const TraceHeader& MemoryTraceSource::header() const { return trace_->header(); }

TraceSource::Kind MemoryTraceSource::next() {
  if (next_ == trace_->records().size()) return Kind::none;
  // In the order of MemoryTrace::Record.
  constexpr Kind kinds[] = {Kind::join, Kind::step, Kind::cancel, Kind::end};
  return kinds[trace_->records()[next_++].index()];
}

const JoinRecord& MemoryTraceSource::join() const { return std::get<JoinRecord>(latest()); }
const StepRecord& MemoryTraceSource::step() const { return std::get<StepRecord>(latest()); }
const CancelRecord& MemoryTraceSource::cancel() const { return std::get<CancelRecord>(latest()); }
std::int64_t MemoryTraceSource::end_steps() const { return std::get<MemoryTrace::End>(latest()).steps; }
TimeNs MemoryTraceSource::end_at() const { return std::get<MemoryTrace::End>(latest()).at; }

}  // namespace tokenyard
