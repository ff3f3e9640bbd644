#include "sim/measured_run.h"

#include <algorithm>
#include <cmath>

#include "core/base/json_reader.h"
#include "core/base/text_file.h"
#include "sim/workload.h"

namespace tokenyard {
namespace {

constexpr double kMostClockSeconds = 4e9;  // of any clock in use

TimeNs clock_time(double s) { return static_cast<TimeNs>(std::floor(s * 1e9 + 0.5)); }

}  // namespace

MeasuredRequest read_measured_request(std::string_view line, const std::string& place) {
  JsonObject object = JsonValue::parse(line, place).object();
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

MeasuredRun read_measured_run(const std::string& path) {
  LineReader reader(path);
  MeasuredRun run;
  TimeNs first = kNever, last = 0;
  std::string_view line;
  while (reader.next(line)) {
    if (line.empty()) continue;
    const MeasuredRequest r = read_measured_request(line, path + ": line " + std::to_string(reader.line()));
    ++run.requests;
    run.output_tokens += r.output_tokens;
    run.ttft.add(r.first_token - r.queued);
    run.e2el.add(r.last_token - r.queued);
    if (r.output_tokens > 1) run.tpot.add((r.last_token - r.first_token) / (r.output_tokens - 1));
    first = std::min(first, r.queued);
    last = std::max(last, r.last_token);
  }
  if (run.requests == 0) throw InputError(path + ": expected one request a line, found none");
  run.duration = last - first;
  return run;
}

}  // namespace tokenyard
