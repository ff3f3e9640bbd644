// What a run's result table says, collected while it runs. Memory does not grow with finished requests.
#pragma once

#include <array>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/observer.h"
#include "core/request.h"
#include "core/scheduler.h"
#include "core/step_plan.h"

namespace tokenyard {

// A distribution of non-negative integers: exact up to a million samples, beyond that in logarithmic buckets (128 to an
// octave), where a percentile is off by at most 0.4 %. Mean and deviation are exact always. At most 8 MB.
class Distribution {
 public:
  void add(std::int64_t value, std::int64_t count = 1);
  std::int64_t count() const { return count_; }
  bool exact() const { return buckets_.empty(); }
  double mean() const;
  double std_dev() const;             // of the population, as numpy.std
  double percentile(double p) const;  // 0 .. 100, linear between samples, as numpy.percentile
  // Share of the samples <= value, 0 .. 1.
  double share_up_to(std::int64_t value) const;

 private:
  static std::size_t bucket_of(std::int64_t value);
  static double middle_of(std::size_t bucket);
  void sort() const;

  std::int64_t count_ = 0;
  double sum_ = 0;
  double sum_of_squares_ = 0;
  mutable bool sorted_ = true;
  mutable std::vector<std::int64_t> samples_;
  std::vector<std::int64_t> buckets_;
};

// Adds the gaps between a step's tokens, which come at `end`, and the tokens before them; equal ones, which most are, together.
class TokenGaps {
 public:
  TokenGaps(Distribution& to, TimeNs end) : to_(to), end_(end) {}
  // Throws std::bad_alloc, unless an exception is on its way already.
  ~TokenGaps() noexcept(false) {
    if (std::uncaught_exceptions() == 0) to_.add(end_ - before_, count_);
  }
  // When the token before came; negative: there is none.
  void add(TimeNs before) {
    if (before == before_) {
      ++count_;
    } else if (before >= 0) {
      to_.add(end_ - before_, std::exchange(count_, 1));
      before_ = before;
    }
  }

 private:
  Distribution& to_;
  TimeNs end_;
  TimeNs before_ = kNever;
  std::int64_t count_ = 0;
};

// Service level objectives, nanoseconds; a request counts towards goodput when it meets all that are set.
struct Slo {
  std::optional<TimeNs> ttft, tpot, e2el;
  bool any() const { return ttft || tpot || e2el; }
};

// Of a request whose tokens were all delivered; nanoseconds.
struct RequestLatency {
  TimeNs ttft;
  TimeNs e2el;
  std::optional<TimeNs> tpot;  // with two tokens or more
  bool meets(const Slo& slo) const;
};
RequestLatency request_latency(TimeNs arrival, TimeNs first_token, TimeNs last_token, std::int32_t num_output);

// The pool's token slots at one moment; the five add up to the pool.
struct MemoryUse {
  std::int64_t used = 0;      // hold K/V of a live request
  std::int64_t reserved = 0;  // will be used by the request they belong to
  std::int64_t internal = 0;  // belong to a request that will never use them
  std::int64_t external = 0;  // free, but in holes too small for the queue's head (contiguous policies)
  std::int64_t free = 0;
};
inline constexpr const char* kMemoryClasses[] = {"used", "reserved", "internal", "external", "free"};
// O(running requests). What a request will need is its expected_kv.
MemoryUse memory_use(const Scheduler& scheduler, const StepPlan& plan);

class Metrics final : public EngineObserver {
 public:
  explicit Metrics(Slo slo = {}) : slo_(slo) {}

  void on_join(const Request& request, const std::string& refused, std::int64_t live) override;
  void on_run(const StepPlan& plan, const Scheduler& scheduler) override;
  void on_commit(const StepOutcome& outcome) override;
  void on_leave(const Request& request, const std::string& why) override;

  // Nanoseconds. TTFT and E2EL count from a request's arrival; TPOT = (last - first token) / (tokens - 1) over requests with
  // more than one. Completed requests only, except ITL, which pools all gaps between tokens.
  Distribution ttft, tpot, itl, e2el;
  Distribution batch_size;   // rows of each step
  Distribution step_tokens;  // computed tokens of each step

  std::int64_t steps = 0;
  std::int64_t joined = 0, completed = 0, refused = 0, cancelled = 0, failed = 0, out_of_kv = 0;
  std::vector<std::string> first_refusals;  // "ID: why", at most five
  std::int64_t good = 0;                    // completed and within the objectives
  std::int64_t input_tokens = 0;            // of completed requests
  std::int64_t output_tokens = 0;
  std::int64_t computed_tokens = 0;
  std::int64_t preemptions = 0;
  std::int64_t prefix_queries = 0;  // prompt tokens of first admissions, and how many of them were found cached
  std::int64_t prefix_hits = 0;
  std::int64_t max_live = 0;
  std::int64_t max_output_tokens_per_s = 0;
  TimeNs first_arrival = kNever;
  TimeNs last_arrival = 0;
  TimeNs last_end = 0;  // of the last step
  TimeNs busy = 0;      // time inside steps
  MemoryUse memory;     // in the last step, before anyone left

  TimeNs duration() const { return joined == 0 || last_end < first_arrival ? 0 : last_end - first_arrival; }
  // Means over the time inside steps, as shares of the pool: used, reserved, internal, external, free.
  std::array<double, 5> memory_shares() const;
  const Slo& slo() const { return slo_; }

 private:
  void count_tokens(const StepOutcome& outcome);

  Slo slo_;
  std::array<double, 5> memory_time_{};  // slot-nanoseconds
  std::int64_t second_ = -1;             // the one being counted
  std::int64_t tokens_in_second_ = 0;
};

}  // namespace tokenyard
