#include "core/trace/diff.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/base/json.h"
#include "core/trace/config_json.h"
#include "core/trace/reason_words.h"
#include "core/trace/state.h"

namespace tokenyard {
namespace {

using Kind = TraceSource::Kind;

std::string tokens(std::int64_t n) { return std::to_string(n) + (n == 1 ? " token" : " tokens"); }

std::string list(std::span<const std::int32_t> values) {
  std::string out;
  for (const std::int32_t v : values) out += " " + std::to_string(v);
  return out;
}

struct Part {
  const char* name;
  TimeNs StepParts::*time;
};
constexpr Part kParts[] = {
    {"gemm", &StepParts::gemm}, {"attention", &StepParts::attention},         {"elementwise", &StepParts::elementwise},
    {"head", &StepParts::head}, {"communication", &StepParts::communication}, {"host", &StepParts::host}};

// "+12.5 %", or nothing where it began with nothing.
std::string percent(double before, double after) {
  if (before <= 0) return "";
  std::array<char, 32> out{};
  const int size = std::snprintf(out.data(), out.size(), " (%+.1f %%)", 100 * (after / before - 1));
  return std::string(out.data(), static_cast<std::size_t>(size));
}

std::string change(TimeNs before, TimeNs after) {
  return time_in_words(before) + ", " + time_in_words(after) + percent(static_cast<double>(before), static_cast<double>(after));
}

// Keeps the few of which `size` is the largest, the first of equal ones before the others.
template <typename T, typename Size>
void keep_largest(std::vector<T>& kept, T one, const Size& size) {
  constexpr std::size_t kMost = 5;
  const auto place = std::upper_bound(kept.begin(), kept.end(), one, [&](const T& a, const T& b) { return size(a) > size(b); });
  if (place == kept.end() && kept.size() == kMost) return;
  kept.insert(place, std::move(one));
  if (kept.size() > kMost) kept.pop_back();
}

// What happened on one side, as a sentence.
struct Fact {
  enum class What : std::uint8_t {  // the most telling first
    preempted,
    ended,
    refused,
    admitted,
    computed,
    joined,
    unrefused,
    blocks,
    step,
    time
  };
  What what;
  std::int32_t request;  // -1: of the whole step
  std::string text;
};

bool same_joins(const std::vector<JoinRecord>& a, const std::vector<JoinRecord>& b, bool ignore_time) {
  return std::ranges::equal(a, b, [&](const JoinRecord& x, const JoinRecord& y) {
    if (!ignore_time) return x == y;
    JoinRecord timeless = y;
    timeless.at = x.at;
    timeless.spec.arrival = x.spec.arrival;
    return x == timeless;
  });
}

bool same_cancels(const std::vector<CancelRecord>& a, const std::vector<CancelRecord>& b, bool ignore_time) {
  return std::ranges::equal(a, b, [&](const CancelRecord& x, const CancelRecord& y) {
    return x == CancelRecord{y.request, y.step, ignore_time ? x.at : y.at, y.reason, y.gone};
  });
}

// Times aside.
bool same_step(const StepRecord& a, const StepRecord& b, bool ignore_tokens) {
  StepRecord timeless = b;
  timeless.start = a.start;
  timeless.end = a.end;
  timeless.duration = a.duration;
  timeless.parts = a.parts;
  timeless.waited = a.waited;
  if (ignore_tokens) timeless.tokens = a.tokens;
  return a == timeless;
}

bool same_times(const StepRecord& a, const StepRecord& b) {
  return a.start == b.start && a.end == b.end && a.duration == b.duration && a.parts == b.parts && a.waited == b.waited;
}

// At most so many lines of a side.
std::vector<std::string> few(const std::vector<std::string>& all) {
  constexpr std::size_t most = 12, longest = 200;
  std::vector<std::string> out;
  for (std::size_t i = 0; i < std::min(all.size(), most); ++i)
    out.push_back(all[i].size() > longest ? all[i].substr(0, longest) + " ..." : all[i]);
  if (all.size() > most) out.push_back("and " + std::to_string(all.size() - most) + " more");
  return out;
}

void append_lines(std::string& out, const std::string& title, const std::vector<std::string>& lines) {
  if (lines.empty()) return;
  out += "\n" + title + ":";
  for (const std::string& line : lines) out += "\n  " + line;
}

// Of `all`, what is not in `others`; in order.
std::vector<Fact> only_in(const std::vector<Fact>& all, const std::vector<Fact>& others) {
  std::set<std::string> known;
  for (const Fact& fact : others) known.insert(fact.text);
  std::vector<Fact> out;
  for (const Fact& fact : all) {
    if (!known.contains(fact.text)) out.push_back(fact);
  }
  return out;
}

std::vector<std::string> texts_of(const std::vector<Fact>& facts) {
  std::vector<std::string> out;
  for (const Fact& fact : facts) out.push_back(fact.text);
  return out;
}

std::string header_differences(const TraceHeader& a, const TraceHeader& b) {
  const auto facts = [](const TraceHeader& header) {
    const auto in_words = [](const Json& value) { return value.is_string() ? value.string() : value.dump(); };
    // These two may be left out.
    std::map<std::string, std::string> out = {{"async_scheduling", "false"},
                                              {"vllm_version", name_of(header.engine.vllm_version)}};
    const Json config = Json::parse(engine_config_json(header.engine), "");
    for (const Json::Member& field : config.object()) out[field.key] = in_words(field.value);
    return out;
  };
  const std::map<std::string, std::string> left = facts(a), right = facts(b);
  std::string out;
  for (const auto& [key, value] : left) {
    const std::string& other = right.at(key);
    if (value != other) out += (out.empty() ? "" : "\n") + key + ": " + value + ", " + other;
  }
  return out;
}

}  // namespace

class TraceComparison::Side {
 public:
  explicit Side(TraceSource& source) : source_(source), state_(source.header(), source.name()) {}

