// The words of TraceModel's log of blocks: ModelBuilder writes them, Seeker reads them.
#pragma once

#include <cstdint>

#include "viz/model/moment.h"

namespace tokenyard::viz {

// Each is followed by its numbers. IDS is a count of words and so many: a block, or -n for the n blocks after the one before.
enum class BlockOp : std::int32_t {
  step,        // index
  admit,       // request, blocks found in the prefix cache, IDS: the whole table
  grow,        // request, IDS
  move,        // request, IDS: the whole table
  waste,       // IDS: handed out to who had ended, as nobody knew, and free again
  leave,       // request: off its seat, its table is given back
  publish,     // request, first, end: blocks of its table become findable
  findable,    // IDS
  unfindable,  // IDS
  hold,        // index into held()
  unhold,      // likewise
};

struct TraceModel::Keyframe {
  Moment moment;
  std::uint64_t at;  // in the log
};

}  // namespace tokenyard::viz
