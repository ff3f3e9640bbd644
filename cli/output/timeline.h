// What a run looked like over time, in bounded memory.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "core/engine.h"
#include "core/metrics.h"

namespace tokenyard::cli {

class Timeline {
 public:
  // After each step, with the time it ended.
  void add(const Engine& engine, const Metrics& metrics, TimeNs now);

  // Latency CDFs, memory classes, running and waiting requests, as a picture.
  std::string draw(const std::string& title, const std::string& subtitle, const Metrics& metrics) const;

 private:
  static constexpr std::size_t kMemory = 5;  // memory classes; then running, waiting
  static constexpr std::size_t kValues = kMemory + 2;
  struct Bin {
    std::array<double, kValues> sum{};  // value x nanoseconds
    double weight = 0;                  // nanoseconds
  };

  std::vector<Bin> bins_;
  TimeNs width_ = 1'000'000;  // of a bin; doubled whenever there would be too many
  TimeNs last_ = 0;
  std::int64_t steps_ = 0;
};

}  // namespace tokenyard::cli