  // Up to the end of the next step.
  Kind advance() {
    joins.clear();
    cancels.clear();
    while (true) {
      const Kind kind = source_.next();
      if (kind == Kind::join) {
        state_.apply(source_.join());
        joins.push_back(source_.join());
      } else if (kind == Kind::cancel) {
        state_.apply(source_.cancel());
        cancels.push_back(source_.cancel());
      } else {
        if (kind == Kind::step) state_.apply(source_.step());
        return kind;
      }
    }
  }

  const std::string& name() const { return source_.name(); }
  const StepRecord& step() const { return source_.step(); }
  std::string id(std::int32_t request) const { return state_.request(request).join.spec.id; }

  // What happened since the step before: events, decisions, blocks, times.
  std::vector<Fact> facts(const TraceDiffOptions& options) const {
    std::vector<Fact> out;
    event_facts(options.ignore_time, out);
    decision_facts(out);
    if (!options.ignore_tokens && !step().tokens.empty()) {
      out.push_back({Fact::What::step, -1, "sampled tokens:" + list(step().tokens)});
    }
    block_facts(out);
    if (!options.ignore_time) time_facts(out);
    return out;
  }
  // From its arrival to now, when it leaves.
  TimeNs took(std::int32_t request) const { return step().end - state_.request(request).join.spec.arrival; }

  std::vector<std::string> standing() const {
    std::vector<std::string> out;
    for (const TraceState::Standing& s : state_.refusals()) {
      out.push_back(refused(s.request) + " since step " + std::to_string(s.since) + ": " + in_words(s.reason));
    }
    return out;
  }

  // How this trace ends, after a kind that is no step.
  std::string ending(Kind kind) const {
    return kind == Kind::end ? "ends" : source_.cut_off() ? "is cut off in the middle of a line" : "stops without an end";
  }

  std::vector<JoinRecord> joins;
  std::vector<CancelRecord> cancels;

 private:
  std::string refused(std::int32_t request) const {
    const TraceState::Request& r = state_.request(request);
    return id(request) + (r.num_computed == 0 ? " is not admitted" : " gets no row");
  }

  void event_facts(bool ignore_time, std::vector<Fact>& out) const {
    for (const JoinRecord& join : joins) {
      std::string fact = join.spec.id + " joins with " + tokens(join.spec.prompt.size()) + ", max_tokens " +
                         std::to_string(join.spec.max_tokens);
      if (!join.refused.empty()) fact += ", and is refused: " + join.refused;
      if (!ignore_time) fact += ", at " + time_in_words(join.at) + ", sent " + time_in_words(join.spec.arrival);
      out.push_back({Fact::What::joined, join.request, std::move(fact)});
    }
    for (const CancelRecord& cancel : cancels) {
      std::string fact = id(cancel.request) + " ends: " + name_of(cancel.reason);
      if (!cancel.gone) fact += ", and stays as padding";
      if (!ignore_time) fact += ", at " + time_in_words(cancel.at);
      out.push_back({Fact::What::ended, cancel.request, std::move(fact)});
    }
  }

