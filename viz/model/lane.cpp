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

void Span::add_tokens(std::int32_t count) {
  constexpr std::int32_t most = (1 << 29) - 1;
  const std::int32_t sum = count > most - tokens() ? most : tokens() + count;
  word_ = static_cast<std::uint32_t>(sum) << 3 | (word_ & 7u);
}

void LaneNode::add(const LaneNode& next) {
  if (count == 0) begin = next.begin;
  end = next.end;
  for (std::size_t i = 0; i < busy.size(); ++i) busy[i] += next.busy[i];
  count += next.count;
  marks |= next.marks;
}

Phase LaneNode::longest() const { return static_cast<Phase>(std::max_element(busy.begin(), busy.end()) - busy.begin()); }

void Pyramid::push(const LaneNode& item) {
  open_.add(item);
  if (++in_open_ < kFan) return;
  LaneNode full = open_;
  open_ = {};
  in_open_ = 0;
  for (std::size_t level = 0;; ++level) {
    if (level == levels_.size()) levels_.emplace_back();
    std::vector<LaneNode>& nodes = levels_[level];
    nodes.push_back(full);
    if (nodes.size() % kFan != 0) return;
    full = {};
    for (std::size_t i = nodes.size() - kFan; i < nodes.size(); ++i) full.add(nodes[i]);
  }
}

std::size_t Pyramid::bytes() const {
  std::size_t sum = 0;
  for (const std::vector<LaneNode>& nodes : levels_) sum += nodes.capacity() * sizeof(LaneNode);
  return sum;
}

void Pyramid::shrink() {
  for (std::vector<LaneNode>& nodes : levels_) nodes.shrink_to_fit();
}

}  // namespace tokenyard::viz
