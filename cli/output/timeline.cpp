#include "cli/output/timeline.h"

#include <algorithm>

#include "cli/output/plot.h"

namespace tokenyard::cli {
namespace {

constexpr std::size_t kMostBins = 600;  // about one for each two pixels of a slide

}  // namespace

void Timeline::add(const Engine& engine, const Metrics& metrics, TimeNs now) {
  const TimeNs begin = last_;
  last_ = now;
  // A wait leaves the pool as it is; what stays free stays free, nobody runs.
  const bool stepped = engine.num_steps() != steps_;
  steps_ = engine.num_steps();
  if (now <= begin) return;
  const MemoryUse& use = metrics.memory;
  std::array<double, kValues> values{};
  if (stepped) {
    values = {static_cast<double>(use.used),
              static_cast<double>(use.reserved),
              static_cast<double>(use.internal),
              static_cast<double>(use.external),
              static_cast<double>(use.free),
              static_cast<double>(engine.scheduler().running().size()),
              static_cast<double>(engine.scheduler().waiting().size())};
  } else {
    values[4] = static_cast<double>(engine.scheduler().blocks().capacity());
    values[6] = static_cast<double>(engine.scheduler().waiting().size());
  }
  while (now / width_ >= static_cast<TimeNs>(kMostBins)) {
    width_ *= 2;
    for (std::size_t i = 0; i < bins_.size(); ++i) {
      const Bin bin = bins_[i];
      bins_[i] = {};
      for (std::size_t v = 0; v < kValues; ++v) bins_[i / 2].sum[v] += bin.sum[v];
      bins_[i / 2].weight += bin.weight;
    }
    bins_.resize((bins_.size() + 1) / 2);
  }
  bins_.resize(std::max(bins_.size(), static_cast<std::size_t>(now / width_) + 1));
  for (TimeNs at = begin; at < now;) {
    Bin& bin = bins_[static_cast<std::size_t>(at / width_)];
    const TimeNs until = std::min(now, (at / width_ + 1) * width_);
    const auto weight = static_cast<double>(until - at);
    for (std::size_t v = 0; v < kValues; ++v) bin.sum[v] += values[v] * weight;
    bin.weight += weight;
    at = until;
  }
}

std::string Timeline::draw(const std::string& title, const std::string& subtitle, const Metrics& metrics) const {
  Panel latency{"Latency", "seconds", "share of requests", {}};
  latency.log_x = true;
  latency.y_max = 1;
  const std::pair<const char*, const Distribution*> kinds[] = {
      {"time to first token", &metrics.ttft}, {"time per output token", &metrics.tpot}, {"end to end", &metrics.e2el}};
  for (const auto& [name, values] : kinds) {
    Series series{name, {}, {}};
    const double smallest = values->percentile(0.5);
    for (double p = 0; p <= 100 && values->count() > 0; p += 0.5) {
      const double x = std::max(values->percentile(p), smallest > 0 ? smallest : 1.0) / 1e9;
      series.x.push_back(x);
      series.y.push_back(p / 100);
    }
    latency.series.push_back(std::move(series));
  }

  Panel memory{"KV slots", "seconds", "share of the pool", {}};
  memory.stacked = true;
  memory.y_max = 1;
  const char* meanings[] = {"used", "reserved", "never used", "holes too small", "free"};
  for (const char* meaning : meanings) memory.series.push_back({meaning, {}, {}});
  Panel batch{"Requests", "seconds", "requests", {{"running", {}, {}}, {"waiting", {}, {}}}};
  for (std::size_t i = 0; i < bins_.size(); ++i) {
    const Bin& bin = bins_[i];
    if (bin.weight == 0) continue;
    const double x = (static_cast<double>(i) + 0.5) * static_cast<double>(width_) / 1e9;
    double pool = 0;
    for (std::size_t v = 0; v < kMemory; ++v) pool += bin.sum[v];
    for (std::size_t v = 0; v < kMemory; ++v) {
      memory.series[v].x.push_back(x);
      memory.series[v].y.push_back(pool > 0 ? bin.sum[v] / pool : 0);
    }
    for (std::size_t v = 0; v < 2; ++v) {
      batch.series[v].x.push_back(x);
      batch.series[v].y.push_back(bin.sum[kMemory + v] / bin.weight);
    }
  }
  // Free slots need no colour of their own: what is left white is free.
  memory.series.pop_back();
  return cli::draw(title, subtitle, {latency, memory, batch});
}

}  // namespace tokenyard::cli
