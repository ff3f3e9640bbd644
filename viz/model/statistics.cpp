#include "viz/model/statistics.h"

#include <algorithm>
#include <cmath>

#include <fmt/core.h>

#include "viz/model/words.h"

namespace tokenyard::viz {
namespace {

std::optional<RequestLatency> latency_of(const Request& request) {
  if (!request.finished() || request.last_token < 0) return std::nullopt;
  return request_latency(request.arrival, request.first_token, request.last_token, request.output);
}

}  // namespace

double Latency::goodput() const { return joined == 0 ? 0 : static_cast<double>(good) / static_cast<double>(joined); }

Latency latency_of(const TraceModel& model, const Slo& slo) {
  Latency out;
  out.itl = model.itl();
  out.objectives = slo.any();
  for (const Request& request : model.requests()) {
    ++out.joined;
    const std::optional<RequestLatency> latency = latency_of(request);
    if (!latency) continue;
    ++out.completed;
    out.ttft.add(latency->ttft);
    out.e2el.add(latency->e2el);
    if (latency->tpot) out.tpot.add(*latency->tpot);
    if (latency->meets(slo)) ++out.good;
  }
  const Distribution* all[] = {&out.ttft, &out.tpot, &out.itl, &out.e2el};
  for (std::size_t kind = 0; kind < out.curves.size(); ++kind) {
    for (std::size_t i = 0; i < out.curves[kind].size(); ++i)
      out.curves[kind][i] = all[kind]->percentile(static_cast<double>(i) / 2);
  }
  return out;
}

std::optional<TimeNs> ttft_of(const Request& request) {
  if (request.first_token < 0) return std::nullopt;
  return request.first_token - request.arrival;
}
std::optional<TimeNs> tpot_of(const Request& request) {
  const std::optional<RequestLatency> latency = latency_of(request);
  return latency ? latency->tpot : std::nullopt;
}
std::optional<TimeNs> e2el_of(const Request& request) {
  const std::optional<RequestLatency> latency = latency_of(request);
  if (!latency) return std::nullopt;
  return latency->e2el;
}

RangeSum sum(const TraceModel& model, TimeNs from, TimeNs to) {
  RangeSum out;
  out.from = from;
  out.to = to;
  const auto first_from = [&](TimeNs at) {
    const auto steps = model.steps();
    return static_cast<std::int32_t>(
        std::lower_bound(steps.begin(), steps.end(), at, [](const Step& s, TimeNs t) { return s.start < t; }) - steps.begin());
  };
  out.first_step = first_from(from);
  out.end_step = std::max(out.first_step, first_from(to));
  for (std::int32_t i = out.first_step; i < out.end_step; ++i) {
    const Step& s = model.step(i);
    out.busy += std::min(s.duration, to - s.start);
    out.parts.gemm += s.parts.gemm;
    out.parts.attention += s.parts.attention;
    out.parts.elementwise += s.parts.elementwise;
    out.parts.head += s.parts.head;
    out.parts.communication += s.parts.communication;
    out.parts.host += s.parts.host;
    out.prefill_tokens += s.prefill_tokens;
    out.decode_tokens += s.decode_tokens;
    out.padding_tokens += s.padding_tokens;
    out.rows += s.rows();
    out.hit_tokens += s.hit_tokens;
    out.longest_step = std::max(out.longest_step, s.duration);
  }
  // And of the step that runs at its begin.
  if (out.first_step > 0) {
    const Step& s = model.step(out.first_step - 1);
    out.busy += std::clamp<TimeNs>(s.start + s.duration - from, 0, std::max<TimeNs>(0, to - from));
  }
  for (int mark = 0; mark < kMarks; ++mark) {
    const auto times = model.times(static_cast<Mark>(mark));
    out.marks[mark] = std::lower_bound(times.begin(), times.end(), to) - std::lower_bound(times.begin(), times.end(), from);
  }
  for (const Request& r : model.requests()) {
    out.arrived += r.begin >= from && r.begin < to;
    out.finished += r.finished() && r.end >= from && r.end < to;
  }
  return out;
}

Verdict verdict_of(const TraceModel& model, const Latency& latency) {
  Verdict v;
  TimeNs first = kNever;
  std::int64_t output = 0;
  std::int64_t asked = 0;
  std::int64_t hits = 0;
  for (const Request& r : model.requests()) {
    first = std::min(first, r.arrival);
    v.refused += r.reason == FinishReason::refused;
    v.failed += r.reason == FinishReason::error;
    v.cancelled += r.reason == FinishReason::cancelled;
    if (r.finished()) output += r.output;
  }
  double slots = 0;
  double wasted = 0;
  for (const Step& s : model.steps()) {
    const MemoryUse& m = s.memory;
    const auto weight = static_cast<double>(s.duration);
    wasted += static_cast<double>(m.internal + m.external) * weight;
    slots += static_cast<double>(m.used + m.reserved + m.internal + m.external + m.free) * weight;
    asked += s.asked_tokens;
    hits += s.hit_tokens;
  }
  const TimeNs last = model.num_steps() == 0 ? 0 : model.steps().back().end;
  v.makespan = first == kNever || last < first ? 0 : last - first;
  const double seconds = static_cast<double>(v.makespan) / 1e9;
  v.completed = latency.completed;
  if (seconds > 0) {
    v.tokens_per_s = static_cast<double>(output) / seconds;
    v.requests_per_s = static_cast<double>(v.completed) / seconds;
  }
  v.ttft_p50 = latency.ttft.percentile(50);
  v.ttft_p99 = latency.ttft.percentile(99);
  v.tpot_p50 = latency.tpot.percentile(50);
  v.tpot_p99 = latency.tpot.percentile(99);
  v.itl_p99 = latency.itl.percentile(99);
  v.e2el_p99 = latency.e2el.percentile(99);
  if (latency.objectives) v.goodput = latency.goodput();
  v.preemptions = std::ssize(model.times(Mark::preempted));
  v.hit_rate = asked == 0 ? 0 : static_cast<double>(hits) / static_cast<double>(asked);
  v.wasted_kv = slots == 0 ? 0 : wasted / slots;
  return v;
}

std::vector<VerdictRow> compare(std::span<const Verdict> verdicts) {
  struct Kind {
    const char* name;
    enum { time, count, rate, share } unit;
    int wanted;  // 1: more is better, -1: less
    double (*value)(const Verdict&);
    bool rare = false;  // left out where it is zero throughout
  };
  static const Kind kinds[] = {
      {"makespan", Kind::time, -1, [](const Verdict& v) { return static_cast<double>(v.makespan); }},
      {"output tokens/s", Kind::rate, 1, [](const Verdict& v) { return v.tokens_per_s; }},
      {"requests/s", Kind::rate, 1, [](const Verdict& v) { return v.requests_per_s; }},
      {"completed", Kind::count, 1, [](const Verdict& v) { return static_cast<double>(v.completed); }},
      {"refused", Kind::count, -1, [](const Verdict& v) { return static_cast<double>(v.refused); }, true},
      {"failed", Kind::count, -1, [](const Verdict& v) { return static_cast<double>(v.failed); }, true},
      {"cancelled", Kind::count, 0, [](const Verdict& v) { return static_cast<double>(v.cancelled); }, true},
      {"goodput", Kind::share, 1, [](const Verdict& v) { return v.goodput.value_or(0); }},
      {"TTFT P50", Kind::time, -1, [](const Verdict& v) { return v.ttft_p50; }},
      {"TTFT P99", Kind::time, -1, [](const Verdict& v) { return v.ttft_p99; }},
      {"TPOT P50", Kind::time, -1, [](const Verdict& v) { return v.tpot_p50; }},
      {"TPOT P99", Kind::time, -1, [](const Verdict& v) { return v.tpot_p99; }},
      {"ITL P99", Kind::time, -1, [](const Verdict& v) { return v.itl_p99; }},
      {"E2EL P99", Kind::time, -1, [](const Verdict& v) { return v.e2el_p99; }},
      {"preemptions", Kind::count, -1, [](const Verdict& v) { return static_cast<double>(v.preemptions); }},
      {"prefix hits", Kind::share, 1, [](const Verdict& v) { return v.hit_rate; }},
      {"wasted KV", Kind::share, -1, [](const Verdict& v) { return v.wasted_kv; }},
  };
  std::vector<VerdictRow> rows;
  for (const Kind& kind : kinds) {
    VerdictRow row;
    row.name = kind.name;
    const auto nothing = [&](const Verdict& v) { return kind.value(v) == 0; };
    if (kind.rare && std::all_of(verdicts.begin(), verdicts.end(), nothing)) continue;
    if (row.name == "goodput" && !verdicts.front().goodput) continue;
    for (const Verdict& v : verdicts) {
      const double value = kind.value(v);
      const double base = kind.value(verdicts.front());
      switch (kind.unit) {
        // No time at all: no request has ended, or all tokens of an answer came at once.
        case Kind::time: row.values.push_back(value == 0 ? "-" : short_time(value)); break;
        case Kind::count: row.values.push_back(fmt::format("{:.0f}", value)); break;
        case Kind::rate: row.values.push_back(fmt::format("{:.{}f}", value, value < 100 ? 2 : 0)); break;
        case Kind::share: row.values.push_back(fmt::format("{:.1f} %", 100 * value)); break;
      }
      const bool itself = row.values.size() == 1;
      const bool comparable = !itself && (kind.unit != Kind::time || (value > 0 && base > 0));
      std::string change;
      if (!itself && kind.unit == Kind::share) change = fmt::format("{:+.1f} points", 100 * (value - base));
      if (!itself && kind.unit == Kind::count) change = fmt::format("{:+.0f}", value - base);
      if (!itself && (kind.unit == Kind::time || kind.unit == Kind::rate) && comparable && base > 0) {
        const double percent = 100 * (value / base - 1);
        change = std::abs(percent) < 99.95 ? fmt::format("{:+.1f} %", percent) : fmt::format("{:+.0f} %", percent);
      }
      // A change too small to be written is none.
      if (change.find_first_of("123456789") == std::string::npos) change.clear();
      const bool equal =
          !comparable || value == base || (change.empty() && base > 0) || (change.empty() && kind.unit != Kind::rate);
      row.changes.push_back(change);
      row.better.push_back(equal ? 0 : value > base ? kind.wanted : -kind.wanted);
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace tokenyard::viz
