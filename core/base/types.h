// Words every part shares. Decisions are integers: tokens, blocks, nanoseconds.
#pragma once

#include <cstdint>
#include <limits>

namespace tokenyard {

using Token = std::int32_t;      // a vocabulary id, >= 0
using BlockId = std::int32_t;    // an index into the KV pool, >= 0
using TimeNs = std::int64_t;     // nanoseconds since the run began
using ContentId = std::int64_t;  // names a text whose token ids nobody stores, 0 .. 2^53-1

inline constexpr TimeNs kNever = std::numeric_limits<TimeNs>::max();
inline constexpr ContentId kNoContent = -1;

// What a simulator samples: the next token of the request's output content, or the end of its text.
inline constexpr Token kUnnamedToken = -1;
inline constexpr Token kUnnamedEnd = -2;

// The output of request number n is content kOutputContents + n unless its spec names it; workloads use smaller names.
inline constexpr ContentId kOutputContents = ContentId{1} << 52;

}  // namespace tokenyard
