// Workloads: what a scenario file says about the requests to come, and the sources made from it.
//
// A source is deterministic: the same workload, seed and engine give the same requests. Sources stream; their memory follows
// the live requests, except for explicitly listed ones.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/engine.h"

namespace tokenyard {

class Json;
class JsonValue;

// Names texts, so that no two sources name two texts alike: 6 bits of source, 2 of kind, 44 of number; below 2^52, where the
// engine's own names for outputs begin.
enum class TextKind : std::int64_t { own = 0, shared = 1 };
inline constexpr std::int64_t kMostTexts = std::int64_t{1} << 44;  // numbers of one source and kind
inline constexpr std::int32_t kMostWorkloads = 26;
inline constexpr std::int32_t kScenarioTexts = 63;                        // "source" of the texts a scenario file names
inline constexpr std::int32_t kMostPromptTokens = std::int32_t{1} << 30;  // of one request
constexpr ContentId text_name(std::int32_t source, TextKind kind, std::int64_t number) {
  return std::int64_t{source} << 46 | static_cast<std::int64_t>(kind) << 44 | number;
}

// Texts that a scenario names; one name is one text in all its workloads.
class TextNames {
 public:
  ContentId operator[](const std::string& name) {
    const auto number = static_cast<std::int64_t>(numbers_.size());
    return text_name(kScenarioTexts, TextKind::shared, numbers_.emplace(name, number).first->second);
  }

 private:
  std::map<std::string, std::int64_t> numbers_;
};

struct SourceSeat {
  std::int32_t index = 0;  // among the scenario's workloads
  std::string prefix;      // of its request ids
  std::uint64_t seed = 0;
  double rate_scale = 1;  // sessions and recorded requests come this many times as fast; > 0
};

// How many requests, of generated traffic sessions, are under way at once: in a closed loop the next one starts when one ends,
// not before its time. Most published measurements are taken so.
class ClosedLoop {
 public:
  // 0: an open loop, everything starts at its time. A workload's "concurrency".
  explicit ClosedLoop(std::int32_t concurrency) : concurrency_(concurrency) {}

  // When what was meant for `time` starts; kNever: not before something ends.
  TimeNs start(TimeNs time) const {
    if (concurrency_ == 0 || time == kNever) return time;
    return under_way_ < concurrency_ ? std::max(time, freed_at_) : kNever;
  }
  void polled(TimeNs now) { now_ = now; }
  void begin() { ++under_way_; }
  // `request` has left, with its last token or by what was polled last.
  void end(const Request& request) {
    --under_way_;
    freed_at_ = std::max({freed_at_, now_, request.last_token_at});
  }

 private:
  std::int32_t concurrency_;
  std::int64_t under_way_ = 0;
  TimeNs freed_at_ = 0;
  TimeNs now_ = 0;
};

inline constexpr std::int32_t kMostConcurrency = 1'000'000;  // what starts at once is in memory at once

class Workload {
 public:
  virtual ~Workload() = default;
  virtual std::unique_ptr<RequestSource> source(const SourceSeat& seat) const = 0;
  // What to know of where its numbers come from: stands beside results. Empty: nothing.
  virtual std::string note() const { return ""; }
  // Whether its times are those at which an engine queued the requests, rather than those at which clients sent them.
  virtual bool at_engine() const { return false; }
};

// Reads {"type": "requests" | "generate" | a type of recorded traffic, ...}. Files are named relative to `directory`;
// they are opened here, so that a missing one is found at once. Throws InputError.
std::shared_ptr<const Workload> read_workload(const JsonValue& json, const std::string& directory, TextNames& texts);

// The sources of all `workloads`, mixed by time; ids get a letter in front when there are several.
// REQUIRES: 1 <= workloads.size() <= kMostWorkloads.
std::unique_ptr<RequestSource> mix_sources(const std::vector<std::shared_ptr<const Workload>>& workloads, std::uint64_t seed,
                                           double rate_scale = 1);

// What clients send at a time, the engine behind its front end sees `later`. Arrivals stay the clients'.
std::unique_ptr<RequestSource> behind_front_end(std::unique_ptr<RequestSource> source, TimeNs later);

// `time` when everything happens `rate_scale` times as fast.
TimeNs scaled_arrival(TimeNs time, double rate_scale);

// One kind each.
std::shared_ptr<const Workload> read_requests_workload(const JsonValue& json, TextNames& texts);
// The same, from values: ids, arrivals, prompts by their token ids, max_tokens and priorities.
Json listed_requests(const std::vector<RequestSpec>& requests);
std::shared_ptr<const Workload> read_recorded_workload(const JsonValue& json, const std::string& directory);
std::shared_ptr<const Workload> read_generate_workload(const JsonValue& json, TextNames& texts);

// Recorded traffic, kind by kind (the table is in workload_files.cpp): the "type" of each; the type of a file by its first
// line or first object, empty when it is none; and for messages the kinds with the fields they are known by.
std::vector<std::string> recorded_types();
std::string recorded_type(std::string_view first_line);
std::string recorded_type_of(const Json& first_object);
std::string recorded_kinds();

// Texts without lengths are counted by the tokenizer of a model's folder. The simulator knows none: a program that has
// tokenizers says, once, before it reads scenarios, how to load one. `load` throws InputError. Counting is thread-safe across
// counters.
using TokenCounter = std::function<std::int32_t(std::string_view text)>;
void set_tokenizers(std::function<TokenCounter(const std::string& folder)> load);

// `path` as seen from `directory`.
std::string file_beside(const std::string& directory, const std::string& path);

}  // namespace tokenyard
