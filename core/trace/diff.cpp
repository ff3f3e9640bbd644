#include "core/trace/diff.h"

#include <algorithm>
#include <array>
#include <map>
#include <string>
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

class Side {
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

  // What happened since the step before, a sentence each, the most telling first.
  std::vector<std::string> facts(const TraceDiffOptions& options) const {
    std::vector<std::string> out;
    event_facts(options, out);
    decision_facts(out);
    block_facts(out);
    if (!options.ignore_time) time_facts(out);
    return out;
  }

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

  void event_facts(const TraceDiffOptions& options, std::vector<std::string>& out) const {
    for (const JoinRecord& join : joins) {
      std::string fact = join.spec.id + " joins with " + tokens(join.spec.prompt.size()) + ", max_tokens " +
                         std::to_string(join.spec.max_tokens);
      if (!join.refused.empty()) fact += ", and is refused: " + join.refused;
      if (!options.ignore_time) fact += ", at " + time_in_words(join.at) + ", sent " + time_in_words(join.spec.arrival);
      out.push_back(std::move(fact));
    }
    for (const CancelRecord& cancel : cancels) {
      std::string fact = id(cancel.request) + " ends: " + name_of(cancel.reason);
      if (!cancel.gone) fact += ", and stays as padding";
      if (!options.ignore_time) fact += ", at " + time_in_words(cancel.at);
      out.push_back(std::move(fact));
    }
  }

  void decision_facts(std::vector<std::string>& out) const {
    const StepRecord& s = step();
    for (const TraceState::Row& row : state_.rows()) {
      std::string fact = id(row.request) + " computes " + tokens(row.count) + " from position " + std::to_string(row.first);
      if (row.padding > 0) fact += " and " + std::to_string(row.padding) + " of padding";
      out.push_back(std::move(fact));
    }
    std::string order = "the rows stand in the order";
    for (const TraceState::Row& row : state_.rows()) order += " " + id(row.request);
    out.push_back(std::move(order));
    for (const StepRecord::Admission& a : s.admitted) {
      out.push_back(id(a.request) + " is admitted, with " + tokens(a.hit_tokens) + " found in the prefix cache");
    }
    for (const StepRecord::Preemption& p : s.preempted) {
      out.push_back(id(p.victim) + " is preempted for " + id(p.beneficiary) + ", which " + in_words(p.reason) + "; frees " +
                    std::to_string(p.freed_blocks));
    }
    for (const StepRecord::Refusal& r : s.refused) out.push_back(refused(r.request) + ": " + in_words(r.reason));
    for (const StepRecord::RefusalEnd& r : s.refused_until) {
      out.push_back(id(r.request) + ", refused since step " + std::to_string(r.since) + ", no longer " + in_words(r.reason));
    }
    for (const StepRecord::Finish& f : s.done) out.push_back(id(f.request) + " is done: " + name_of(f.reason));
    for (const StepRecord::Finish& f : s.finished) out.push_back(id(f.request) + " leaves: " + name_of(f.reason));
    if (!s.tokens.empty()) out.push_back("sampled tokens:" + list(s.tokens));
  }

  void block_facts(std::vector<std::string>& out) const {
    const StepRecord& s = step();
    for (const StepRecord::Admission& a : s.admitted) out.push_back(id(a.request) + " has blocks" + list(s.ids(a.blocks)));
    for (const StepRecord::Blocks& b : s.grown) out.push_back(id(b.request) + " gets blocks" + list(s.ids(b.blocks)));
    for (const StepRecord::Blocks& b : s.moved) out.push_back(id(b.request) + " moves to blocks" + list(s.ids(b.blocks)));
    if (!s.unfindable.empty()) out.push_back("blocks that can no longer be found:" + list(s.unfindable));
    if (!s.findable.empty()) out.push_back("blocks that can be found although nothing fills them:" + list(s.findable));
  }

