// The ranks of tensor parallelism: threads of one process that carry out one task at a time, each its share.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "core/base/model_shape.h"

namespace tokenyard {

// Ranks that may share a model: 1, 2, 4 or 8, so that a sum of kMostRanks parts can be divided among them.
inline constexpr std::int32_t kMostRanks = 8;
// Throws std::invalid_argument for another number, InputError where share_of() cannot cut the model so; one sentence.
void check_ranks(std::int32_t ranks, const ModelShape& model);

// A thread cannot be ended from outside. A rank whose thread hangs, or was ended, is lost: nobody waits for it any more, and
// the team takes no further task. Whoever owns what the tasks use then leaves it to keep_until_exit(), since that thread may
// wake up.
class RankTeam {
 public:
  // How long a rank that does not get on is waited for.
  static constexpr std::chrono::seconds kPatience{4};
  static constexpr std::chrono::seconds kPatienceAtStart{600};  // where it loads, compiles and measures

  // A team of one has no thread: its rank is the caller of run(). REQUIRES: ranks >= 1. Throws std::system_error.
  explicit RankTeam(std::int32_t ranks);
  ~RankTeam();  // waits for the threads, but not when a rank is lost
  RankTeam(const RankTeam&) = delete;
  RankTeam& operator=(const RankTeam&) = delete;

  std::int32_t ranks() const { return ranks_; }

  using Task = std::function<void(std::int32_t rank)>;
  // Functions may be empty.
  struct Watch {
    std::chrono::seconds patience = kPatience;
    std::function<void()> on_failure;  // called once when a rank fails, before the others are waited for, on any thread
    // Asked at every kLook while ranks are waited for: why the devices do not get on, one sentence; empty: they do. A failure.
    std::function<std::string()> why_stuck;
  };
  static constexpr std::chrono::milliseconds kLook{50};
  // Calls task(r) for all ranks at once and returns when every call has. When one throws, meet() ends the others. The first
  // exception is thrown again, a BackendError with the rank's number in front if there are several.
  //
  // A rank is lost when the others have waited for it for `patience` and four times as long as they worked themselves since
  // they last met; that is a BackendError, now and at every later call. Only time in which this thread runs and nothing is read
  // from a disk counts, so neither a debugger, nor a suspended machine, nor a slow disk ends a step.
  void run(const Task& task) { run(task, Watch()); }
  void run(const Task& task, const Watch& watch);

  // Within a task: waits until every rank has come here. What they wrote before is seen after. Where another rank has failed it
  // throws what run() takes for its end; a task must let it pass.
  void meet(std::int32_t rank);
  // Throws it where another rank has failed, or this one is lost and has come back: what its task uses may be gone.
  void check() const;

  bool lost() const;
  // Between two tasks: a rank is lost because its device does not answer. Throws what run() throws from now on.
  [[noreturn]] void lose(std::int32_t rank, const std::string& why);

 private:
  struct State;
  std::int32_t ranks_;
  void throw_error() const;
  std::shared_ptr<State> state_;  // shared with the threads, which may outlive the team
  std::vector<std::thread> threads_;
};

// What a lost rank may still use is never freed.
void keep_until_exit(void* memory);

}  // namespace tokenyard
