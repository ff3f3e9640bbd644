// Requests listed one by one:
//   {"type": "requests", "requests": [{"id": "a", "arrival_ms": 0, "prompt_tokens": 100, "max_tokens": 20}, ...]}
// "concurrency": n makes it a closed loop.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <string_view>
#include <tuple>
#include <unordered_set>
#include <utility>
#include <vector>

#include "core/base/json_reader.h"
#include "sim/workload.h"

namespace tokenyard {
namespace {

constexpr std::int32_t kMostInt = std::numeric_limits<std::int32_t>::max();
constexpr double kMostMs = 1e12;  // 31 years

TimeNs from_ms(double ms) { return static_cast<TimeNs>(std::floor(ms * 1e6 + 0.5)); }

struct Listed {
  RequestSpec spec;  // its own texts named as of source 0
  TimeNs cancel_at = kNever;
  std::int64_t cancel_step = -1;
};

// What happens to request `index`, ordered by when. At one moment joins come before cancels; before one step cancels come
// first, as in the peers' recordings.
struct Entry {
  std::int64_t when;
  int rank;
  std::size_t index;
  bool cancel;
  friend bool operator<(const Entry& a, const Entry& b) {
    return std::tie(a.when, a.rank, a.index) < std::tie(b.when, b.rank, b.index);
  }
};

class ListedSource final : public RequestSource {
 public:
  ListedSource(std::shared_ptr<const std::vector<Listed>> requests, std::int32_t concurrency, const SourceSeat& seat)
      : requests_(std::move(requests)), seat_(seat), loop_(concurrency) {
    for (std::size_t i = 0; i < requests_->size(); ++i) {
      const Listed& request = (*requests_)[i];
      if (request.spec.arrival_step >= 0) {
        by_step_.push_back({request.spec.arrival_step, 1, i, false});
      } else {
        by_time_.push_back({scaled_arrival(request.spec.arrival, seat.rate_scale), 0, i, false});
      }
      if (request.cancel_at != kNever) by_time_.push_back({scaled_arrival(request.cancel_at, seat.rate_scale), 1, i, true});
      if (request.cancel_step >= 0) by_step_.push_back({request.cancel_step, 0, i, true});
    }
    std::sort(by_time_.begin(), by_time_.end());
    std::sort(by_step_.begin(), by_step_.end());
  }

  void poll(TimeNs now, std::int64_t step, std::vector<SourceEvent>& due) override {
    loop_.polled(now);
    for (TimeNs time = next_time(); time <= now; time = next_time()) emit(by_time_[next_by_time_++], time, due);
    while (next_step() >= 0 && next_step() <= step) emit(by_step_[next_by_step_++], now, due);
  }
  TimeNs next_time() const override {
    return next_by_time_ < by_time_.size() ? loop_.start(by_time_[next_by_time_].when) : kNever;
  }
  std::int64_t next_step() const override { return next_by_step_ < by_step_.size() ? by_step_[next_by_step_].when : -1; }
  void on_end(const Request& request) override { loop_.end(request); }

 private:
  void emit(const Entry& entry, TimeNs time, std::vector<SourceEvent>& due) {
    SourceEvent event;
    const RequestSpec& listed = (*requests_)[entry.index].spec;
    if (entry.cancel) {
      event.kind = SourceEvent::Kind::cancel;
      event.cancel_id = seat_.prefix + listed.id;
    } else {
      loop_.begin();
      event.spec = listed;
      event.spec.id = seat_.prefix + listed.id;
      event.spec.arrival = time;
      if (seat_.index > 0) event.spec.prompt = renamed(listed.prompt);
    }
    due.push_back(std::move(event));
  }

  TokenSequence renamed(const TokenSequence& prompt) const {
    TokenSequence out;
    for (const TokenSpan& span : prompt.spans()) {
      if (span.content == kNoContent) {
        out.append(prompt.stored().subspan(static_cast<std::size_t>(span.offset), static_cast<std::size_t>(span.length)));
      } else {
        const bool own = span.content < text_name(1, TextKind::own, 0);
        out.append(own ? text_name(seat_.index, TextKind::own, span.content) : span.content, span.offset, span.length);
      }
    }
    return out;
  }

