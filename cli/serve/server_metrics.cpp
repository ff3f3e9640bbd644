#include "cli/serve/server_metrics.h"

#include <algorithm>
#include <iterator>

#include "core/base/json_text.h"
#include "core/metrics.h"
#include "core/policy.h"
#include "core/scheduler.h"

namespace tokenyard::serve {
namespace {

// vLLM's edges.
const std::vector<double> kTtft = {0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1,  0.25,  0.5,   0.75,
                                   1.0,   2.5,   5.0,  7.5,  10.0, 20.0, 40.0, 80.0, 160.0, 640.0, 2560.0};
const std::vector<double> kGap = {0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2,  0.3,  0.4, 0.5,
                                  0.75, 1.0,   2.5,  5.0,   7.5, 10.0, 20.0, 40.0, 80.0};
const std::vector<double> kRequest = {0.3,  0.5,  0.8,  1.0,  1.5,   2.0,   2.5,   5.0,   10.0,   15.0,  20.0,
                                      30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 7680.0};
const std::vector<double> kTokens = {1,    2,    5,     10,    20,    50,     100,    200,    500,    1000,
                                     2000, 5000, 10000, 20000, 50000, 100000, 200000, 500000, 1000000};
const std::vector<double> kStepTokens = {1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384};

double seconds(TimeNs time) { return static_cast<double>(time) / 1e9; }

void append_head(std::string& out, const char* name, const char* help, const char* type) {
  out += std::string("# HELP ") + name + ' ' + help + "\n# TYPE " + name + ' ' + type + '\n';
}

template <typename Value>
void append_one(std::string& out, const char* name, const char* help, const char* type, const std::string& labels,
                Value value) {
  append_head(out, name, help, type);
  out += std::string(name) + '{' + labels + "} ";
  if constexpr (std::is_floating_point_v<Value>) {
    append_double(out, value);
  } else {
    append_int(out, value);
  }
  out += '\n';
}

}  // namespace

void Histogram::add(double value) {
  const auto edge = std::lower_bound(edges_.begin(), edges_.end(), value);
  ++counts_[static_cast<std::size_t>(edge - edges_.begin())];
  sum_ += value;
}

void Histogram::append(std::string& out, const char* name, const char* help, const std::string& labels) const {
  append_head(out, name, help, "histogram");
  std::int64_t total = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    total += counts_[i];
    out += std::string(name) + "_bucket{" + labels + ",le=\"";
    if (i < edges_.size()) {
      append_double(out, edges_[i]);
    } else {
      out += "+Inf";
    }
    out += "\"} ";
    append_int(out, total);
    out += '\n';
  }
  out += std::string(name) + "_sum{" + labels + "} ";
  append_double(out, sum_);
  out += '\n' + std::string(name) + "_count{" + labels + "} ";
  append_int(out, total);
  out += '\n';
}

ServerMetrics::ServerMetrics(const std::string& model_name)
    : ttft_(kTtft),
      itl_(kGap),
      tpot_(kGap),
      e2e_(kRequest),
      queue_(kRequest),
      inference_(kRequest),
      prefill_(kRequest),
      decode_(kRequest),
      prompt_length_(kTokens),
      output_length_(kTokens),
      step_tokens_(kStepTokens) {
  labels_ = "engine=\"0\",model_name=";
  append_json_string(labels_, model_name);  // which escapes what a label must
}

void ServerMetrics::on_commit(const StepOutcome& outcome) {
  const std::lock_guard lock(mutex_);
  const StepPlan& plan = outcome.plan;
  for (const Admission& admission : plan.admissions) {
    if (admission.resumed) continue;
    prefix_queries_ += admission.request->num_prompt;
    prefix_hits_ += admission.hit_tokens;
    if (admission.request->left) continue;
    admitted_[admission.request] = outcome.start;
    queue_.add(seconds(outcome.start - admission.request->spec.arrival));
  }
  preemptions_ += static_cast<std::int64_t>(plan.preemptions.size());
  step_tokens_.add(static_cast<double>(plan.num_tokens()));
  const bool streaming = streams(outcome.scheduler.config());
  for (const Row& row : plan.rows) {
    const Request& request = *row.request;
    if (!row.sample || request.left) continue;
    ++generation_tokens_;
    if (!streaming) continue;
    if (request.last_token_at >= 0) {
      itl_.add(seconds(outcome.end - request.last_token_at));
    } else {
      ttft_.add(seconds(outcome.end - request.spec.arrival));
      prompt_tokens_ += request.num_prompt;
    }
  }
}

