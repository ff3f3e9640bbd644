// What a request is doing, and how it ended: the words of lanes, legends and texts.
#pragma once

#include <cstdint>

namespace tokenyard::viz {

enum class Phase : std::uint8_t {
  queued,     // waits for its first admission
  prefill,    // computes tokens it does not sample from: a chunk a span
  decode,     // a row of one token in every step
  stalled,    // holds its blocks, and has no row
  padding,    // ended, and still in its batch (static)
  preempted,  // lost its blocks and queues again
};
inline constexpr int kPhases = 6;
const char* name_of(Phase);

// What may never be hidden, however far one zooms out.
enum class Mark : std::uint8_t {
  preempted,
  refused,      // can never run here
  failed,       // the device failed
  cancelled,    // its client gave up
  kv_capacity,  // outgrew the whole pool
};
inline constexpr int kMarks = 5;
const char* name_of(Mark);
constexpr std::uint8_t bit(Mark mark) { return static_cast<std::uint8_t>(1u << static_cast<unsigned>(mark)); }

}  // namespace tokenyard::viz
