#include "core/metrics.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace tokenyard {
namespace {

constexpr std::int64_t kExactSamples = 1'000'000;
constexpr int kSubBits = 7;  // 128 buckets an octave

}  // namespace

std::size_t Distribution::bucket_of(std::int64_t value) {
  const auto v = static_cast<std::uint64_t>(value);
  const int octave = std::max(0, static_cast<int>(std::bit_width(v)) - (kSubBits + 1));
  return (static_cast<std::size_t>(octave) << kSubBits) + static_cast<std::size_t>(v >> octave);
}

double Distribution::middle_of(std::size_t bucket) {
  if (bucket < (std::size_t{2} << kSubBits)) return static_cast<double>(bucket);
  const std::size_t octave = (bucket >> kSubBits) - 1;
  const auto low = static_cast<double>((bucket & ((std::size_t{1} << kSubBits) - 1)) + (std::size_t{1} << kSubBits));
  return std::ldexp(low + 0.5, static_cast<int>(octave)) - 0.5;
}

void Distribution::add(std::int64_t value, std::int64_t count) {
  if (count == 0) return;
  const auto v = static_cast<double>(value);
  sum_ += v * static_cast<double>(count);
  sum_of_squares_ += v * v * static_cast<double>(count);
  count_ += count;
  if (buckets_.empty() && count_ <= kExactSamples) {
    if (count == 1) {
      samples_.push_back(value);
    } else {
      samples_.insert(samples_.end(), static_cast<std::size_t>(count), value);
    }
    sorted_ = false;
    return;
  }
  if (buckets_.empty()) {
    buckets_.resize(bucket_of(std::numeric_limits<std::int64_t>::max()) + 1);
    for (const std::int64_t sample : samples_) ++buckets_[bucket_of(sample)];
    samples_ = {};
  }
  buckets_[bucket_of(value)] += count;
}

void Distribution::sort() const {
  if (!sorted_) std::sort(samples_.begin(), samples_.end());
  sorted_ = true;
}

double Distribution::mean() const { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }

double Distribution::std_dev() const {
  if (count_ == 0) return 0;
  const double m = mean();
  return std::sqrt(std::max(0.0, sum_of_squares_ / static_cast<double>(count_) - m * m));
}

double Distribution::percentile(double p) const {
  if (count_ == 0) return 0;
  const double rank = p / 100 * static_cast<double>(count_ - 1);
  const auto below = static_cast<std::int64_t>(rank);
  if (exact()) {
    sort();
    const auto low = static_cast<double>(samples_[static_cast<std::size_t>(below)]);
    const auto high = static_cast<double>(samples_[static_cast<std::size_t>(std::min(below + 1, count_ - 1))]);
    return low + (high - low) * (rank - static_cast<double>(below));
  }
  std::int64_t seen = 0;
  for (std::size_t b = 0; b < buckets_.size(); ++b) {
    seen += buckets_[b];
    if (seen > below) return middle_of(b);
  }
  return 0;
}

double Distribution::share_up_to(std::int64_t value) const {
  if (count_ == 0) return 0;
  std::int64_t seen = 0;
  if (exact()) {
    sort();
    seen = std::upper_bound(samples_.begin(), samples_.end(), value) - samples_.begin();
  } else {
    for (std::size_t b = 0; b <= bucket_of(value); ++b) seen += buckets_[b];
  }
  return static_cast<double>(seen) / static_cast<double>(count_);
}

bool RequestLatency::meets(const Slo& slo) const {
  return (!slo.ttft || ttft <= *slo.ttft) && (!slo.tpot || tpot.value_or(0) <= *slo.tpot) && (!slo.e2el || e2el <= *slo.e2el);
}

RequestLatency request_latency(TimeNs arrival, TimeNs first_token, TimeNs last_token, std::int32_t num_output) {
  RequestLatency latency{first_token - arrival, last_token - arrival, std::nullopt};
  if (num_output > 1) latency.tpot = (last_token - first_token) / (num_output - 1);
  return latency;
}

