#include "sim/measured_run.h"

#include <algorithm>
#include <cmath>

#include "core/base/json_reader.h"
#include "sim/object_reader.h"
#include "sim/workload.h"

namespace tokenyard {
namespace {

constexpr double kMostClockSeconds = 4e9;  // of any clock in use

TimeNs clock_time(double s) { return static_cast<TimeNs>(std::floor(s * 1e9 + 0.5)); }

}  // namespace

MeasuredRequest read_measured_request(const JsonValue& json) {
  JsonObject object = json.object();
  MeasuredRequest r;
  r.id = object.at("request_id").string();
  r.input_tokens = object.at("input_toks").int32(1, kMostPromptTokens);
  r.output_tokens = object.at("output_toks").int32(1, kMostPromptTokens);
  const auto time = [&](const char* key, TimeNs least) {
    const JsonValue value = object.at(key);
    const TimeNs at = clock_time(value.number(0, kMostClockSeconds));
    if (at < least) value.fail(std::string("expected ") + key + " not before the time ahead of it, found an earlier one");
    return at;
  };
  r.queued = time("queued_ts", 0);
  r.first_token = time("first_token_ts", r.queued);
  r.last_token = time("last_token_ts", r.first_token);
  return r;
}

bool is_bench_result(const JsonValue& json) { return json.has("input_lens") && json.has("start_times"); }

bool is_bench_summary(const JsonValue& json) {
  return !is_bench_result(json) && json.has("output_throughput") && json.has("mean_ttft_ms");
}

std::vector<MeasuredRequest> read_bench_result(const JsonValue& json) {
  JsonObject object = json.object();
  const std::vector<std::int32_t> inputs = object.at("input_lens").int32s(0, kMostPromptTokens);
  const auto list = [&](const char* key) {
    JsonValue value = object.at(key);
    if (!value.is_array() || value.size() != inputs.size())
      value.expected("a list of " + std::to_string(inputs.size()) + " as input_lens is one");
    return value;
  };
  const std::vector<std::int32_t> outputs = list("output_lens").int32s(0, kMostPromptTokens);
  const std::vector<JsonValue> starts = list("start_times").array(), ttfts = list("ttfts").array(), itls = list("itls").array();
  std::vector<MeasuredRequest> requests(inputs.size());
  for (std::size_t i = 0; i < requests.size(); ++i) {
    MeasuredRequest& r = requests[i];
    r.id = std::to_string(i);
    r.input_tokens = inputs[i];
    r.output_tokens = outputs[i];
    r.queued = clock_time(starts[i].number(0, kMostClockSeconds));
    r.first_token = r.last_token = r.queued + clock_time(ttfts[i].number(0, kMostClockSeconds));
    for (const JsonValue& gap : itls[i].array()) {
      r.last_token += clock_time(gap.number(0, kMostClockSeconds));
      if (r.last_token > clock_time(2 * kMostClockSeconds))
        gap.fail("expected an answer within 127 years, found a later token");
    }
  }
  std::stable_sort(requests.begin(), requests.end(),
                   [](const MeasuredRequest& a, const MeasuredRequest& b) { return a.queued < b.queued; });
  return requests;
}

std::int32_t bench_concurrency(const JsonValue& json) {
  JsonObject object = json.object();
  const auto rate = object.find("request_rate");
  const auto most = object.find("max_concurrency");
  if (!most || most->is_null() || !rate || rate->json() != Json("inf")) return 0;
  return most->int32(1, kMostConcurrency);
}

MeasuredRun read_measured_run(const std::string& path) {
  ObjectReader reader(path);
  MeasuredRun run;
  TimeNs first = kNever, last = 0;
  const auto add = [&](const MeasuredRequest& r) {
    if (r.output_tokens == 0) return;
    ++run.requests;
    run.output_tokens += r.output_tokens;
    run.ttft.add(r.first_token - r.queued);
    run.e2el.add(r.last_token - r.queued);
    if (r.output_tokens > 1) run.tpot.add((r.last_token - r.first_token) / (r.output_tokens - 1));
    first = std::min(first, r.queued);
    last = std::max(last, r.last_token);
  };
  std::string text;
  while (reader.next(text)) {
    const JsonValue json = JsonValue::parse(text, path, reader.begin());
    if (is_bench_summary(json))
      throw InputError(path + ": expected lengths and times (--save-detailed), or --workload with what its clients sent");
    if (is_bench_result(json)) {
      for (const MeasuredRequest& r : read_bench_result(json)) add(r);
    } else {
      add(read_measured_request(json));
    }
  }
  if (run.requests == 0) throw InputError(path + ": expected one request a line, found none");
  run.duration = last - first;
  return run;
}

}  // namespace tokenyard
