#include "backends/model/rank_team.h"

#include <cxxabi.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>

#include "core/backend.h"
#include "core/base/input_error.h"

namespace tokenyard {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLastWait{500};  // for ranks that have been told to end
constexpr std::int32_t kNoRank = -1;
constexpr std::int64_t kSlowest = 4;  // times as long as the others a rank may work

struct Stopped {};

// Pages that the process has read from a disk.
std::int64_t pages_read() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_majflt;
}

}  // namespace

void check_ranks(std::int32_t ranks, const ModelShape& model) {
  if (ranks < 1 || ranks > kMostRanks || !std::has_single_bit(static_cast<std::uint32_t>(ranks))) {
    throw std::invalid_argument("tensor_parallel is " + std::to_string(ranks) + "; it must be 1, 2, 4 or 8");
  }
  const auto divide = [&](std::int32_t number) {
    try {
      share_of(model, 0, number);
      return std::string();
    } catch (const InputError& error) {
      return std::string(error.what());
    }
  };
  const std::string why = divide(ranks);
  if (why.empty()) return;
  std::string others;
  for (std::int32_t n = 1; n <= kMostRanks; n *= 2) {
    if (divide(n).empty()) others += (others.empty() ? "" : ", ") + std::to_string(n);
  }
  throw InputError(why + "; possible here: " + others);
}

void keep_until_exit(void* memory) {
  static std::mutex mutex;
  static auto& kept = *new std::vector<void*>;  // found by whoever looks for leaks
  const std::lock_guard lock(mutex);
  kept.push_back(memory);
}

struct RankTeam::State {
  explicit State(std::int32_t number) : ranks(number) {}

  enum class Place : std::uint8_t { working, meeting, done };

  const std::int32_t ranks;
  std::atomic<std::uint32_t> round{0};     // grows when there is a task, or the end
  std::atomic<std::uint32_t> meetings{0};  // grows when all have met, or one has failed
  std::atomic<std::int32_t> arrived{0};
  std::atomic<std::uint32_t> moves{0};  // of ranks from one place to another
  std::array<std::atomic<Place>, kMostRanks> places{};
  std::atomic<bool> failed{false};
  std::atomic<bool> stopping{false};
  std::atomic<bool> lost{false};
  Task task;  // copies: a lost rank may come back to them
  Watch watch;

  std::mutex mutex;
  std::condition_variable idle;
  std::int32_t busy = 0;     // ranks that have not finished this task
  std::exception_ptr error;  // the first rank's to fail
  std::int32_t failed_rank = 0;

  void move(std::int32_t rank, Place to) {
    places[static_cast<std::size_t>(rank)] = to;
    ++moves;
  }

  void begin() {
    ++round;
    round.notify_all();
  }

  void fail(std::int32_t rank, std::exception_ptr why) noexcept {
    {
      const std::lock_guard lock(mutex);
      if (failed.exchange(true)) return;
      error = std::move(why);
      failed_rank = rank;
    }
    if (watch.on_failure) watch.on_failure();
    ++meetings;
    meetings.notify_all();
  }

  void lose(std::int32_t rank, const std::string& why) {
    fail(rank, std::make_exception_ptr(BackendError(why + "; the model cannot be used any more")));
    lost = true;
  }

  void finish(std::int32_t rank) {
    move(rank, Place::done);
    const std::lock_guard lock(mutex);
    if (--busy == 0 || failed) idle.notify_one();
  }

  void call(std::int32_t rank) {
    try {
      task(rank);
    } catch (const Stopped&) {
#ifdef __GLIBCXX__
    } catch (const abi::__forced_unwind&) {  // pthread_exit(), which may not be held up
      throw;
#endif
    } catch (...) {
      fail(rank, std::current_exception());
    }
  }

  void work(std::int32_t rank) {
    // A thread that is ended from outside leaves through here.
    struct Leaving {
      State& state;
      std::int32_t rank;
      bool ended = true;
      ~Leaving() {
        if (!ended) return;
        state.lose(rank, "its thread was ended");
        state.finish(rank);
      }
    } leaving{*this, rank};
    for (std::uint32_t seen = 0;;) {
      round.wait(seen);
      ++seen;
      if (stopping) break;
      call(rank);
      finish(rank);
    }
    leaving.ended = false;
  }

