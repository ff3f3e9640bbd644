#include "sim/workload.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "core/base/json_reader.h"

namespace tokenyard {
namespace {

class MixedSource final : public RequestSource {
 public:
  explicit MixedSource(std::vector<std::unique_ptr<RequestSource>> parts) : parts_(std::move(parts)) {}

  void poll(TimeNs now, std::int64_t step, std::vector<SourceEvent>& due) override {
    // Moment by moment, so that what several sources have due since the last step comes in its order.
    for (TimeNs time = next_time(); time <= now; time = next_time()) {
      for (const auto& part : parts_) {
        if (part->next_time() == time) part->poll(time, -1, due);
      }
    }
    for (const auto& part : parts_) {
      if (part->next_step() >= 0) part->poll(now, step, due);
    }
  }

  TimeNs next_time() const override {
    TimeNs next = kNever;
    for (const auto& part : parts_) next = std::min(next, part->next_time());
    return next;
  }

  std::int64_t next_step() const override {
    std::int64_t next = -1;
    for (const auto& part : parts_) {
      const std::int64_t step = part->next_step();
      if (step >= 0 && (next < 0 || step < next)) next = step;
    }
    return next;
  }

  void on_end(const Request& request) override {
    parts_[static_cast<std::size_t>(request.spec.id.front() - 'a')]->on_end(request);
  }

 private:
  std::vector<std::unique_ptr<RequestSource>> parts_;
};

class BehindFrontEnd final : public RequestSource {
 public:
  BehindFrontEnd(std::unique_ptr<RequestSource> clients, TimeNs later) : clients_(std::move(clients)), later_(later) {}
  void poll(TimeNs now, std::int64_t step, std::vector<SourceEvent>& due) override { clients_->poll(now - later_, step, due); }
  TimeNs next_time() const override {
    const TimeNs sent = clients_->next_time();
    return sent >= kNever - later_ ? kNever : sent + later_;
  }
  std::int64_t next_step() const override { return clients_->next_step(); }
  void on_end(const Request& request) override { clients_->on_end(request); }

 private:
  std::unique_ptr<RequestSource> clients_;
  TimeNs later_;
};

}  // namespace

std::unique_ptr<RequestSource> behind_front_end(std::unique_ptr<RequestSource> source, TimeNs later) {
  return std::make_unique<BehindFrontEnd>(std::move(source), later);
}

std::shared_ptr<const Workload> read_workload(const JsonValue& json, const std::string& directory, TextNames& texts) {
  std::vector<std::string> types = recorded_types();
  types.insert(types.end(), {"requests", "generate"});
  const std::string type = json.object().at("type").choice(types);
  if (type == "requests") return read_requests_workload(json, texts);
  if (type == "generate") return read_generate_workload(json, texts);
  return read_recorded_workload(json, directory);
}

std::unique_ptr<RequestSource> mix_sources(const std::vector<std::shared_ptr<const Workload>>& workloads, std::uint64_t seed,
                                           double rate_scale) {
  if (workloads.size() == 1) return workloads.front()->source({0, "", seed, rate_scale});
  std::vector<std::unique_ptr<RequestSource>> parts;
  for (const auto& workload : workloads) {
    const auto index = static_cast<std::int32_t>(parts.size());
    parts.push_back(workload->source({index, std::string(1, static_cast<char>('a' + index)), seed, rate_scale}));
  }
  return std::make_unique<MixedSource>(std::move(parts));
}

TimeNs scaled_arrival(TimeNs time, double rate_scale) {
  if (rate_scale == 1) return time;
  constexpr double most = 4e18;  // within TimeNs, so that a slow-down cannot overflow
  return static_cast<TimeNs>(std::floor(std::min(static_cast<double>(time) / rate_scale, most) + 0.5));
}

std::string file_beside(const std::string& directory, const std::string& path) {
  return (std::filesystem::path(directory) / path).lexically_normal().string();
}

}  // namespace tokenyard
