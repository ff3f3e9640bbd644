// Where a trace's records go.
#pragma once

#include <cstdint>

#include "core/trace/records.h"

namespace tokenyard {

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

}  // namespace tokenyard