  void decision_facts(std::vector<Fact>& out) const {
    const StepRecord& s = step();
    for (const TraceState::Row& row : state_.rows()) {
      std::string fact = id(row.request) + " computes " + tokens(row.count) + " from position " + std::to_string(row.first);
      if (row.padding > 0) fact += " and " + std::to_string(row.padding) + " of padding";
      out.push_back({Fact::What::computed, row.request, std::move(fact)});
    }
    std::string order = "the rows stand in the order";
    for (const TraceState::Row& row : state_.rows()) order += " " + id(row.request);
    out.push_back({Fact::What::step, -1, std::move(order)});
    for (const StepRecord::Admission& a : s.admitted) {
      out.push_back({Fact::What::admitted, a.request,
                     id(a.request) + " is admitted, with " + tokens(a.hit_tokens) + " found in the prefix cache"});
    }
    for (const StepRecord::Preemption& p : s.preempted) {
      out.push_back({Fact::What::preempted, p.victim,
                     id(p.victim) + " is preempted for " + id(p.beneficiary) + ", which " + in_words(p.reason) + "; frees " +
                         std::to_string(p.freed_blocks)});
    }
    for (const StepRecord::Refusal& r : s.refused)
      out.push_back({Fact::What::refused, r.request, refused(r.request) + ": " + in_words(r.reason)});
    for (const StepRecord::RefusalEnd& r : s.refused_until) {
      out.push_back({Fact::What::unrefused, r.request,
                     id(r.request) + ", refused since step " + std::to_string(r.since) + ", no longer " + in_words(r.reason)});
    }
    for (const StepRecord::Finish& f : s.done)
      out.push_back({Fact::What::ended, f.request, id(f.request) + " is done: " + name_of(f.reason)});
    for (const StepRecord::Finish& f : s.finished)
      out.push_back({Fact::What::ended, f.request, id(f.request) + " leaves: " + name_of(f.reason)});
    if (s.prefill_only) out.push_back({Fact::What::step, -1, "the step computes prompts only"});
    if (s.ahead) out.push_back({Fact::What::step, -1, "the step is planned while the one before it runs"});
  }

  void block_facts(std::vector<Fact>& out) const {
    const StepRecord& s = step();
    for (const StepRecord::Admission& a : s.admitted)
      out.push_back({Fact::What::blocks, a.request, id(a.request) + " has blocks" + list(s.ids(a.blocks))});
    for (const StepRecord::Blocks& b : s.grown)
      out.push_back({Fact::What::blocks, b.request, id(b.request) + " gets blocks" + list(s.ids(b.blocks))});
    for (const StepRecord::Blocks& b : s.moved)
      out.push_back({Fact::What::blocks, b.request, id(b.request) + " moves to blocks" + list(s.ids(b.blocks))});
    if (!s.unfindable.empty())
      out.push_back({Fact::What::step, -1, "blocks that can no longer be found:" + list(s.unfindable)});
    if (!s.findable.empty())
      out.push_back({Fact::What::step, -1, "blocks that can be found although nothing fills them:" + list(s.findable)});
  }

  void time_facts(std::vector<Fact>& out) const {
    const StepRecord& s = step();
    const auto add = [&](std::string text) { out.push_back({Fact::What::time, -1, std::move(text)}); };
    add("the step starts at " + time_in_words(s.start));
    add("the step takes " + time_in_words(s.duration) + ", until " + time_in_words(s.end));
    std::string parts = "its parts are";
    for (const Part& part : kParts)
      parts += (part.time == kParts[0].time ? " " : ", ") + (part.name + (" " + time_in_words(s.parts.*part.time)));
    add(std::move(parts));
    if (s.waited) {
      add(id(s.waited->request) + " holds the step back from " + time_in_words(s.waited->at) +
          " on: " + in_words(s.waited->reason));
    }
  }

  TraceSource& source_;
  TraceState state_;
};

struct TraceComparison::Work {
  Work(TraceSource& a, TraceSource& b, const TraceDiffOptions& ignored)
      : left(a), right(b), options(ignored), headers(header_differences(a.header(), b.header())) {}

  Parting part(std::vector<Fact> only_left, std::vector<Fact> only_right) const;
  Parting end(Kind kind, Kind other) const;
  bool is_news(const std::vector<Fact>& only_left, const std::vector<Fact>& only_right);
  void note_times(bool equal);
  void compare_times();

