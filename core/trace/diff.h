// Where two traces part, and what has become slower where they do not.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/metrics.h"
#include "core/trace/source.h"

namespace tokenyard {

// A step in which the two sides decide differently. What belongs to both stands as [0], the first trace's, and [1].
struct Parting {
  std::int64_t step = 0;  // index in both: so many come before it
  std::string text;       // all of it as lines for a user, without a final line end
  struct Side {
    std::string place;                  // "step 23 of run.trace at 1.07 s", or how the trace ends there
    std::vector<std::string> only;      // sentences, the most telling first: what was decided here only
    std::vector<std::string> standing;  // refusals that stand, with their reasons
  };
  std::array<Side, 2> sides;
  std::string request;  // id of whom the most telling of these sentences is about; empty: nobody
};

// What differs in time over the steps in which the decisions are equal.
struct TimeChanges {
  struct Step {
    std::int64_t index;   // in both
    std::int64_t number;  // as the first trace calls it
    TimeNs start;         // in the first trace
    TimeNs took[2];
    const char* part;  // which of its parts has changed most, or null
    TimeNs part_change;
  };
  struct Request {
    std::string id;
    TimeNs took[2];  // from its arrival to its end
  };
  std::int64_t first = -1;        // index of the step from which on times differ; -1: they are equal
  TimeNs end[2] = {0, 0};         // of the last step
  Distribution durations[2];      // of the steps
  std::vector<Step> steps;        // that have changed most, the most first
  std::vector<Request> requests;  // likewise
};
// For a user: how the whole has changed, a line each, and the lines of a step and of a request.
std::vector<std::string> in_words(const TimeChanges& changes);
std::string in_words(const TimeChanges::Step& step);
std::string in_words(const TimeChanges::Request& request);

struct TraceDiffOptions {
  bool ignore_time = false;    // compare decisions only, not when they fell nor how long steps took
  bool ignore_tokens = false;  // nor which tokens were sampled: two runs of a real engine hardly ever sample the same
};

// Walks through two traces at once. Steps are compared by their index, requests by their id. Memory follows the requests.
class TraceComparison {
 public:
  // Borrows both. Times are part of the sentences unless they are ignored.
  TraceComparison(TraceSource& a, TraceSource& b, const TraceDiffOptions& options);
  ~TraceComparison();

  // The next step in which decisions part; none: no more follow. The first is any difference at all in what was decided. From
  // there on a step counts when somebody is admitted, computed, preempted or ended otherwise on the two sides who was not in
  // the step before. Throws InputError where a trace is broken.
  std::optional<Parting> next();
  std::int64_t steps() const;          // read so far that both have
  const TimeChanges& times() const;    // up to the first parting
  const std::string& headers() const;  // engine fields that differ, one a line: "policy: orca, vllm_v1"

 private:
  class Side;
  struct Work;
  std::unique_ptr<Work> work_;
};

struct TraceDifference {
  bool same = true;
  std::int64_t steps = 0;  // that both have in common
  // Lines for a user, without a final line end: the first parting; or that only times differ, and what has changed most; or
  // that nothing differs.
  std::string text;
  std::string headers;  // as TraceComparison has them; no difference in itself
};

// Reads both up to where they part.
TraceDifference diff_traces(TraceSource& a, TraceSource& b, const TraceDiffOptions& options = {});

}  // namespace tokenyard
