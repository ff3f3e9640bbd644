#include "sim/result_values.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

namespace tokenyard {
namespace {

constexpr double kMs = 1e6;
constexpr double kSecond = 1e9;

double per_second(double amount, const Metrics& m) {
  return m.duration() > 0 ? amount / (static_cast<double>(m.duration()) / kSecond) : 0;
}

double share(std::int64_t part, std::int64_t whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0;
}

// Of an open-loop client: gaps between arrivals, not between requests and the run's end.
double arrival_rate(const Metrics& m) {
  const TimeNs span = m.joined > 1 ? m.last_arrival - m.first_arrival : 0;
  return span > 0 ? static_cast<double>(m.joined - 1) / (static_cast<double>(span) / kSecond) : 0;
}

}  // namespace

std::vector<ResultValue> result_values(const Metrics& m) {
  std::vector<ResultValue> out;
  const auto count = [&](const char* name, std::int64_t value) { out.push_back({name, static_cast<double>(value), true}); };
  const auto real = [&](std::string name, double value) { out.push_back({std::move(name), value, false}); };

  count("num_prompts", m.joined);
  real("request_rate", arrival_rate(m));
  real("duration", static_cast<double>(m.duration()) / kSecond);
  count("completed", m.completed);
  count("failed", m.refused + m.failed + m.cancelled);
  count("total_input_tokens", m.input_tokens);
  count("total_output_tokens", m.output_tokens);
  real("request_throughput", per_second(static_cast<double>(m.completed), m));
  real("request_goodput",
       m.slo().any() ? per_second(static_cast<double>(m.good), m) : std::numeric_limits<double>::quiet_NaN());
  real("output_throughput", per_second(static_cast<double>(m.output_tokens), m));
  real("total_token_throughput", per_second(static_cast<double>(m.input_tokens + m.output_tokens), m));
  count("max_output_tokens_per_s", m.max_output_tokens_per_s);
  count("max_concurrent_requests", m.max_live);
  const std::pair<const char*, const Distribution*> latencies[] = {
      {"ttft", &m.ttft}, {"tpot", &m.tpot}, {"itl", &m.itl}, {"e2el", &m.e2el}};
  for (const auto& [key, values] : latencies) {
    const std::string suffix = std::string("_") + key + "_ms";
    real("mean" + suffix, values->mean() / kMs);
    real("median" + suffix, values->percentile(50) / kMs);
    real("std" + suffix, values->std_dev() / kMs);
    for (const int p : {90, 95, 99}) real("p" + std::to_string(p) + suffix, values->percentile(p) / kMs);
  }
  count("steps", m.steps);
  count("computed_tokens", m.computed_tokens);
  real("mean_batch_size", m.batch_size.mean());
  real("max_batch_size", m.batch_size.percentile(100));
  real("mean_step_tokens", m.step_tokens.mean());
  count("preemptions", m.preemptions);
  real("prefix_cache_hit_rate", share(m.prefix_hits, m.prefix_queries));
  real("busy", share(m.busy, m.duration()));
  count("refused", m.refused);
  count("cancelled", m.cancelled);
  count("kv_capacity", m.out_of_kv);
  const auto shares = m.memory_shares();
  for (std::size_t i = 0; i < shares.size(); ++i) {
    real(std::string("kv_slots.") + kMemoryClasses[i], shares[i]);
  }
  return out;
}

std::vector<std::string> result_names() {
  std::vector<std::string> names;
  for (ResultValue& value : result_values(Metrics{})) names.push_back(std::move(value.name));
  return names;
}

std::string result_text(const ResultValue& value) {
  if (std::isnan(value.value)) return "";
  return value.integer ? fmt::format("{}", static_cast<std::int64_t>(value.value)) : fmt::format("{}", value.value);
}

}  // namespace tokenyard
