// Whether cards that are waited for get on.
#pragma once

#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

#include "backends/model/rank_team.h"
#include "kernels/rank_norm.h"

namespace tokenyard::cuda {

// Time in which this process runs, while it asks again and again: it may be stopped, or its machine suspended.
class RunningTime {
 public:
  // Whether another RankTeam::kLook has gone by.
  bool look() {
    const Clock::time_point now = Clock::now();
    gone_ += std::min<Clock::duration>(now - std::exchange(last_, now), RankTeam::kLook);
    if (gone_ < RankTeam::kLook) return false;
    gone_ -= RankTeam::kLook;
    return true;
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point last_ = Clock::now();
  Clock::duration gone_{0};
};

// Sees by what the cards write into host memory whether they get on.
class CardWatch {
 public:
  CardWatch(kernels::RankWatch& words, std::int32_t ranks) : words_(words), ranks_(ranks) {}
  void begin() { looks_ = 0; }
  // At every RankTeam::kLook while cards are waited for: why they do not get on, one sentence; empty: they do.
  std::string why_stuck(bool by_collectives) {
    ++looks_;
    if (const std::uint32_t now = std::atomic_ref(words_.moves).load(); std::exchange(moves_, now) != now) looks_ = 0;
    if (by_collectives && looks_ * RankTeam::kLook > RankTeam::kPatience) {
      return fmt::format("the GPUs of {} ranks did not get on for {} s", ranks_, RankTeam::kPatience.count());
    }
    const std::uint32_t late = std::atomic_ref(words_.late).exchange(0);
    // A card counts the time in which this process was stopped, too.
    if (late == 0 || looks_ * RankTeam::kLook < RankTeam::kPatience * 3 / 4) return {};
    return fmt::format("rank {} of {}: its GPU was waited for {} s in vain", late - 1, ranks_,
                       static_cast<double>(kernels::kMostWaitNs) / 1e9);
  }

 private:
  kernels::RankWatch& words_;
  std::int32_t ranks_;
  std::uint32_t moves_ = 0;
  std::int64_t looks_ = 0;  // since the begin, or the latest move
};

}  // namespace tokenyard::cuda
