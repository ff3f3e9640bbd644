// What a viewer says in words: why a step was as it was, what a thing is, tables as CSV.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "viz/model/moment.h"
#include "viz/model/statistics.h"

namespace tokenyard::viz {

// A decision of the current step, or one that stands.
struct Sentence {
  enum class Kind : std::uint8_t { preempted, held, waited, admitted, prefill, decode, stalled, finished, ended, evicted };
  Kind kind;
  std::int32_t request = -1;  // whom a click selects; -1: nobody
  std::string text;
};
// The most telling first.
std::vector<Sentence> explain(const TraceModel& model, const Moment& moment);
// Instead of it, behind the run's end.
Sentence ended_in_words(const TraceModel& model);

// In no table, the cached ones included.
std::int32_t free_blocks(const TraceModel& model, const Moment& moment);

std::string request_in_words(const TraceModel& model, std::int32_t request);  // several lines
// "r7: TTFT 1.3 s, end to end 6.2 s; of 6.2 s: queued ..."
std::string request_in_a_line(const TraceModel& model, std::int32_t request);
// "of 6.2 s: queued 1.2 s (19 %), prefill 30 ms (0 %), decode ..."; empty where no time has passed.
std::string time_went(const TraceModel& model, std::int32_t request);
std::string step_in_words(const TraceModel& model, std::int32_t step);  // several lines
// Of steps first .. end-1 together, which a column of a panel shows; several lines. O(log steps).
std::string column_in_words(const TraceModel& model, std::int32_t first, std::int32_t end);
std::string block_in_words(const TraceModel& model, const Moment& moment, BlockId block);
std::string range_in_words(const RangeSum& sum);
std::string short_time(double ns);  // "12.3 ms": three digits, for axes and tables

// A header and one line a request, or a step, that touches [from, to).
std::string requests_csv(const TraceModel& model, TimeNs from, TimeNs to);
std::string steps_csv(const TraceModel& model, TimeNs from, TimeNs to);

}  // namespace tokenyard::viz
