#include "backends/model/rank_team.h"

#include <bit>
#include <stdexcept>
#include <string>

#include "core/backend.h"

namespace tokenyard {

void check_ranks(std::int32_t ranks, const ModelShape& model) {
  if (ranks < 1 || ranks > kMostRanks || !std::has_single_bit(static_cast<std::uint32_t>(ranks))) {
    throw std::invalid_argument("tensor_parallel is " + std::to_string(ranks) + "; it must be 1, 2, 4 or 8");
  }
  share_of(model, 0, ranks);
}

RankTeam::RankTeam(std::int32_t ranks) : ranks_(ranks) {
  try {
    for (std::int32_t rank = 1; rank < ranks; ++rank) threads_.emplace_back([this, rank] { work(rank); });
  } catch (...) {
    stop();
    throw;
  }
}

void RankTeam::stop() {
  stopping_ = true;
  ++round_;
  round_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void RankTeam::work(std::int32_t rank) {
  for (std::uint32_t seen = 0;;) {
    round_.wait(seen);
    ++seen;
    if (stopping_) return;
    call(rank);
    if (--busy_ == 0) busy_.notify_one();
  }
}

void RankTeam::call(std::int32_t rank) noexcept {
  try {
    (*task_)(rank);
  } catch (const Stopped&) {
  } catch (...) {
    if (failed_.exchange(true)) return;
    error_ = std::current_exception();
    failed_rank_ = rank;
    if (*on_failure_) (*on_failure_)();
    ++meeting_;
    meeting_.notify_all();
  }
}

void RankTeam::run(const Task& task, const std::function<void()>& on_failure) {
  task_ = &task;
  on_failure_ = &on_failure;
  arrived_ = 0;
  failed_ = false;
  error_ = nullptr;
  busy_ = ranks_ - 1;
  ++round_;
  round_.notify_all();
  call(0);
  for (std::int32_t left; (left = busy_) != 0;) busy_.wait(left);
  if (error_ == nullptr) return;
  try {
    std::rethrow_exception(error_);
  } catch (const BackendError& error) {
    if (ranks_ == 1) throw;
    throw BackendError("rank " + std::to_string(failed_rank_) + " of " + std::to_string(ranks_) + ": " + error.what());
  }
}

void RankTeam::meet() {
  const std::uint32_t now = meeting_;
  if (failed_) throw Stopped();
  if (++arrived_ == ranks_) {
    arrived_ = 0;
    ++meeting_;
    meeting_.notify_all();
  } else {
    while (meeting_ == now) meeting_.wait(now);
  }
  if (failed_) throw Stopped();
}

}  // namespace tokenyard
