#include "sim/capacity.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/base/input_error.h"
#include "sim/result_values.h"
#include "sim/scenario.h"

namespace tokenyard {
namespace {

constexpr int kMostDoublings = 20;

Goal parse_goal(const std::string& word) {
  const auto fail = [&] {
    throw InputError("--slo: expected {ttft,tpot,itl,e2el}_{mean,median,p90,p95,p99}=NUMBER{us,ms,s}, found \"" + word + "\"");
  };
  const std::size_t equals = word.find('=');
  const std::size_t bar = word.find('_');
  if (equals == std::string::npos || bar == std::string::npos || bar > equals) fail();
  Goal goal;
  goal.metric = word.substr(bar + 1, equals - bar - 1) + "_" + word.substr(0, bar) + "_ms";
  const std::vector<std::string> names = result_names();
  if (goal.metric.starts_with("std") || std::find(names.begin(), names.end(), goal.metric) == names.end()) fail();
  const char* end = word.data() + word.size();
  const auto [unit, error] = std::from_chars(word.data() + equals + 1, end, goal.limit);
  const std::string unit_text(unit, end);
  const double in_ms = unit_text == "us" ? 1e-3 : unit_text == "ms" ? 1 : unit_text == "s" ? 1e3 : 0;
  goal.limit *= in_ms;
  if (error != std::errc{} || in_ms == 0 || !std::isfinite(goal.limit) || goal.limit <= 0) fail();
  return goal;
}

}  // namespace

std::vector<Goal> parse_goals(const std::string& text) {
  std::vector<Goal> goals;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    goals.push_back(parse_goal(text.substr(begin, end - begin)));
    begin = end + 1;
  }
  return goals;
}

Probe make_probe(double rate_scale, const Metrics& metrics, const std::vector<Goal>& goals) {
  const std::vector<ResultValue> values = result_values(metrics);
  const auto value = [&](const std::string& name) {
    return std::find_if(values.begin(), values.end(), [&](const ResultValue& v) { return v.name == name; })->value;
  };
  Probe probe;
  probe.rate_scale = rate_scale;
  probe.rate = value("request_rate");
  const std::int64_t lost = metrics.cancelled + metrics.failed + metrics.out_of_kv;
  probe.lost = metrics.joined > 0 ? static_cast<double>(lost) / static_cast<double>(metrics.joined) : 0;
  probe.met = probe.lost <= kMostLost;
  for (const Goal& goal : goals) {
    probe.values.push_back(value(goal.metric));
    if (!(probe.values.back() <= goal.limit)) probe.met = false;
  }
  return probe;
}

Capacity find_capacity(const std::function<Probe(double)>& run, double start, double precision) {
  Capacity out;
  double scale = start;
  for (int i = 0; i <= kMostDoublings && scale >= kLeastRateScale && scale <= kMostRateScale; ++i) {
    Probe probe = run(scale);
    (probe.met ? out.met : out.missed) = std::move(probe);
    if (out.met && out.missed) break;
    scale *= out.met ? 2 : 0.5;
  }
  if (!out.met || !out.missed) return out;
  while (out.missed->rate_scale / out.met->rate_scale - 1 > precision) {
    Probe probe = run((out.met->rate_scale + out.missed->rate_scale) / 2);
    (probe.met ? out.met : out.missed) = std::move(probe);
  }
  return out;
}

}  // namespace tokenyard
