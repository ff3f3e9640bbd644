// Where an engine's requests come from, other than from clients.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/request.h"

namespace tokenyard {

struct SourceEvent {
  enum class Kind : std::uint8_t { join, cancel } kind = Kind::join;
  RequestSpec spec;                               // join
  std::string cancel_id;                          // cancel: the live request of that id; none is fine
  TimeNs at = -1;                                 // >= 0: when it happens, whatever the clock says (a replay)
  FinishReason reason = FinishReason::cancelled;  // cancel: or stop
};

// Where requests come from. Streams, so that memory follows the live requests.
class RequestSource {
 public:
  virtual ~RequestSource() = default;
  // Appends the events due at `now` or before step `step`, in their order.
  virtual void poll(TimeNs now, std::int64_t step, std::vector<SourceEvent>& due) = 0;
  // When the next event is due, as far as is known now; kNever when none is, or when it waits for a step or for an end.
  virtual TimeNs next_time() const = 0;
  // The step the next event waits for, or -1. With nothing live the engine jumps there.
  virtual std::int64_t next_step() const { return -1; }
  // A request of this source has left (multi-turn sessions answer with their next turn).
  virtual void on_end(const Request&) {}
};

}  // namespace tokenyard