void ServerMetrics::on_leave(const Request& request, const std::string& /*why*/) {
  const std::lock_guard lock(mutex_);
  TimeNs admitted = request.spec.arrival;
  if (const auto found = admitted_.find(&request); found != admitted_.end()) {
    admitted = found->second;
    admitted_.erase(found);
  }
  switch (request.finish_reason) {
    case FinishReason::refused: return;
    case FinishReason::cancelled: ++aborted_; return;
    case FinishReason::error: ++failed_; return;
    case FinishReason::stop: ++stopped_; break;
    default: ++length_; break;
  }
  const RequestLatency latency =
      request_latency(request.spec.arrival, request.first_token_at, request.last_token_at, request.num_output());
  e2e_.add(seconds(latency.e2el));
  if (latency.tpot) tpot_.add(seconds(*latency.tpot));
  prefill_.add(seconds(request.first_token_at - admitted));
  decode_.add(seconds(request.last_token_at - request.first_token_at));
  inference_.add(seconds(request.last_token_at - admitted));
  prompt_length_.add(request.num_prompt);
  output_length_.add(request.num_output());
}

std::int64_t ServerMetrics::generated_tokens() const {
  const std::lock_guard lock(mutex_);
  return generation_tokens_;
}

std::string ServerMetrics::text(const Gauges& now) const {
  const std::lock_guard lock(mutex_);
  std::string out;
  const auto gauge = [&](const char* name, const char* help, auto value) {
    append_one(out, name, help, "gauge", labels_, value);
  };
  const auto counter = [&](const char* name, const char* help, std::int64_t value) {
    append_one(out, name, help, "counter", labels_, value);
  };
  gauge("vllm:num_requests_running", "Requests in the running batch.", now.running);
  gauge("vllm:num_requests_waiting", "Requests in the queue.", now.waiting);
  gauge("vllm:kv_cache_usage_perc", "Share of the KV blocks in use; 1 is all of them.", now.kv_use);
  counter("vllm:prefix_cache_queries_total", "Prompt tokens looked up in the prefix cache.", prefix_queries_);
  counter("vllm:prefix_cache_hits_total", "Prompt tokens found in the prefix cache.", prefix_hits_);
  counter("vllm:num_preemptions_total", "Preemptions.", preemptions_);
  counter("vllm:prompt_tokens_total", "Prompt tokens processed.", prompt_tokens_);
  counter("vllm:generation_tokens_total", "Tokens generated.", generation_tokens_);
  append_head(out, "vllm:request_success_total", "Requests that have ended.", "counter");
  const auto ended = [&](const char* reason, std::int64_t count) {
    out += "vllm:request_success_total{" + labels_ + ",finished_reason=\"" + reason + "\"} ";
    append_int(out, count);
    out += '\n';
  };
  ended("stop", stopped_);
  ended("length", length_);
  ended("abort", aborted_);
  ended("error", failed_);
  const auto histogram = [&](const Histogram& of, const char* name, const char* help) { of.append(out, name, help, labels_); };
  histogram(ttft_, "vllm:time_to_first_token_seconds", "From a request's arrival to its first token.");
  histogram(itl_, "vllm:inter_token_latency_seconds", "Between two tokens of a request.");
  histogram(tpot_, "vllm:request_time_per_output_token_seconds", "Mean of a request between two of its tokens.");
  histogram(e2e_, "vllm:e2e_request_latency_seconds", "From a request's arrival to its last token.");
  histogram(queue_, "vllm:request_queue_time_seconds", "In the queue.");
  histogram(inference_, "vllm:request_inference_time_seconds", "From admission to the last token.");
  histogram(prefill_, "vllm:request_prefill_time_seconds", "From admission to the first token.");
  histogram(decode_, "vllm:request_decode_time_seconds", "From the first to the last token.");
  histogram(prompt_length_, "vllm:request_prompt_tokens", "Prompt tokens of a request.");
  histogram(output_length_, "vllm:request_generation_tokens", "Tokens generated for a request.");
  histogram(step_tokens_, "vllm:iteration_tokens_total", "Tokens computed in a step.");
  return out;
}

}  // namespace tokenyard::serve
