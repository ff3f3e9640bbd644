// Where a trace's records come from. diff, replay, export, calibration and the viewer read any of them:
//
//   TraceReader (reader.h)         a file, also one that a run is still writing
//   MemoryTraceSource (memory.h)   a run that was recorded in memory
#pragma once

#include <cstdint>
#include <string>

#include "core/trace/records.h"
#include "core/trace/sink.h"

namespace tokenyard {

// Yields a trace's records in their order, one at a time.
class TraceSource {
 public:
  enum class Kind { join, step, cancel, end, none };

  virtual ~TraceSource() = default;
  virtual const TraceHeader& header() const = 0;
  // Reads on. none: nothing more is there now; where the trace grows, a later call may find more. Throws InputError when what
  // stands there is no record.
  virtual Kind next() = 0;
  // The record next() has read; valid until the next call.
  virtual const JoinRecord& join() const = 0;
  virtual const StepRecord& step() const = 0;
  virtual const CancelRecord& cancel() const = 0;
  virtual std::int64_t end_steps() const = 0;
  virtual TimeNs end_at() const = 0;
  // Stands in messages.
  virtual const std::string& name() const = 0;
  // What there is ends in the middle of a record: a run was cut off while writing it.
  virtual bool cut_off() const = 0;
};

// Reads one record and hands it to `to`. The header is the caller's to hand over.
TraceSource::Kind pass_on(TraceSource& from, TraceSink& to);

}  // namespace tokenyard
