// A run of a real vLLM server, request by request: JSON Lines with the names of vLLM's own request statistics.
//   {"request_id": "a", "input_toks": 100, "output_toks": 20, "queued_ts": 1.5, "first_token_ts": 1.6, "last_token_ts": 2.1}
// Times are seconds of one clock; other fields are passed over. docs/calibration.md.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/metrics.h"

namespace tokenyard {

class JsonValue;

struct MeasuredRequest {
  std::string id;
  std::int32_t input_tokens = 0, output_tokens = 0;
  TimeNs queued = 0, first_token = 0, last_token = 0;  // on the file's clock
};

// One such object. Throws InputError.
MeasuredRequest read_measured_request(const JsonValue& json);

// Whether this is what `vllm bench serve --save-result --save-detailed` wrote, and its requests in the order of their start.
// Its times are the client's: queued is when the request was sent. A request that failed has no output tokens. Throws
// InputError.
bool is_bench_result(const JsonValue& json);
std::vector<MeasuredRequest> read_bench_result(const JsonValue& json);
// Its --max-concurrency, when nothing else held its client back (--request-rate inf); else 0.
std::int32_t bench_concurrency(const JsonValue& json);

// The same without --save-detailed tells no lengths and times, only the figures that were printed.
bool is_bench_summary(const JsonValue& json);

// What the server's users saw; TTFT and E2EL count from the moment the engine had the request in its queue.
struct MeasuredRun {
  std::int64_t requests = 0;
  std::int64_t output_tokens = 0;
  TimeNs duration = 0;            // first request queued to last token
  Distribution ttft, tpot, e2el;  // nanoseconds
};

// Of a file of either kind; requests that failed are passed over. Throws InputError; a file without requests is one.
MeasuredRun read_measured_run(const std::string& path);

}  // namespace tokenyard
