// A lane: spans that follow each other without a gap. A pyramid of their sums makes drawing cost the same at every zoom.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "core/base/types.h"
#include "viz/model/phase.h"

namespace tokenyard::viz {

// Ends where the next one begins, the last one where its request ends. 16 bytes, because a trace may have ten million.
class Span {
 public:
  static constexpr std::int32_t kMostComputed = (1 << 29) - 1;
  Span(TimeNs from, std::int32_t in_step, Phase what, std::int32_t computed_before)
      : begin(from),
        step(in_step),
        word_(static_cast<std::uint32_t>(std::min(computed_before, kMostComputed)) << 3 | static_cast<std::uint32_t>(what)) {}

  TimeNs begin;
  std::int32_t step;  // index of its first step; where it began between two, of the next

  Phase phase() const { return static_cast<Phase>(word_ & 7u); }
  // Tokens with K/V when it began; of a prefill after an admission: found in the prefix cache.
  std::int32_t computed() const { return static_cast<std::int32_t>(word_ >> 3); }

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

}  // namespace tokenyard::viz