  Side left, right;
  TraceDiffOptions options;
  std::string headers;
  std::int64_t steps = 0;
  TimeChanges times;
  bool parted = false, over = false;
  std::set<std::string> apart;  // ids of those who were treated differently in the step before
};

Parting TraceComparison::Work::part(std::vector<Fact> only_left, std::vector<Fact> only_right) const {
  Parting out;
  out.step = steps;
  const auto more_telling = [](const Fact& a, const Fact& b) { return a.what < b.what; };
  const Fact* most_telling = nullptr;
  const Side* whose = nullptr;
  for (const auto& [side, only, into] :
       {std::tuple{&left, &only_left, out.sides.data()}, {&right, &only_right, &out.sides[1]}}) {
    into->place =
        "step " + std::to_string(side->step().step) + " of " + side->name() + " at " + time_in_words(side->step().start);
    std::stable_sort(only->begin(), only->end(), more_telling);
    into->only = few(texts_of(*only));
    into->standing = few(side->standing());
    for (const Fact& fact : *only) {
      if (fact.request < 0 || (most_telling != nullptr && fact.what >= most_telling->what)) continue;
      most_telling = &fact;
      whose = side;
    }
  }
  if (most_telling != nullptr) out.request = whose->id(most_telling->request);
  out.text = "the traces part " + (parted ? "in " : "after " + std::to_string(steps) + " common steps, in ") +
             out.sides[0].place + " and " + out.sides[1].place;
  append_lines(out.text, "only in " + left.name(), out.sides[0].only);
  append_lines(out.text, "only in " + right.name(), out.sides[1].only);
  if (only_left.empty() && only_right.empty())
    out.text += "\nthe requests that join or end before it stand in another order or ask for other things";
  append_lines(out.text, "refused in " + left.name(), out.sides[0].standing);
  append_lines(out.text, "refused in " + right.name(), out.sides[1].standing);
  return out;
}

// One of them has no further step, or both end differently.
Parting TraceComparison::Work::end(Kind kind, Kind other) const {
  Parting out;
  out.step = steps;
  const auto words = [](const Side& side, Kind k) {
    return side.name() + (k == Kind::step ? " goes on with step " + std::to_string(side.step().step) : " " + side.ending(k));
  };
  out.sides[0].place = words(left, kind);
  out.sides[1].place = words(right, other);
  out.text = "after " + std::to_string(steps) + " steps " + out.sides[0].place + " and " + out.sides[1].place;
  return out;
}

bool TraceComparison::Work::is_news(const std::vector<Fact>& only_left, const std::vector<Fact>& only_right) {
  std::set<std::string> now;
  for (const auto& [side, only] : {std::pair{&left, &only_left}, {&right, &only_right}}) {
    for (const Fact& fact : *only) {
      using enum Fact::What;
      const bool counts = fact.what == preempted || fact.what == ended || fact.what == admitted || fact.what == computed;
      if (counts) now.insert(side->id(fact.request));
    }
  }
  const bool news = !std::ranges::includes(apart, now);
  apart = std::move(now);
  return news;
}

// After events, and a step, that are equal but perhaps for their times.
void TraceComparison::Work::note_times(bool equal) {
  equal = equal && same_joins(left.joins, right.joins, false) && same_cancels(left.cancels, right.cancels, false);
  if (!equal && times.first < 0) times.first = steps;
}

void TraceComparison::Work::compare_times() {
  const StepRecord &a = left.step(), &b = right.step();
  note_times(same_times(a, b));
  times.end[0] = a.end;
  times.end[1] = b.end;
  times.durations[0].add(a.duration);
  times.durations[1].add(b.duration);
  if (a.duration != b.duration) {
    TimeChanges::Step step{steps, a.step, a.start, {a.duration, b.duration}, nullptr, 0};
    for (const Part& part : kParts) {
      const TimeNs by = b.parts.*part.time - a.parts.*part.time;
      if (std::abs(by) <= std::abs(step.part_change)) continue;
      step.part = part.name;
      step.part_change = by;
    }
    keep_largest(times.steps, step, [](const TimeChanges::Step& s) { return std::abs(s.took[1] - s.took[0]); });
  }
  for (const StepRecord::Finish& f : a.finished) {
    TimeChanges::Request request{left.id(f.request), {left.took(f.request), right.took(f.request)}};
    if (request.took[0] == request.took[1]) continue;
    keep_largest(times.requests, std::move(request),
                 [](const TimeChanges::Request& r) { return std::abs(r.took[1] - r.took[0]); });
  }
}

TraceComparison::TraceComparison(TraceSource& a, TraceSource& b, const TraceDiffOptions& options)
    : work_(std::make_unique<Work>(a, b, options)) {}
TraceComparison::~TraceComparison() = default;

std::optional<Parting> TraceComparison::next() {
  Work& w = *work_;
  while (!w.over) {
    const Kind kind = w.left.advance();
    const Kind other = w.right.advance();
    // Until the first parting a number names the same request on both sides, and the records can be compared as they are.
    const bool same_events =
        same_joins(w.left.joins, w.right.joins, true) && same_cancels(w.left.cancels, w.right.cancels, true);
    if (kind != Kind::step || other != Kind::step) {
      w.over = true;
      if (kind == other && (w.parted || same_events)) {
        if (!w.parted) w.note_times(true);
        return std::nullopt;
      }
      return w.end(kind, other);
    }
    if (!w.parted && same_events && same_step(w.left.step(), w.right.step(), w.options.ignore_tokens)) {
      w.compare_times();
      ++w.steps;
      continue;
    }
    const std::vector<Fact> left = w.left.facts(w.options), right = w.right.facts(w.options);
    std::vector<Fact> only_left = only_in(left, right), only_right = only_in(right, left);
    const bool news = w.is_news(only_left, only_right);
    std::optional<Parting> found;
    if (news || !w.parted) found = w.part(std::move(only_left), std::move(only_right));
    w.parted = true;
    ++w.steps;
    if (found) return found;
  }
  return std::nullopt;
}

std::int64_t TraceComparison::steps() const { return work_->steps; }
const TimeChanges& TraceComparison::times() const { return work_->times; }
const std::string& TraceComparison::headers() const { return work_->headers; }

std::vector<std::string> in_words(const TimeChanges& changes) {
  std::vector<std::string> out;
  out.push_back("the last step ends at " + change(changes.end[0], changes.end[1]));
  for (const int p : {50, 99}) {
    const double before = changes.durations[0].percentile(p), after = changes.durations[1].percentile(p);
    out.push_back("P" + std::to_string(p) + " of the steps' durations " + change(std::llround(before), std::llround(after)));
  }
  return out;
}

std::string in_words(const TimeChanges::Step& step) {
  std::string out = "step " + std::to_string(step.number) + " at " + time_in_words(step.start) + " takes " +
                    change(step.took[0], step.took[1]);
  if (step.part != nullptr)
    out += std::string("; most of it ") + step.part + (step.part_change > 0 ? " +" : " ") + time_in_words(step.part_change);
  return out;
}

std::string in_words(const TimeChanges::Request& request) {
  return request.id + " " + change(request.took[0], request.took[1]);
}

TraceDifference diff_traces(TraceSource& a, TraceSource& b, const TraceDiffOptions& options) {
  TraceComparison comparison(a, b, options);
  TraceDifference result;
  result.headers = comparison.headers();
  const std::optional<Parting> parting = comparison.next();
  const std::int64_t first = comparison.times().first;
  result.same = !parting && (options.ignore_time || first < 0);
  result.steps = parting ? parting->step : comparison.steps();
  if (parting) {
    result.text = parting->text;
    if (!options.ignore_time && first >= 0)
      result.text = "times differ after " + std::to_string(first) + " common steps already\n" + result.text;
  } else if (result.same) {
    result.text = "the traces are the same: " + std::to_string(result.steps) + " steps" +
                  (options.ignore_time ? ", times ignored" : "") + (options.ignore_tokens ? ", sampled tokens ignored" : "");
  } else {
    result.text = "the decisions are the same in all " + std::to_string(result.steps) +
                  " steps, the times are not: they differ after " + std::to_string(first) + " common steps";
    const TimeChanges& times = comparison.times();
    for (const std::string& line : in_words(times)) result.text += "\n" + line;
    const auto lines = [](const auto& changes) {
      std::vector<std::string> out;
      for (const auto& one : changes) out.push_back(in_words(one));
      return out;
    };
    append_lines(result.text, "steps that changed most", lines(times.steps));
    append_lines(result.text, "requests that changed most, from arrival to end", lines(times.requests));
  }
  return result;
}

}  // namespace tokenyard
