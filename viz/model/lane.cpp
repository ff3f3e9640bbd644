#include "viz/model/lane.h"

#include <algorithm>

namespace tokenyard::viz {

const char* name_of(Phase phase) {
  switch (phase) {
    case Phase::queued: return "queued";
    case Phase::prefill: return "prefill";
    case Phase::decode: return "decode";
    case Phase::stalled: return "stalled";
    case Phase::padding: return "padding";
    case Phase::preempted: return "preempted";
  }
  return "?";
}

const char* name_of(Mark mark) {
  switch (mark) {
    case Mark::preempted: return "preempted";
    case Mark::refused: return "refused";
    case Mark::failed: return "failed";
    case Mark::cancelled: return "cancelled";
    case Mark::kv_capacity: return "out of KV memory";
  }
  return "?";
}

void LaneNode::add(const LaneNode& next) {
  if (count == 0) begin = next.begin;
  end = next.end;
  for (std::size_t i = 0; i < busy.size(); ++i) busy[i] += next.busy[i];
  count += next.count;
  marks |= next.marks;
}

Phase LaneNode::longest() const { return static_cast<Phase>(std::max_element(busy.begin(), busy.end()) - busy.begin()); }

}  // namespace tokenyard::viz
