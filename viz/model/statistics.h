// Numbers that panels, texts and CSV show.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "viz/model/trace_model.h"

namespace tokenyard::viz {

// Of completed requests, as Metrics counts them; nanoseconds.
struct Latency {
  Distribution ttft, tpot, itl, e2el;
  std::int64_t completed = 0;
  std::int64_t good = 0;  // completed and within the objectives
  std::int64_t joined = 0;
  // Percentiles 0, 0.5, 1 ... 100 of ttft, tpot, itl and e2el, for drawing; nanoseconds.
  static constexpr int kCurve = 201;
  std::array<std::array<double, kCurve>, 4> curves{};
  // Who stands there: a request with that time, or of itl the one whose longest gap comes nearest to it; -1: nobody.
  std::array<std::array<std::int32_t, kCurve>, 4> who{};
  bool objectives = false;  // there are any
  double goodput() const;   // share of all that joined, 0 .. 1
};
Latency latency_of(const TraceModel& model, const Slo& slo);

// How long a request was in each phase, from when it was sent to its end, or to the end of what is known. O(its spans).
std::array<TimeNs, kPhases> phase_times(const TraceModel& model, std::int32_t request);

std::optional<TimeNs> ttft_of(const Request& request);
std::optional<TimeNs> tpot_of(const Request& request);  // with two tokens or more
std::optional<TimeNs> e2el_of(const Request& request);

// Sums over the steps that begin in [from, to) and what fell in that time. `busy` is of the time itself: how long steps ran.
struct RangeSum {
  TimeNs from = 0;
  TimeNs to = 0;
  std::int32_t first_step = 0;
  std::int32_t end_step = 0;  // one past the last
  TimeNs busy = 0;
  StepParts parts;
  std::int64_t prefill_tokens = 0;
  std::int64_t decode_tokens = 0;
  std::int64_t padding_tokens = 0;
  std::int64_t rows = 0;
  std::int64_t hit_tokens = 0;
  std::int64_t marks[kMarks] = {};
  std::int64_t arrived = 0;   // requests sent in it
  std::int64_t finished = 0;  // that ended well in it
  TimeNs longest_step = 0;
  // Nanoseconds: of these steps, of first tokens that came in it, of requests that ended well in it.
  double step_p50 = 0, step_p99 = 0, ttft_p50 = 0, ttft_p99 = 0, e2el_p99 = 0;
};
RangeSum sum(const TraceModel& model, TimeNs from, TimeNs to);

// What a comparison's header says of one trace.
struct Verdict {
  TimeNs makespan = 0;      // from the first arrival to the end of the last step
  double tokens_per_s = 0;  // output of completed requests
  double requests_per_s = 0;
  double ttft_p50 = 0, ttft_p99 = 0, tpot_p50 = 0, tpot_p99 = 0, itl_p99 = 0, e2el_p99 = 0;  // nanoseconds
  std::optional<double> goodput;                                                             // share, 0 .. 1
  std::int64_t completed = 0, refused = 0, failed = 0, cancelled = 0, preemptions = 0;
  double hit_rate = 0;   // of first admissions' prompt tokens, 0 .. 1
  double wasted_kv = 0;  // token slots held and never used or too small to use, over time inside steps, 0 .. 1
};
Verdict verdict_of(const TraceModel& model, const Latency& latency);

// One line of a comparison: its values in words and, against the first trace, the change.
struct VerdictRow {
  std::string name;
  std::vector<std::string> values;   // one a trace
  std::vector<std::string> changes;  // "+12.3 %" against the first trace; empty for the first, and where it is none
  std::vector<int> better;           // 1, -1, 0: better, worse, neither
};
// What happened in none of them, such as a refusal, has no line.
std::vector<VerdictRow> compare(std::span<const Verdict> verdicts);
std::vector<VerdictRow> compare(std::span<const RangeSum> ranges);

}  // namespace tokenyard::viz
