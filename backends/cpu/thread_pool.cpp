#include "backends/cpu/thread_pool.h"

#include <algorithm>

namespace tokenyard {
namespace {

constexpr std::int64_t kWorthWaking = 100'000;  // operations, about 10 us
constexpr std::int64_t kPiecesPerThread = 8;

}  // namespace

ThreadPool::ThreadPool(std::int32_t threads) {
  try {
    for (std::int32_t i = 1; i < threads; ++i) workers_.emplace_back([this] { work(); });
  } catch (...) {
    stop();
    throw;
  }
}

void ThreadPool::work() {
  for (std::uint32_t seen = 0;;) {
    round_.wait(seen);
    ++seen;
    if (stopping_) return;
    take_pieces();
    if (--busy_ == 0) busy_.notify_one();
  }
}

void ThreadPool::stop() {
  stopping_ = true;
  ++round_;
  round_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::take_pieces() {
  for (std::int64_t begin; (begin = next_.fetch_add(piece_)) < end_;) (*body_)(begin, std::min(begin + piece_, end_));
}

void ThreadPool::for_range(std::int64_t n, std::int64_t cost, const Body& body) {
  if (n <= 0) return;
  if (workers_.empty() || cost < kWorthWaking || n == 1) return body(0, n);
  const auto threads = static_cast<std::int64_t>(workers_.size()) + 1;
  end_ = n;
  piece_ = std::max<std::int64_t>(1, n / (threads * kPiecesPerThread));
  body_ = &body;
  next_ = 0;
  busy_ = static_cast<std::int32_t>(workers_.size());
  ++round_;
  round_.notify_all();
  take_pieces();
  for (std::int32_t left; (left = busy_) != 0;) busy_.wait(left);
}

}  // namespace tokenyard
