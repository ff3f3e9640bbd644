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

namespace {

using Times = std::vector<std::pair<TimeNs, std::int32_t>>;  // of requests

// Of the sorted `times` the one nearest to `value`.
std::int32_t nearest(const Times& times, double value) {
  if (times.empty()) return -1;
  const auto after = std::lower_bound(times.begin(), times.end(), value,
                                      [](const auto& time, double v) { return static_cast<double>(time.first) < v; });
  if (after == times.begin()) return after->second;
  const auto before = std::prev(after);
  const bool later =
      after != times.end() && static_cast<double>(after->first) - value < value - static_cast<double>(before->first);
  return (later ? after : before)->second;
}

}  // namespace

Latency latency_of(const TraceModel& model, const Slo& slo) {
  Latency out;
  std::array<Times, 4> times;
  out.itl = model.itl();
  out.objectives = slo.any();
  for (std::int32_t number = 0; number < model.num_requests(); ++number) {
    const Request& request = model.request(number);
    ++out.joined;
    if (request.longest_gap >= 0) times[2].emplace_back(request.longest_gap, number);
    const std::optional<RequestLatency> latency = latency_of(request);
    if (!latency) continue;
    ++out.completed;
    out.ttft.add(latency->ttft);
    out.e2el.add(latency->e2el);
    if (latency->tpot) out.tpot.add(*latency->tpot);
    if (latency->meets(slo)) ++out.good;
    times[0].emplace_back(latency->ttft, number);
    times[3].emplace_back(latency->e2el, number);
    if (latency->tpot) times[1].emplace_back(*latency->tpot, number);
  }
  const Distribution* all[] = {&out.ttft, &out.tpot, &out.itl, &out.e2el};
  for (std::size_t kind = 0; kind < out.curves.size(); ++kind) {
    std::sort(times[kind].begin(), times[kind].end());
    for (std::size_t i = 0; i < out.curves[kind].size(); ++i) {
      out.curves[kind][i] = all[kind]->percentile(static_cast<double>(i) / 2);
      out.who[kind][i] = nearest(times[kind], out.curves[kind][i]);
    }
  }
  return out;
}