  std::shared_ptr<const std::vector<Listed>> requests_;
  SourceSeat seat_;
  ClosedLoop loop_;
  std::vector<Entry> by_time_, by_step_;
  std::size_t next_by_time_ = 0, next_by_step_ = 0;
};

class ListedWorkload final : public Workload {
 public:
  ListedWorkload(std::vector<Listed> requests, std::int32_t concurrency)
      : requests_(std::make_shared<const std::vector<Listed>>(std::move(requests))), concurrency_(concurrency) {}
  std::unique_ptr<RequestSource> source(const SourceSeat& seat) const override {
    return std::make_unique<ListedSource>(requests_, concurrency_, seat);
  }

 private:
  std::shared_ptr<const std::vector<Listed>> requests_;
  std::int32_t concurrency_;
};

// An array of token ids, or of pieces {"ids": [...]}, {"text": "name", "tokens": n} (shared by all who name it) and
// {"tokens": n} (this request's own).
TokenSequence read_prompt(const JsonValue& json, std::int64_t number, TextNames& texts) {
  TokenSequence prompt;
  if (json.is_array() && (json.size() == 0 || !json.json().array().front().is_object())) {
    prompt.append(json.int32s(0, kMostInt));
    return prompt;
  }
  std::int32_t own = 0;
  for (const JsonValue& piece : json.array()) {
    JsonObject object = piece.object();
    const std::int32_t room = kMostPromptTokens - prompt.size();
    if (const auto ids = object.find("ids")) {
      prompt.append(ids->int32s(0, kMostInt));
    } else {
      const std::int32_t tokens = object.at("tokens").int32(0, room);
      if (const auto name = object.find("text")) {
        prompt.append(texts[name->string()], 0, tokens);
      } else {
        prompt.append(text_name(0, TextKind::own, number), own, tokens);
        own += tokens;
      }
    }
    object.done();
  }
  return prompt;
}

// The first request with an id that one before it has; their number if there is none. Sorted by hash, because a set of a
// million takes several times as long: each insertion waits for memory.
std::size_t first_repeated(const std::vector<Listed>& requests) {
  std::vector<std::pair<std::size_t, std::size_t>> by_hash;
  by_hash.reserve(requests.size());
  for (std::size_t i = 0; i < requests.size(); ++i) by_hash.emplace_back(std::hash<std::string>()(requests[i].spec.id), i);
  std::sort(by_hash.begin(), by_hash.end());
  std::size_t first = requests.size();
  for (std::size_t begin = 0, end = 0; begin < by_hash.size(); begin = end) {
    std::unordered_set<std::string_view> equal;  // hashes, hardly ever more than one id
    for (end = begin; end < by_hash.size() && by_hash[end].first == by_hash[begin].first; ++end) {
      const bool alone = end == begin && (end + 1 == by_hash.size() || by_hash[end + 1].first != by_hash[begin].first);
      if (!alone && !equal.insert(requests[by_hash[end].second].spec.id).second) first = std::min(first, by_hash[end].second);
    }
  }
  return first;
}

Json arrival_ms(TimeNs time) {
  constexpr TimeNs ms = 1'000'000;
  return time % ms == 0 ? Json(time / ms) : Json(static_cast<double>(time) / static_cast<double>(ms));
}

Listed read_request(const JsonValue& json, std::int64_t number, TextNames& texts) {
  JsonObject object = json.object();
  Listed out;
  RequestSpec& spec = out.spec;
  spec.id = object.at("id").string();
  if (spec.id.empty() || spec.id.size() > 200) object.at("id").expected("a string of 1 to 200 bytes");
  if (const auto step = object.find("arrival_step")) {
    spec.arrival_step = step->integer(0, std::int64_t{1} << 53);
    if (const auto ms = object.find("arrival_ms")) ms->fail("expected arrival_ms or arrival_step, found both");
  } else if (const auto ms = object.find("arrival_ms")) {
    spec.arrival = from_ms(ms->number(0, kMostMs));
  }
  const auto prompt = object.find("prompt");
  const auto prompt_tokens = object.find("prompt_tokens");
  if (prompt.has_value() == prompt_tokens.has_value()) json.fail("expected one of prompt and prompt_tokens");
  if (prompt) {
    spec.prompt = read_prompt(*prompt, number, texts);
  } else {
    spec.prompt.append(text_name(0, TextKind::own, number), 0, prompt_tokens->int32(0, kMostPromptTokens));
  }
  // What no engine can serve is refused there, with its reason, and belongs into the trace.
  if (const auto v = object.find("max_tokens")) spec.max_tokens = v->int32(-kMostInt, kMostInt);
  if (const auto v = object.find("min_tokens")) spec.min_tokens = v->int32(0, kMostInt);
  if (const auto v = object.find("output_tokens")) spec.output_tokens = v->int32(0, kMostInt);
  if (const auto v = object.find("priority")) spec.priority = v->int32(-kMostInt, kMostInt);
  if (const auto v = object.find("ignore_eos")) spec.ignore_eos = v->boolean();
  if (const auto v = object.find("stop_token_ids")) spec.stop_token_ids = v->int32s(0, kMostInt);
  if (const auto v = object.find("outputs")) spec.scripted_output = v->int32s(0, kMostInt);
  if (const auto v = object.find("output_text")) spec.output_content = texts[v->string()];
  if (const auto v = object.find("cancel_ms")) out.cancel_at = from_ms(v->number(0, kMostMs));
  if (const auto v = object.find("cancel_step")) out.cancel_step = v->integer(0, std::int64_t{1} << 53);
  // Before a step cancels come first, so that one of the step of the arrival would find no request.
  const bool by_step = spec.arrival_step >= 0;
  if (!by_step && out.cancel_at < spec.arrival) object.at("cancel_ms").expected("a time not before the request's arrival_ms");
  if (by_step && out.cancel_step >= 0 && out.cancel_step <= spec.arrival_step)
    object.at("cancel_step").expected("a step after the request's arrival_step");
  object.done();
  return out;
}

}  // namespace

Json listed_requests(const std::vector<RequestSpec>& requests) {
  Json::Array list;
  list.reserve(requests.size());
  for (const RequestSpec& spec : requests) {
    list.push_back(Json::Object{{"id", spec.id},
                                {"arrival_ms", arrival_ms(spec.arrival)},
                                {"prompt", Json::list(spec.prompt.stored())},
                                {"max_tokens", spec.max_tokens},
                                {"priority", spec.priority}});
  }
  return Json::Object{{"type", "requests"}, {"requests", std::move(list)}};
}

std::shared_ptr<const Workload> read_requests_workload(const JsonValue& json, TextNames& texts) {
  JsonObject object = json.object();
  object.at("type");
  std::int32_t concurrency = 0;
  if (const auto v = object.find("concurrency")) concurrency = v->int32(1, kMostConcurrency);
  std::vector<Listed> requests;
  const JsonValue list = object.at("requests");
  if (list.size() == 0) list.expected("an array of at least one request");
  requests.reserve(list.size());
  for (const JsonValue& entry : list.array()) {
    const Listed& request = requests.emplace_back(read_request(entry, static_cast<std::int64_t>(requests.size()), texts));
    const bool timed = request.spec.arrival_step >= 0 || request.cancel_step >= 0 || request.cancel_at != kNever;
    if (concurrency > 0 && timed) entry.fail("expected no arrival_step, cancel_ms or cancel_step beside a concurrency");
  }
  if (const std::size_t second = first_repeated(requests); second < requests.size()) {
    list.array()[second].object().at("id").expected("an id that no other request has");
  }
  object.done();
  return std::make_shared<ListedWorkload>(std::move(requests), concurrency);
}

}  // namespace tokenyard