  void meet(std::int32_t rank) {
    const std::uint32_t now = meetings;
    check();
    move(rank, Place::meeting);
    if (++arrived == ranks) {
      arrived = 0;
      ++meetings;
      meetings.notify_all();
    } else {
      while (meetings == now) meetings.wait(now);
    }
    check();
    move(rank, Place::working);
  }

  void check() const {
    if (failed) throw Stopped();
  }

  // Until all have finished, or one is lost.
  void supervise() {
    const auto at = [this](Place place) { return std::find(places.begin(), places.begin() + ranks, place) - places.begin(); };
    milliseconds patience = watch.patience;
    std::int64_t worked = 0, waited = 0;  // looks since the ranks last met: all at work, some waiting for others
    std::uint32_t seen_meetings = meetings, seen_moves = moves;
    std::int64_t seen_pages = -1;
    std::unique_lock lock(mutex);
    while (!idle.wait_for(lock, kLook, [this] { return busy == 0; })) {
      lock.unlock();
      if (const std::uint32_t now = meetings; std::exchange(seen_meetings, now) != now) worked = 0;
      const std::uint32_t now = moves;
      const std::int64_t pages = pages_read();
      if (std::exchange(seen_moves, now) != now || std::exchange(seen_pages, pages) != pages) waited = 0;
      ++(at(Place::meeting) < ranks || at(Place::done) < ranks ? waited : worked);

      if (std::string why = watch.why_stuck && !failed ? watch.why_stuck() : ""; !why.empty()) {
        fail(kNoRank, std::make_exception_ptr(BackendError(why)));
        patience = kLastWait;
      }
      const auto late = static_cast<std::int32_t>(at(Place::working));
      if (waited * kLook > patience + kSlowest * worked * kLook && late < ranks) {
        lose(late, "did not answer for " + std::to_string(waited * kLook / std::chrono::seconds(1)) + " s");
      }
      lock.lock();
      if (lost) break;
    }
    if (lost) idle.wait_for(lock, kLastWait, [this] { return busy <= 1; });
  }
};

RankTeam::RankTeam(std::int32_t ranks) : ranks_(ranks), state_(std::make_shared<State>(ranks)) {
  try {
    for (std::int32_t rank = 0; rank < ranks && ranks > 1; ++rank) {
      threads_.emplace_back([state = state_, rank] { state->work(rank); });
    }
  } catch (...) {
    state_->stopping = true;
    state_->begin();
    for (std::thread& thread : threads_) thread.join();
    throw;
  }
}

RankTeam::~RankTeam() {
  state_->stopping = true;
  state_->begin();
  for (std::thread& thread : threads_) lost() ? thread.detach() : thread.join();
}

void RankTeam::run(const Task& task, const Watch& watch) {
  State& s = *state_;
  if (!lost()) {
    s.task = task;
    s.watch = watch;
    s.arrived = 0;
    s.failed = false;
    s.error = nullptr;
    for (std::int32_t r = 0; r < ranks_; ++r) s.places[static_cast<std::size_t>(r)] = State::Place::working;
    if (ranks_ == 1) {
      s.call(0);
    } else {
      s.busy = ranks_;
      s.begin();
      s.supervise();
    }
  }
  throw_error();
}

void RankTeam::throw_error() const {
  State& s = *state_;
  std::exception_ptr error;
  {
    const std::lock_guard lock(s.mutex);
    error = s.error;
  }
  if (error == nullptr) return;
  try {
    std::rethrow_exception(error);
  } catch (const BackendError& why) {
    if (ranks_ == 1 || s.failed_rank == kNoRank) throw;
    throw BackendError("rank " + std::to_string(s.failed_rank) + " of " + std::to_string(ranks_) + ": " + why.what());
  }
}

void RankTeam::meet(std::int32_t rank) { state_->meet(rank); }
void RankTeam::check() const { state_->check(); }
bool RankTeam::lost() const { return state_->lost; }
void RankTeam::lose(std::int32_t rank, const std::string& why) {
  state_->failed = false;  // of the latest task, which has ended
  state_->lose(rank, why);
  throw_error();
  std::terminate();  // not reached: there is an error
}

}  // namespace tokenyard
