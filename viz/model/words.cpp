#include "viz/model/words.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/core.h>

#include "core/trace/reason_words.h"

namespace tokenyard::viz {
namespace {

std::string count(std::int64_t n, const char* what) { return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s"); }

std::string percent(double part, double whole) { return fmt::format("{:.1f} %", whole > 0 ? 100 * part / whole : 0.0); }

// RFC 4180: in quotes where it must be.
std::string csv(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

std::string optional_ns(std::optional<TimeNs> time) { return time ? std::to_string(*time) : std::string(); }

bool is_of_blocks(Cause cause) { return cause == Cause::blocks || cause == Cause::watermark || cause == Cause::admission_gate; }

const char* life_of(const Request& r) {
  return r.reason == FinishReason::none ? name_of(r.spans.back().phase()) : tokenyard::name_of(r.reason);
}

}  // namespace

std::string short_time(double ns) {
  const double size = std::abs(ns);
  const auto [unit, name] = size >= 1e9   ? std::pair(1e9, "s")
                            : size >= 1e6 ? std::pair(1e6, "ms")
                            : size >= 1e3 ? std::pair(1e3, "us")
                                          : std::pair(1.0, "ns");
  const double value = ns / unit;
  const int digits = std::abs(value) >= 100 || unit == 1.0 ? 0 : std::abs(value) >= 10 ? 1 : 2;
  return fmt::format("{:.{}f} {}", value, digits, name);
}

std::int32_t free_blocks(const TraceModel& model, const Moment& moment) { return model.usable_blocks() - moment.used_blocks; }

std::vector<Sentence> explain(const TraceModel& model, const Moment& moment) {
  std::vector<Sentence> out;
  if (moment.step < 0) return out;
  using Kind = Sentence::Kind;
  const auto id = [&](std::int32_t r) -> const std::string& { return model.request(r).id; };
  const auto events = std::equal_range(model.events().begin(), model.events().end(), Event{0, moment.step, 0, {}},
                                       [](const Event& a, const Event& b) { return a.step < b.step; });
  for (auto e = events.first; e != events.second; ++e) {
    if (e->mark == Mark::preempted) {
      const std::string who = e->beneficiary == e->request ? "itself, which " : id(e->beneficiary) + ", which ";
      const bool late = model.request(e->request).end >= 0 && model.request(e->request).end <= e->at;
      out.push_back({Kind::preempted, e->request,
                     id(e->request) + " is preempted for " + who + in_words(e->reason) + "; frees " +
                         count(e->freed_blocks, "block") + (late ? " (it had ended, which was not known yet)" : "")});
    } else {
      std::string text = id(e->request) +
                         (e->mark == Mark::kv_capacity ? " leaves: out of KV memory" : std::string(" is ") + name_of(e->mark));
      const std::string& why = model.refusal(e->request);
      if (!why.empty()) text += ": " + why;
      out.push_back({Kind::ended, e->request, std::move(text)});
    }
  }
  for (const std::int32_t h : moment.held) {
    const Held& held = model.held()[static_cast<std::size_t>(h)];
    const bool seated = moment.table_of(held.request) != nullptr;
    // The trace tells a refusal's numbers when it begins and when it ends.
    const bool ends = held.until == moment.step;
    const Reason& reason = ends ? held.last : held.first;
    std::string text = id(held.request) + (seated ? " gets no row: " : " is not admitted: ") + in_words(reason);
    if (held.since < moment.step) {
      const std::int64_t since = model.step(held.since).number;
      text += ends ? fmt::format(" (refused since step {})", since) : fmt::format(" (in step {}, and refused since", since);
      if (!ends && is_of_blocks(reason.cause)) {
        text += fmt::format("; {} free in this one", count(free_blocks(model, moment), "block"));
      }
      if (!ends) text += ")";
    }
    out.push_back({Kind::held, held.request, std::move(text)});
  }
  const auto waits = std::equal_range(model.waits().begin(), model.waits().end(), Waited{moment.step, 0, {}, 0},
                                      [](const Waited& a, const Waited& b) { return a.step < b.step; });
  for (auto w = waits.first; w != waits.second; ++w) {
    out.push_back({Kind::waited, w->request,
                   id(w->request) + " held the step back from " + time_in_words(w->at) + " on: " + in_words(w->reason)});
  }
  const std::int32_t size = model.header().engine.block_size;
  std::int32_t decoding = 0;
  std::int32_t stalled = 0;
  std::int32_t padding = 0;
  for (const MomentRow& row : rows_of(model, moment)) {
    const Request& r = model.request(row.request);
    const std::int32_t index = model.span_in(row.request, moment.step);
    if (row.phase == Phase::prefill) {
      const Phase before = r.spans[static_cast<std::size_t>(std::max(0, index - 1))].phase();
      const bool admitted = before == Phase::queued || before == Phase::preempted;
      std::string text = id(row.request) +
                         (!admitted                 ? " goes on"
                          : before == Phase::queued ? " is admitted"
                                                    : " resumes") +
                         fmt::format(": computes {} from position {}", count(row.tokens, "token"), row.first);
      if (admitted && row.first > 0) text += fmt::format(", {} found in the prefix cache", count(row.first / size, "block"));
      out.push_back({admitted ? Kind::admitted : Kind::prefill, row.request, std::move(text)});
    }
    decoding += row.phase == Phase::decode;
    stalled += row.phase == Phase::stalled;
    padding += row.phase == Phase::padding;
  }
  if (decoding > 0)
    out.push_back({Kind::decode, -1, count(decoding, "request") + (decoding == 1 ? " decodes" : " decode") + " a token"});
  if (stalled > 0) {
    out.push_back(
        {Kind::stalled, -1,
         count(stalled, "request") + " without a row" + (model.step(moment.step).prefill_only ? ": a pure prefill step" : "")});
  }
  const Step& step = model.step(moment.step);
  if (padding > 0)
    out.push_back({Kind::stalled, -1, count(padding, "seat") + " computed for nobody: ended, and the batch goes on"});
  if (!moment.evicted.empty()) {
    out.push_back({Kind::evicted, -1, count(std::ssize(moment.evicted), "cached block") + " evicted to make room"});
  }
  if (const std::int32_t left = moment.step > 0 && step.ahead ? model.step(moment.step - 1).finished : 0; left > 0) {
    std::string text = "planned while step " + std::to_string(model.step(moment.step - 1).number) +
                       " ran: it was not known yet that " + count(left, "request") + (left == 1 ? " ends" : " end") + " there";
    if (step.late_rows > 0) text += fmt::format("; {} computed for nobody", count(step.late_rows, "row"));
    out.push_back({Kind::waited, -1, std::move(text)});
  }
  if (step.finished > 0)
    out.push_back(
        {Kind::finished, -1, count(step.finished, "request") + (step.finished == 1 ? " leaves" : " leave") + " at its end"});
  return out;
}

Sentence ended_in_words(const TraceModel& model) {
  return {Sentence::Kind::finished, -1, "the run was over at " + time_in_words(model.end())};
}

std::string request_in_words(const TraceModel& model, std::int32_t request) {
  const Request& r = model.request(request);
  std::string out =
      fmt::format("{}: {}\n{}, {} made of at most {}, sent {}", r.id, life_of(r), count(r.prompt, "prompt token"),
                  count(r.output, "token"), r.max_tokens, r.arrival == 0 ? "at 0 s" : "at " + time_in_words(r.arrival));
  if (const auto ttft = ttft_of(r)) out += "\nTTFT " + short_time(static_cast<double>(*ttft));
  if (const auto tpot = tpot_of(r)) out += ", TPOT " + short_time(static_cast<double>(*tpot));
  if (const auto e2el = e2el_of(r)) out += ", end to end " + short_time(static_cast<double>(*e2el));
  if (const std::string went = time_went(model, request); !went.empty()) out += "\n" + went;
  if (r.cached > 0) out += fmt::format("\n{} found in the prefix cache", count(r.cached, "token"));
  if (r.preemptions > 0) out += "\npreempted " + count(r.preemptions, "time");
  if (!model.refusal(request).empty()) out += "\n" + model.refusal(request);
  return out;
}

std::string request_in_a_line(const TraceModel& model, std::int32_t request) {
  const Request& r = model.request(request);
  std::string out = r.id + ":";
  for (const auto& [name, time] :
       {std::pair{"TTFT", ttft_of(r)},
        {"longest time between tokens", r.longest_gap < 0 ? std::nullopt : std::optional(r.longest_gap)},
        {"end to end", e2el_of(r)}}) {
    if (time) out += fmt::format(" {} {},", name, short_time(static_cast<double>(*time)));
  }
  return out + " " + time_went(model, request);
}

std::string time_went(const TraceModel& model, std::int32_t request) {
  const std::array<TimeNs, kPhases> times = phase_times(model, request);
  const TimeNs all = std::accumulate(times.begin(), times.end(), TimeNs{0});
  if (all == 0) return "";
  std::string out = "of " + short_time(static_cast<double>(all)) + ":";
  const char* separator = " ";
  for (std::size_t i = 0; i < times.size(); ++i) {
    if (times[i] == 0) continue;
    const auto time = static_cast<double>(times[i]);
    out += fmt::format("{}{} {} ({:.0f} %)", separator, name_of(static_cast<Phase>(i)), short_time(time),
                       100 * time / static_cast<double>(all));
    separator = ", ";
  }
  return out;
}

std::string step_in_words(const TraceModel& model, std::int32_t step) {
  const Step& s = model.step(step);
  const EngineConfig& config = model.header().engine;
  const StepParts& p = s.parts;
  std::string out = fmt::format("step {} at {}, takes {}\n{} of {}: {} prefill, {} decode", s.number, time_in_words(s.start),
                                short_time(static_cast<double>(s.duration)), count(s.tokens(), "token"),
                                config.max_num_batched_tokens, s.prefill_tokens, s.decode_tokens);
  if (s.padding_tokens > 0) out += fmt::format(", and {} for nobody", count(s.padding_tokens, "position"));
  out += fmt::format("\n{} of {} run, {} wait", count(s.running, "request"), config.max_num_seqs, s.waiting);
  if (s.stalled > 0) out += fmt::format(", {} without a row", s.stalled);
  out += fmt::format("\n{} of {} used, {} cached", count(s.used_blocks, "block"), model.usable_blocks(), s.cached_blocks);
  if (p.total() > 0) {
    const std::pair<const char*, TimeNs> parts[] = {
        {"GEMM", p.gemm}, {"attention", p.attention},         {"elementwise", p.elementwise},
        {"head", p.head}, {"communication", p.communication}, {"host", p.host}};
    const char* separator = "\n";
    for (const auto& [name, time] : parts) {
      if (time == 0) continue;
      out += fmt::format("{}{} {}", separator, name, short_time(static_cast<double>(time)));
      separator = ", ";
    }
  }
  return out;
}

std::string column_in_words(const TraceModel& model, std::int32_t first, std::int32_t end) {
  const StepSum sum = model.sum_steps(first, end);
  const StepMeans means = sum.means();
  const Step& longest = model.step(sum.longest);
  const Step& fullest = model.step(sum.fullest);
  const EngineConfig& config = model.header().engine;
  std::string out = fmt::format("{}, {} to {}: means over their time, and the most\n", count(sum.count, "step"),
                                model.step(first).number, model.step(end - 1).number);
  out += fmt::format("takes {}, at most {} (step {})\n", short_time(means.duration),
                     short_time(static_cast<double>(longest.duration)), longest.number);
  out +=
      fmt::format("{:.0f} tokens of {} ({:.0f} prefill, {:.0f} decode), at most {} (step {})\n", means.tokens(),
                  config.max_num_batched_tokens, means.prefill_tokens, means.decode_tokens, sum.most_positions, fullest.number);
  out += fmt::format("{:.0f} of {} run, at most {}; {:.0f} wait, at most {}\n", means.running, config.max_num_seqs,
                     sum.most_running, means.waiting, sum.most_waiting);
  return out + fmt::format("{:.0f} of {} blocks used, at most {}; {:.0f} cached, at most {}", means.used_blocks,
                           model.usable_blocks(), sum.most_used, means.cached_blocks, sum.most_cached);
}

std::string block_in_words(const TraceModel& model, const Moment& moment, BlockId block) {
  const Block& b = moment.blocks[static_cast<std::size_t>(block)];
  std::string out = fmt::format("block {}: ", block);
  if (b.references == 0) {
    out += b.findable ? "free, and cached" : "free";
  } else {
    out += b.references == 1 ? "used" : fmt::format("shared by {}", count(b.references, "request"));
    if (b.findable) out += ", can be found";
  }
  if (b.owner >= 0) {
    out += fmt::format("\n{} {} of {}", b.references > 0 ? "holds block" : "held block", b.index, model.request(b.owner).id);
    out += fmt::format("\nhanded out in step {}, last touched in step {}", model.step(b.taken).number,
                       model.step(b.touched).number);
  }
  return out;
}

std::string range_in_words(const RangeSum& s) {
  std::string out =
      fmt::format("{}: {}, busy {}", short_time(static_cast<double>(s.to - s.from)), count(s.end_step - s.first_step, "step"),
                  percent(static_cast<double>(s.busy), static_cast<double>(s.to - s.from)));
  out += fmt::format("\n{} prefill, {} decode", count(s.prefill_tokens, "token"), s.decode_tokens);
  if (s.padding_tokens > 0) out += fmt::format(", {} padding", s.padding_tokens);
  if (s.to > s.from) {
    out += fmt::format("\n{:.1f} tokens/s",
                       static_cast<double>(s.prefill_tokens + s.decode_tokens) * 1e9 / static_cast<double>(s.to - s.from));
  }
  out += fmt::format("\n{} arrived, {} finished", s.arrived, s.finished);
  for (int mark = 0; mark < kMarks; ++mark) {
    if (s.marks[mark] > 0) out += fmt::format(", {} {}", s.marks[mark], name_of(static_cast<Mark>(mark)));
  }
  return out + "\nlongest step " + short_time(static_cast<double>(s.longest_step));
}

std::string requests_csv(const TraceModel& model, TimeNs from, TimeNs to) {
  std::string out =
      "request,id,arrival_ns,joined_ns,end_ns,reason,prompt_tokens,output_tokens,cached_tokens,preemptions,ttft_ns,tpot_ns,"
      "e2el_ns\n";
  for (std::int32_t i = 0; i < model.num_requests(); ++i) {
    const Request& r = model.request(i);
    const TimeNs end = r.end >= 0 ? r.end : kNever;
    if (r.begin >= to || end < from) continue;
    out += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{}\n", i, csv(r.id), r.arrival, r.joined,
                       r.end >= 0 ? std::to_string(r.end) : "", life_of(r), r.prompt, r.output, r.cached, r.preemptions,
                       optional_ns(ttft_of(r)), optional_ns(tpot_of(r)), optional_ns(e2el_of(r)));
  }
  return out;
}

std::string steps_csv(const TraceModel& model, TimeNs from, TimeNs to) {
  std::string out =
      "step,start_ns,end_ns,duration_ns,gemm_ns,attention_ns,elementwise_ns,head_ns,communication_ns,host_ns,prefill_tokens,"
      "decode_tokens,"
      "padding_tokens,rows,stalled,running,waiting,admitted,preempted,finished,used_blocks,cached_blocks,evicted_blocks\n";
  for (const Step& s : model.steps()) {
    if (s.start >= to || s.end < from) continue;
    const StepParts& p = s.parts;
    out += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}\n", s.number, s.start, s.end,
                       s.duration, p.gemm, p.attention, p.elementwise, p.head, p.communication, p.host, s.prefill_tokens,
                       s.decode_tokens, s.padding_tokens, s.rows(), s.stalled, s.running, s.waiting, s.admitted, s.preempted,
                       s.finished, s.used_blocks, s.cached_blocks, s.evicted_blocks);
  }
  return out;
}

}  // namespace tokenyard::viz
