// A lane: spans that follow each other without a gap, and a pyramid over them, so that drawing costs the same at every zoom.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "core/types.h"
#include "viz/model/phase.h"

namespace tokenyard::viz {

// Ends where the next one begins, the last one where its request ends. 16 bytes, because a trace may have ten million.
class Span {
 public:
  Span(TimeNs from, std::int32_t first_step, Phase what)
      : begin(from), step(first_step), word_(static_cast<std::uint32_t>(what)) {}

  TimeNs begin;
  std::int32_t step;  // index of the first step it has a row in, else of the step in which the phase began

  Phase phase() const { return static_cast<Phase>(word_ & 7u); }
  std::int32_t tokens() const { return static_cast<std::int32_t>(word_ >> 3); }  // computed in it, at most 2^29 - 1
  void add_tokens(std::int32_t count);

 private:
  std::uint32_t word_;
};

// The sum of neighbouring spans.
struct LaneNode {
  TimeNs begin = 0;
  TimeNs end = 0;
  std::array<float, kPhases> busy{};  // nanoseconds in each phase
  std::uint32_t count = 0;            // spans
  std::uint8_t marks = 0;             // bits of what happened in it

  void add(const LaneNode& next);
  Phase longest() const;
};

// Sums of 8, 64, 512 ... neighbouring items, appended to as items are completed.
class Pyramid {
 public:
  static constexpr std::size_t kFan = 8;
  void push(const LaneNode& item);
  // Level 0 holds sums of 8 items.
  const std::vector<std::vector<LaneNode>>& levels() const { return levels_; }
  std::size_t bytes() const;
  void shrink();

 private:
  LaneNode open_;
  std::size_t in_open_ = 0;
  std::vector<std::vector<LaneNode>> levels_;
};

}  // namespace tokenyard::viz