std::array<TimeNs, kPhases> phase_times(const TraceModel& model, std::int32_t request) {
  std::array<TimeNs, kPhases> out{};
  const std::vector<Span>& spans = model.request(request).spans;
  for (std::int32_t i = 0; i < std::ssize(spans); ++i) {
    const Span& span = spans[static_cast<std::size_t>(i)];
    out[static_cast<std::size_t>(span.phase())] += std::max<TimeNs>(0, model.end_of(request, i) - span.begin);
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
  Distribution durations, ttft, e2el;
  for (std::int32_t i = out.first_step; i < out.end_step; ++i) {
    const Step& s = model.step(i);
    durations.add(s.duration);
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
    const bool finished = r.finished() && r.end >= from && r.end < to;
    out.finished += finished;
    if (const auto latency = finished ? e2el_of(r) : std::nullopt) e2el.add(*latency);
    if (r.first_token >= from && r.first_token < to) ttft.add(r.first_token - r.arrival);
  }
  out.step_p50 = durations.percentile(50);
  out.step_p99 = durations.percentile(99);
  out.ttft_p50 = ttft.percentile(50);
  out.ttft_p99 = ttft.percentile(99);
  out.e2el_p99 = e2el.percentile(99);
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

namespace {

enum class Unit : std::uint8_t { time, count, rate, share };

template <typename Of>
struct Kind {
  const char* name;
  Unit unit;
  int wanted;  // 1: more is better, -1: less
  double (*value)(const Of&);
  bool rare = false;                   // left out where it is zero throughout
  bool (*known)(const Of&) = nullptr;  // left out where it does not hold
};

template <typename Of>
std::vector<VerdictRow> compare_kinds(std::span<const Of> all, std::span<const Kind<Of>> kinds) {
  std::vector<VerdictRow> rows;
  for (const Kind<Of>& kind : kinds) {
    VerdictRow row;
    row.name = kind.name;
    const auto nothing = [&](const Of& v) { return kind.value(v) == 0; };
    if (kind.rare && std::all_of(all.begin(), all.end(), nothing)) continue;
    if (kind.known != nullptr && !kind.known(all.front())) continue;
    for (const Of& v : all) {
      const double value = kind.value(v);
      const double base = kind.value(all.front());
      switch (kind.unit) {
        // No time at all: no request has ended, or all tokens of an answer came at once.
        case Unit::time: row.values.push_back(value == 0 ? "-" : short_time(value)); break;
        case Unit::count: row.values.push_back(fmt::format("{:.0f}", value)); break;
        case Unit::rate: row.values.push_back(fmt::format("{:.{}f}", value, value < 100 ? 2 : 0)); break;
        case Unit::share: row.values.push_back(fmt::format("{:.1f} %", 100 * value)); break;
      }
      const bool itself = row.values.size() == 1;
      const bool comparable = !itself && (kind.unit != Unit::time || (value > 0 && base > 0));
      std::string change;
      if (!itself && kind.unit == Unit::share) change = fmt::format("{:+.1f} points", 100 * (value - base));
      if (!itself && kind.unit == Unit::count) change = fmt::format("{:+.0f}", value - base);
      if (!itself && (kind.unit == Unit::time || kind.unit == Unit::rate) && comparable && base > 0) {
        const double percent = 100 * (value / base - 1);
        change = std::abs(percent) < 99.95 ? fmt::format("{:+.1f} %", percent) : fmt::format("{:+.0f} %", percent);
      }
      // A change too small to be written is none.
      if (change.find_first_of("123456789") == std::string::npos) change.clear();
      const bool equal =
          !comparable || value == base || (change.empty() && base > 0) || (change.empty() && kind.unit != Unit::rate);
      row.changes.push_back(change);
      row.better.push_back(equal ? 0 : value > base ? kind.wanted : -kind.wanted);
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace

std::vector<VerdictRow> compare(std::span<const Verdict> verdicts) {
  static const Kind<Verdict> kinds[] = {
      {"makespan", Unit::time, -1, [](const Verdict& v) { return static_cast<double>(v.makespan); }},
      {"output tokens/s", Unit::rate, 1, [](const Verdict& v) { return v.tokens_per_s; }},
      {"requests/s", Unit::rate, 1, [](const Verdict& v) { return v.requests_per_s; }},
      {"completed", Unit::count, 1, [](const Verdict& v) { return static_cast<double>(v.completed); }},
      {"refused", Unit::count, -1, [](const Verdict& v) { return static_cast<double>(v.refused); }, true},
      {"failed", Unit::count, -1, [](const Verdict& v) { return static_cast<double>(v.failed); }, true},
      {"cancelled", Unit::count, 0, [](const Verdict& v) { return static_cast<double>(v.cancelled); }, true},
      {"goodput", Unit::share, 1, [](const Verdict& v) { return v.goodput.value_or(0); }, false,
       [](const Verdict& v) { return v.goodput.has_value(); }},
      {"TTFT P50", Unit::time, -1, [](const Verdict& v) { return v.ttft_p50; }},
      {"TTFT P99", Unit::time, -1, [](const Verdict& v) { return v.ttft_p99; }},
      {"TPOT P50", Unit::time, -1, [](const Verdict& v) { return v.tpot_p50; }},
      {"TPOT P99", Unit::time, -1, [](const Verdict& v) { return v.tpot_p99; }},
      {"ITL P99", Unit::time, -1, [](const Verdict& v) { return v.itl_p99; }},
      {"E2EL P99", Unit::time, -1, [](const Verdict& v) { return v.e2el_p99; }},
      {"preemptions", Unit::count, -1, [](const Verdict& v) { return static_cast<double>(v.preemptions); }},
      {"prefix hits", Unit::share, 1, [](const Verdict& v) { return v.hit_rate; }},
      {"wasted KV", Unit::share, -1, [](const Verdict& v) { return v.wasted_kv; }},
  };
  return compare_kinds<Verdict>(verdicts, kinds);
}

std::vector<VerdictRow> compare(std::span<const RangeSum> ranges) {
  using R = RangeSum;
  static const Kind<R> kinds[] = {
      {"marked time", Unit::time, 0, [](const R& r) { return static_cast<double>(r.to - r.from); }},
      {"steps", Unit::count, 0, [](const R& r) { return static_cast<double>(r.end_step - r.first_step); }},
      {"inside steps", Unit::share, 0,
       [](const R& r) { return r.to > r.from ? static_cast<double>(r.busy) / static_cast<double>(r.to - r.from) : 0; }},
      {"tokens/s", Unit::rate, 1,
       [](const R& r) {
         const auto tokens = static_cast<double>(r.prefill_tokens + r.decode_tokens);
         return r.to > r.from ? tokens * 1e9 / static_cast<double>(r.to - r.from) : 0;
       }},
      {"sent", Unit::count, 0, [](const R& r) { return static_cast<double>(r.arrived); }},
      {"finished", Unit::count, 1, [](const R& r) { return static_cast<double>(r.finished); }},
      {"step P50", Unit::time, -1, [](const R& r) { return r.step_p50; }},
      {"step P99", Unit::time, -1, [](const R& r) { return r.step_p99; }},
      {"longest step", Unit::time, -1, [](const R& r) { return static_cast<double>(r.longest_step); }},
      {"TTFT P50", Unit::time, -1, [](const R& r) { return r.ttft_p50; }},
      {"TTFT P99", Unit::time, -1, [](const R& r) { return r.ttft_p99; }},
      {"E2EL P99", Unit::time, -1, [](const R& r) { return r.e2el_p99; }},
      {"preemptions", Unit::count, -1,
       [](const R& r) { return static_cast<double>(r.marks[static_cast<int>(Mark::preempted)]); }, true},
      {"refused", Unit::count, -1, [](const R& r) { return static_cast<double>(r.marks[static_cast<int>(Mark::refused)]); },
       true},
      {"failed", Unit::count, -1, [](const R& r) { return static_cast<double>(r.marks[static_cast<int>(Mark::failed)]); },
       true},
      {"cancelled", Unit::count, 0, [](const R& r) { return static_cast<double>(r.marks[static_cast<int>(Mark::cancelled)]); },
       true},
  };
  return compare_kinds<R>(ranges, kinds);
}

}  // namespace tokenyard::viz
