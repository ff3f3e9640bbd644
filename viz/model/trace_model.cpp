#include "viz/model/trace_model.h"

#include <algorithm>

namespace tokenyard::viz {

void StepMeans::add(const StepMeans& next, double times) {
  const auto sum = [times](double& to, double what) { to += times * what; };
  sum(duration, next.duration);
  sum(prefill_tokens, next.prefill_tokens);
  sum(decode_tokens, next.decode_tokens);
  sum(padding_tokens, next.padding_tokens);
  sum(rows, next.rows);
  sum(running, next.running);
  sum(waiting, next.waiting);
  sum(used_blocks, next.used_blocks);
  sum(cached_blocks, next.cached_blocks);
  for (std::size_t i = 0; i < parts.size(); ++i) sum(parts[i], next.parts[i]);
  for (std::size_t i = 0; i < in_phase.size(); ++i) sum(in_phase[i], next.in_phase[i]);
}

StepMeans StepSum::means() const {
  StepMeans out = timed;
  const auto over = [this](double& what) { what = weight == 0 ? 0 : what / weight; };
  for (double* what : {&out.duration, &out.prefill_tokens, &out.decode_tokens, &out.padding_tokens, &out.rows, &out.running,
                       &out.waiting, &out.used_blocks, &out.cached_blocks}) {
    over(*what);
  }
  for (double& what : out.parts) over(what);
  for (double& what : out.in_phase) over(what);
  return out;
}

void StepSum::add(const StepSum& next) {
  if (next.longest >= 0 &&
      (longest < 0 || next.longest_ns > longest_ns || (next.longest_ns == longest_ns && next.longest < longest))) {
    longest = next.longest;
    longest_ns = next.longest_ns;
  }
  if (next.fullest >= 0 && (fullest < 0 || next.most_positions > most_positions ||
                            (next.most_positions == most_positions && next.fullest < fullest))) {
    fullest = next.fullest;
    most_positions = next.most_positions;
  }
  count += next.count;
  busy += next.busy;
  tokens += next.tokens;
  most_rows = std::max(most_rows, next.most_rows);
  most_running = std::max(most_running, next.most_running);
  most_waiting = std::max(most_waiting, next.most_waiting);
  most_live = std::max(most_live, next.most_live);
  most_used = std::max(most_used, next.most_used);
  most_cached = std::max(most_cached, next.most_cached);
  hit_tokens += next.hit_tokens;
  asked_tokens += next.asked_tokens;
  evicted_blocks += next.evicted_blocks;
  most_tokens_per_s = std::max(most_tokens_per_s, next.most_tokens_per_s);
  weight += next.weight;
  timed.add(next.timed, 1);
}

StepSum sum_of(const Step& step, std::int32_t index) {
  StepSum sum;
  sum.count = 1;
  sum.longest = sum.fullest = index;
  sum.longest_ns = sum.busy = step.duration;
  sum.tokens = step.tokens();
  sum.most_positions = std::int64_t{step.tokens()} + step.padding_tokens;
  sum.most_rows = step.rows();
  sum.most_running = step.running;
  sum.most_waiting = step.waiting;
  sum.most_live = step.running + step.waiting;
  sum.most_used = step.used_blocks;
  sum.most_cached = step.cached_blocks;
  sum.hit_tokens = step.hit_tokens;
  sum.asked_tokens = step.asked_tokens;
  sum.evicted_blocks = step.evicted_blocks;
  if (step.duration > 0) sum.most_tokens_per_s = static_cast<double>(step.tokens()) * 1e9 / static_cast<double>(step.duration);
  sum.weight = static_cast<double>(std::max<TimeNs>(1, step.duration));
  StepMeans own;
  own.duration = static_cast<double>(step.duration);
  const StepParts& p = step.parts;
  TimeNs left = step.duration;
  const TimeNs parts[] = {p.gemm, p.attention, p.elementwise, p.head, p.communication, p.host, step.duration};
  for (std::size_t i = 0; i < std::size(parts); ++i) {
    // Parts may overlap: together they are no more than the step.
    const TimeNs part = std::clamp<TimeNs>(parts[i], 0, left);
    own.parts[i] = static_cast<double>(part);
    left -= part;
  }
  own.prefill_tokens = step.prefill_tokens;
  own.decode_tokens = step.decode_tokens;
  own.padding_tokens = step.padding_tokens;
  own.rows = step.rows();
  own.running = step.running;
  own.waiting = step.waiting;
  own.used_blocks = step.used_blocks;
  own.cached_blocks = step.cached_blocks;
  const std::int32_t in_phase[] = {step.waiting, step.prefill_rows, step.decode_rows, step.stalled,
                                   step.padding_rows - step.late_rows};
  for (std::size_t i = 0; i < std::size(in_phase); ++i) own.in_phase[i] = in_phase[i];
  sum.timed.add(own, sum.weight);
  return sum;
}

std::optional<Mark> Request::end_mark() const {
  switch (reason) {
    case FinishReason::refused: return Mark::refused;
    case FinishReason::error: return Mark::failed;
    case FinishReason::cancelled: return Mark::cancelled;
    case FinishReason::kv_capacity: return Mark::kv_capacity;
    case FinishReason::none:
    case FinishReason::stop:
    case FinishReason::length: break;
  }
  return std::nullopt;
}

const std::string& TraceModel::refusal(std::int32_t request) const {
  static const std::string none;
  const auto found = std::lower_bound(refusals_.begin(), refusals_.end(), request,
                                      [](const auto& refusal, std::int32_t number) { return refusal.first < number; });
  return found == refusals_.end() || found->first != request ? none : found->second;
}

StepSum TraceModel::sum_steps(std::int32_t first, std::int32_t end) const {
  if (first >= end) return {};
  return step_sums_.sum(static_cast<std::size_t>(first), static_cast<std::size_t>(end),
                        [&](std::size_t i) { return sum_of(steps_[i], static_cast<std::int32_t>(i)); });
}

void TraceModel::note_parts(const StepParts& p, TimeNs duration) {
  unsigned bit = 1;
  TimeNs left = duration;
  for (const TimeNs part : {p.gemm, p.attention, p.elementwise, p.head, p.communication, p.host}) {
    if (part > 0) parts_ |= static_cast<std::uint8_t>(bit);
    left -= std::min(part, left);
    bit <<= 1;
  }
  if (left > 0) parts_ |= static_cast<std::uint8_t>(bit);
}

std::int32_t TraceModel::step_at(TimeNs at) const {
  return static_cast<std::int32_t>(std::upper_bound(starts_.begin(), starts_.end(), at) - starts_.begin()) - 1;
}

TimeNs TraceModel::end_of(std::int32_t request, std::int32_t span) const {
  const Request& r = this->request(request);
  const auto next = static_cast<std::size_t>(span) + 1;
  if (next < r.spans.size()) return r.spans[next].begin;
  return r.end >= 0 ? r.end : std::max(end_, r.spans.back().begin);
}

std::int32_t TraceModel::tokens_of(std::int32_t request, std::int32_t span) const {
  const Request& r = this->request(request);
  const Span& s = r.spans[static_cast<std::size_t>(span)];
  if (s.phase() != Phase::prefill && s.phase() != Phase::decode) return 0;
  const auto next = static_cast<std::size_t>(span) + 1;
  return (next < r.spans.size() ? r.spans[next].computed() : r.computed) - s.computed();
}

std::int32_t TraceModel::span_at(std::int32_t request, TimeNs at) const {
  const std::vector<Span>& spans = this->request(request).spans;
  const auto after = std::upper_bound(spans.begin(), spans.end(), at, [](TimeNs t, const Span& s) { return t < s.begin; });
  return static_cast<std::int32_t>(after - spans.begin()) - 1;
}

std::int32_t TraceModel::span_in(std::int32_t request, std::int32_t step) const {
  const std::vector<Span>& spans = this->request(request).spans;
  const auto after =
      std::upper_bound(spans.begin(), spans.end(), step, [](std::int32_t s, const Span& x) { return s < x.step; });
  return static_cast<std::int32_t>(after - spans.begin()) - 1;
}

std::int32_t TraceModel::find(std::string_view id) const {
  for (std::int32_t r = num_requests(); r-- > 0;) {
    if (request(r).id == id) return r;
  }
  return -1;
}

}  // namespace tokenyard::viz
