// A trace as a viewer needs it: steps, requests with their spans, marks, refusals, seats, and what happened to blocks.
//
//   TraceSource or an engine -> ModelBuilder (model_builder.h) -> TraceModel -> Seeker (moment.h) -> the state at any step
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/metrics.h"
#include "core/policy.h"
#include "core/trace/records.h"
#include "viz/model/lane.h"
#include "viz/model/pyramid.h"

namespace tokenyard::viz {

// Steps are named by their index in the trace; `number` is what the trace calls them.
struct Step {
  std::int64_t number = 0;
  TimeNs start = 0;
  TimeNs end = 0;
  TimeNs duration = 0;  // as the backend measured
  StepParts parts;
  bool prefill_only = false;
  bool ahead = false;  // planned before it was known what came of the step before
  std::int32_t prefill_tokens = 0;
  std::int32_t decode_tokens = 0;
  std::int32_t padding_tokens = 0;  // positions computed for nobody
  std::int32_t prefill_rows = 0;
  std::int32_t decode_rows = 0;
  std::int32_t padding_rows = 0;
  std::int32_t late_rows = 0;    // of these: of requests that had ended, as nobody knew when the step was planned
  std::int32_t late_tokens = 0;  // of padding_tokens, likewise
  std::int32_t stalled = 0;      // running requests without a row
  std::int32_t running = 0;
  std::int32_t waiting = 0;
  std::int32_t admitted = 0;
  std::int32_t preempted = 0;
  std::int32_t finished = 0;
  std::int32_t evicted_blocks = 0;
  std::int32_t used_blocks = 0;    // in some table
  std::int32_t cached_blocks = 0;  // free, and findable
  std::int64_t hit_tokens = 0;     // found in the prefix cache by this step's first admissions,
  std::int64_t asked_tokens = 0;   // of so many prompt tokens
  MemoryUse memory;                // token slots
  std::int64_t tokens_before = 0;  // computed in earlier steps
  std::uint64_t log = 0;           // where the changes of blocks stand up to the moment in which it runs

  std::int32_t tokens() const { return prefill_tokens + decode_tokens; }
  std::int32_t rows() const { return prefill_rows + decode_rows + padding_rows; }
};

// Means over the time that some steps took, each step counting for as long as it ran.
struct StepMeans {
  double duration = 0;            // nanoseconds
  std::array<double, 7> parts{};  // of it, in the order of StepParts; the last is what they leave over
  double prefill_tokens = 0, decode_tokens = 0, padding_tokens = 0;
  double rows = 0, running = 0, waiting = 0, used_blocks = 0, cached_blocks = 0;
  std::array<double, kPhases> in_phase{};  // requests; `queued` has the preempted ones, too

  double tokens() const { return prefill_tokens + decode_tokens; }
  double live() const { return running + waiting; }
  void add(const StepMeans& next, double times);
};

// Of any run of steps.
struct StepSum {
  std::int32_t count = 0;     // steps
  std::int32_t longest = -1;  // index of the longest step, the first of equal ones
  std::int32_t fullest = -1;  // index of the step that computes the most positions, padding included; likewise
  TimeNs longest_ns = 0;
  std::int64_t most_positions = 0;
  TimeNs busy = 0;
  std::int64_t tokens = 0;
  std::int32_t most_rows = 0;
  std::int32_t most_running = 0;
  std::int32_t most_waiting = 0;
  std::int32_t most_live = 0;    // running and waiting
  std::int32_t most_used = 0;    // blocks
  std::int32_t most_cached = 0;  // blocks
  std::int64_t hit_tokens = 0;
  std::int64_t asked_tokens = 0;
  std::int64_t evicted_blocks = 0;
  double most_tokens_per_s = 0;
  double weight = 0;  // nanoseconds; a step that took none counts as one
  StepMeans timed;    // every step's numbers times its weight

  void add(const StepSum& next);
  StepMeans means() const;  // of one step: its own numbers
};
StepSum sum_of(const Step& step, std::int32_t index);

struct Request {
  std::string id;
  std::uint32_t hue = 0;  // by its id: the same request has the same colour in every trace, and its neighbours have others
  TimeNs arrival = 0;     // when its client sent it; latencies count from here
  TimeNs joined = 0;
  TimeNs begin = 0;         // of its lane: when it was sent, or joined where the workload names steps
  TimeNs first_token = -1;  // delivered
  TimeNs last_token = -1;
  TimeNs longest_gap = -1;  // between two of its tokens; -1: there are no two
  TimeNs end = -1;          // -1: lives
  std::int32_t prompt = 0;  // tokens
  std::int32_t output = 0;
  std::int32_t cached = 0;  // prompt tokens found in the prefix cache at its first admission
  std::int32_t priority = 0;
  std::int32_t preemptions = 0;
  bool preempted_late = false;  // the last time after its end, by a step that was planned before that was known
  std::int32_t max_tokens = 0;
  std::int32_t expected_kv = 0;  // tokens whose K/V it will hold at its end, as far as the workload tells
  std::int32_t computed = 0;     // tokens with K/V now, or at its end
  FinishReason reason = FinishReason::none;
  std::vector<Span> spans;
  Pyramid<LaneNode> pyramid;  // over spans; the last few may be missing