MemoryUse memory_use(const Scheduler& scheduler, const StepPlan& plan) {
  const BlockManager& blocks = scheduler.blocks();
  const std::int64_t size = blocks.block_size();
  MemoryUse use;
  const auto count = [&](const Request& request) {
    const std::int32_t final_tokens = request.finish_reason == FinishReason::none ? request.expected_kv : 0;
    use.used += request.num_computed;
    use.internal += std::max<std::int64_t>(0, request.num_slots - std::max(request.num_computed, final_tokens));
  };
  for (const Request* request : scheduler.running()) count(*request);
  if (!scheduler.waiting().empty() && !scheduler.waiting().front()->blocks.empty()) count(*scheduler.waiting().front());
  use.reserved = blocks.num_slots() - use.used - use.internal;
  // Only full blocks are shared, so every table entry beyond a block's first counts block_size used slots too many.
  use.used -= blocks.num_slots() - blocks.num_referenced() * size;
  use.free = std::int64_t{blocks.num_free()} * size;
  for (const Refusal& refusal : plan.refusals) {
    if (refusal.reason.cause == Cause::region && refusal.request->blocks.empty()) {
      use.external = use.free;
      use.free = 0;
    }
  }
  return use;
}

void Metrics::on_join(const Request& request, const std::string&, std::int64_t live) {
  ++joined;
  first_arrival = std::min(first_arrival, request.spec.arrival);
  last_arrival = std::max(last_arrival, request.spec.arrival);
  max_live = std::max(max_live, live);
}

void Metrics::on_run(const StepPlan& plan, const Scheduler& scheduler) { memory = memory_use(scheduler, plan); }

void Metrics::on_commit(const StepOutcome& outcome) {
  const StepPlan& plan = outcome.plan;
  const TimeNs duration = outcome.result.duration;
  ++steps;
  busy += duration;
  last_end = outcome.end;
  batch_size.add(static_cast<std::int64_t>(plan.rows.size()));
  preemptions += static_cast<std::int64_t>(plan.preemptions.size());
  for (const Admission& admission : plan.admissions) {
    if (admission.resumed) continue;
    prefix_queries += admission.request->num_prompt;
    prefix_hits += admission.hit_tokens;
  }
  const std::array<std::int64_t, 5> slots = {memory.used, memory.reserved, memory.internal, memory.external, memory.free};
  for (std::size_t i = 0; i < slots.size(); ++i) {
    memory_time_[i] += static_cast<double>(slots[i]) * static_cast<double>(duration);
  }
  count_tokens(outcome);
}

void Metrics::count_tokens(const StepOutcome& outcome) {
  TokenGaps gaps(itl, outcome.end);
  std::int64_t computed = 0;
  std::int64_t delivered = 0;
  for (const Row& row : outcome.plan.rows) {
    computed += row.count;
    const Request& request = *row.request;
    if (!row.sample || request.left) continue;
    ++delivered;
    gaps.add(request.last_token_at);  // none where clients get all tokens at the end
  }
  computed_tokens += computed;
  step_tokens.add(computed);
  const std::int64_t second = outcome.end / 1'000'000'000;
  if (second != second_) tokens_in_second_ = 0;
  second_ = second;
  tokens_in_second_ += delivered;
  max_output_tokens_per_s = std::max(max_output_tokens_per_s, tokens_in_second_);
}

void Metrics::on_leave(const Request& request, const std::string& why) {
  switch (request.finish_reason) {
    case FinishReason::refused:
      if (++refused <= 5) first_refusals.push_back(request.spec.id + ": " + why);
      return;
    case FinishReason::cancelled: ++cancelled; return;
    case FinishReason::error: ++failed; return;
    case FinishReason::kv_capacity: ++out_of_kv; break;
    default: break;
  }
  ++completed;
  input_tokens += request.num_prompt;
  output_tokens += request.num_output();
  const RequestLatency latency =
      request_latency(request.spec.arrival, request.first_token_at, request.last_token_at, request.num_output());
  ttft.add(latency.ttft);
  e2el.add(latency.e2el);
  if (latency.tpot) tpot.add(*latency.tpot);
  if (latency.meets(slo_)) ++good;
}

std::array<double, 5> Metrics::memory_shares() const {
  std::array<double, 5> shares{};
  double all = 0;
  for (const double m : memory_time_) all += m;
  for (std::size_t i = 0; i < shares.size() && all > 0; ++i) shares[i] = memory_time_[i] / all;
  return shares;
}

}  // namespace tokenyard