  void time_facts(std::vector<std::string>& out) const {
    const StepRecord& s = step();
    out.push_back("the step starts at " + time_in_words(s.start));
    out.push_back("the step takes " + time_in_words(s.duration) + ", until " + time_in_words(s.end));
    const StepParts& p = s.parts;
    out.push_back("its parts are gemm " + time_in_words(p.gemm) + ", attention " + time_in_words(p.attention) +
                  ", elementwise " + time_in_words(p.elementwise) + ", head " + time_in_words(p.head) + ", communication " +
                  time_in_words(p.communication) + ", host " + time_in_words(p.host));
    if (s.waited) {
      out.push_back(id(s.waited->request) + " holds the step back from " + time_in_words(s.waited->at) +
                    " on: " + in_words(s.waited->reason));
    }
  }

  TraceSource& source_;
  TraceState state_;
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

bool same_step(const StepRecord& a, const StepRecord& b, bool ignore_time) {
  if (!ignore_time) return a == b;
  StepRecord timeless = b;
  timeless.start = a.start;
  timeless.end = a.end;
  timeless.duration = a.duration;
  timeless.parts = a.parts;
  timeless.waited = a.waited;
  return a == timeless;
}

void append_lines(std::string& out, const std::string& title, const std::vector<std::string>& all) {
  constexpr std::size_t most = 12;
  if (all.empty()) return;
  out += "\n" + title + ":";
  for (std::size_t i = 0; i < std::min(all.size(), most); ++i) {
    constexpr std::size_t longest = 200;
    out += "\n  " + (all[i].size() > longest ? all[i].substr(0, longest) + " ..." : all[i]);
  }
  if (all.size() > most) out += "\n  and " + std::to_string(all.size() - most) + " more";
}

// Of `all`, what is not in `others`; in order.
std::vector<std::string> only_in(const std::vector<std::string>& all, std::vector<std::string> others) {
  std::sort(others.begin(), others.end());
  std::vector<std::string> out;
  for (const std::string& fact : all) {
    if (!std::binary_search(others.begin(), others.end(), fact)) out.push_back(fact);
  }
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

TraceDifference diff_traces(TraceSource& a, TraceSource& b, const TraceDiffOptions& options) {
  TraceDifference result;
  result.headers = header_differences(a.header(), b.header());
  Side left(a);
  Side right(b);
  while (true) {
    const Kind kind = left.advance();
    const Kind other = right.advance();
    const bool same_events = same_joins(left.joins, right.joins, options.ignore_time) &&
                             same_cancels(left.cancels, right.cancels, options.ignore_time);
    if (kind != Kind::step || other != Kind::step) {
      result.same = kind == other && same_events;
      if (result.same) {
        result.text = "the traces are the same: " + std::to_string(result.steps) + " steps" +
                      (options.ignore_time ? ", times ignored" : "");
        return result;
      }
      const auto end = [](const Side& side, Kind k) {
        return side.name() +
               (k == Kind::step ? " goes on with step " + std::to_string(side.step().step) : " " + side.ending(k));
      };
      result.text = "after " + std::to_string(result.steps) + " steps " + end(left, kind) + " and " + end(right, other);
      return result;
    }
    // Joins are equal so far, so a number names the same request on both sides.
    if (same_events && same_step(left.step(), right.step(), options.ignore_time)) {
      ++result.steps;
      continue;
    }
    const std::vector<std::string> left_facts = left.facts(options);
    const std::vector<std::string> right_facts = right.facts(options);
    result.same = false;
    const auto place = [](const Side& side) {
      return "step " + std::to_string(side.step().step) + " of " + side.name() + " at " + time_in_words(side.step().start);
    };
    result.text =
        "the traces part after " + std::to_string(result.steps) + " common steps, in " + place(left) + " and " + place(right);
    const std::vector<std::string> only_left = only_in(left_facts, right_facts);
    const std::vector<std::string> only_right = only_in(right_facts, left_facts);
    append_lines(result.text, "only in " + left.name(), only_left);
    append_lines(result.text, "only in " + right.name(), only_right);
    if (only_left.empty() && only_right.empty()) {
      result.text += "\nthe requests that join or end before it stand in another order or ask for other things";
    }
    append_lines(result.text, "refused in " + left.name(), left.standing());
    append_lines(result.text, "refused in " + right.name(), right.standing());
    return result;
  }
}

}  // namespace tokenyard
