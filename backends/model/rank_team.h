// The ranks of tensor parallelism: threads of one process that carry out one task at a time, each its share.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <thread>
#include <vector>

#include "core/base/model_shape.h"

namespace tokenyard {

// Ranks that may share a model: 1, 2, 4 or 8, so that a sum of kMostRanks parts can be divided among them.
inline constexpr std::int32_t kMostRanks = 8;
// Throws std::invalid_argument for another number, InputError where share_of() cannot cut the model so; one sentence.
void check_ranks(std::int32_t ranks, const ModelShape& model);

class RankTeam {
 public:
  // Rank 0 is the thread that calls run(), so a team of one has no threads. REQUIRES: ranks >= 1. Throws std::system_error.
  explicit RankTeam(std::int32_t ranks);
  ~RankTeam() { stop(); }
  RankTeam(const RankTeam&) = delete;
  RankTeam& operator=(const RankTeam&) = delete;

  std::int32_t ranks() const { return ranks_; }

  using Task = std::function<void(std::int32_t rank)>;
  // Calls task(r) for all ranks at once and returns when every call has. When one throws, meet() ends the others. The first
  // exception is thrown again, a BackendError with the rank's number in front if there are several. `on_failure` (may be empty)
  // is called once, on the thread of the rank that failed, before the others are waited for.
  void run(const Task& task, const std::function<void()>& on_failure = {});

  // Within a task: waits until every rank has come here. What they wrote before is seen after. Where another rank has failed it
  // throws what run() takes for its end; a task must let it pass.
  void meet();

 private:
  struct Stopped {};

  void work(std::int32_t rank);
  void call(std::int32_t rank) noexcept;
  void stop();

  std::int32_t ranks_;
  std::atomic<std::uint32_t> round_{0};    // grows when there is a task, or the end
  std::atomic<std::int32_t> busy_{0};      // threads that have not finished this task
  std::atomic<std::uint32_t> meeting_{0};  // grows when all have met, or one has failed
  std::atomic<std::int32_t> arrived_{0};
  std::atomic<bool> failed_{false};
  std::atomic<bool> stopping_{false};
  std::exception_ptr error_;  // the first rank's to fail
  std::int32_t failed_rank_ = 0;
  const Task* task_ = nullptr;
  const std::function<void()>* on_failure_ = nullptr;
  std::vector<std::thread> threads_;  // of ranks 1 ..
};

}  // namespace tokenyard