  bool finished() const {
    return reason == FinishReason::stop || reason == FinishReason::length || reason == FinishReason::kv_capacity;
  }
  std::optional<Mark> end_mark() const;
};

// A request on a seat, from an admission until it leaves or is preempted.
struct Sitting {
  std::int32_t request;
  std::int32_t first_span;
  std::int32_t end_span;  // one past the last
  TimeNs begin;
  TimeNs end;  // kNever: still sits
};

// The packed view: seat 0 is the first one free, and so on; at most as many as requests ever ran at once.
struct Seat {
  std::vector<Sitting> sittings;
  std::vector<LaneNode> sums;  // of the sittings that have ended
  Pyramid<LaneNode> pyramid;   // over `sums`
};

struct Event {
  TimeNs at;
  std::int32_t step;  // index; of the next step where it fell between two
  std::int32_t request;
  Mark mark;
  std::int32_t beneficiary = -1;  // preempted: who needed the blocks
  std::int32_t freed_blocks = 0;
  Reason reason{};  // preempted
};

// A request was refused a row or its admission, from step `since` to `until`.
struct Held {
  std::int32_t request;
  std::int32_t since;
  std::int32_t until;  // the last step it held in; -1: goes on
  Reason first;
  Reason last;
};

// No step was possible from `at` on.
struct Waited {
  std::int32_t step;  // the next one
  std::int32_t request;
  Reason reason;
  TimeNs at;
};

class TraceModel {
 public:
  const std::string& name() const { return name_; }
  const TraceHeader& header() const { return header_; }
  std::span<const Step> steps() const { return steps_; }
  const Step& step(std::int32_t index) const { return steps_[static_cast<std::size_t>(index)]; }
  std::int32_t num_steps() const { return static_cast<std::int32_t>(steps_.size()); }
  std::span<const Request> requests() const { return requests_; }
  const Request& request(std::int32_t number) const { return requests_[static_cast<std::size_t>(number)]; }
  std::int32_t num_requests() const { return static_cast<std::int32_t>(requests_.size()); }
  std::span<const Seat> seats() const { return seats_; }
  std::span<const Event> events() const { return events_; }  // in time order
  // Times of all events of one kind, sorted.
  std::span<const TimeNs> times(Mark mark) const { return times_[static_cast<std::size_t>(mark)]; }
  // The event whose time is times(mark)[i].
  const Event& event(Mark mark, std::size_t i) const {
    return events_[static_cast<std::size_t>(event_indices_[static_cast<std::size_t>(mark)][i])];
  }
  std::span<const Held> held() const { return held_; }      // by `since`
  std::span<const Waited> waits() const { return waits_; }  // by step
  const Distribution& itl() const { return itl_; }          // gaps between a request's tokens, nanoseconds
  const std::string& refusal(std::int32_t request) const;   // why it can never run here, or empty

  TimeNs begin() const { return begin_; }  // the first lane's, at most 0
  TimeNs end() const { return end_; }      // of what is known so far
  bool complete() const { return complete_; }
  std::int64_t num_spans() const { return num_spans_; }
  std::int64_t num_rows() const { return num_rows_; }  // requests x steps they computed in
  std::int32_t most_rows() const { return most_rows_; }
  // Whether any request was ever in that phase; whether any step has that part, in the order of StepParts, the last being what
  // the parts leave over.
  bool has(Phase phase) const { return (phases_ >> static_cast<unsigned>(phase) & 1u) != 0; }
  bool has_part(int part) const { return (parts_ >> part & 1) != 0; }
  // Whether blocks were ever kept for their contents, or found by them.
  bool has_cache() const {
    const StepSum all = sum_steps(0, num_steps());
    return all.most_cached > 0 || all.hit_tokens > 0;
  }
  std::int32_t usable_blocks() const { return tokenyard::usable_blocks(header_.engine); }

  // Of steps first .. end-1. O(log steps).
  StepSum sum_steps(std::int32_t first, std::int32_t end) const;
  // Begins of all steps.
  std::span<const TimeNs> starts() const { return starts_; }
  // The step that runs at `at`, else the last one that had begun; -1 before the first.
  std::int32_t step_at(TimeNs at) const;
  TimeNs end_of(std::int32_t request, std::int32_t span) const;
  // Computed in it.
  std::int32_t tokens_of(std::int32_t request, std::int32_t span) const;
  // The span of `request` at `at`, or -1.
  std::int32_t span_at(std::int32_t request, TimeNs at) const;
  // The span of `request` in `step`, as its phase is while it runs; -1: it had not joined.
  std::int32_t span_in(std::int32_t request, std::int32_t step) const;
  // The request of this id, the latest one; -1: none. O(requests).
  std::int32_t find(std::string_view id) const;

 private:
  friend class ModelBuilder;
  friend class Seeker;
  struct Keyframe;
  void note_parts(const StepParts& parts, TimeNs duration);

  std::string name_;
  TraceHeader header_;
  std::vector<Step> steps_;
  std::vector<TimeNs> starts_;  // of steps_, apart: searching them touches less memory
  Pyramid<StepSum> step_sums_;
  std::vector<Request> requests_;
  std::vector<Seat> seats_;
  std::vector<Event> events_;
  std::vector<TimeNs> times_[kMarks];
  std::vector<std::int32_t> event_indices_[kMarks];
  std::vector<Held> held_;
  std::vector<Waited> waits_;
  std::vector<std::pair<std::int32_t, std::string>> refusals_;  // by request
  Distribution itl_;
  TimeNs begin_ = 0;
  TimeNs end_ = 0;
  bool complete_ = false;
  std::int64_t num_spans_ = 0;
  std::int64_t num_rows_ = 0;
  std::int32_t most_rows_ = 0;
  std::uint8_t phases_ = 0, parts_ = 0;  // bits

  std::vector<std::int32_t> log_;  // what happened to blocks; moment.cpp has its words
  std::vector<std::shared_ptr<const Keyframe>> keyframes_;
};

}  // namespace tokenyard::viz
