// A few threads that share one loop at a time. Who computes which piece does not matter to any result here.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace tokenyard {

class ThreadPool {
 public:
  explicit ThreadPool(std::int32_t threads);  // the caller's is one of them; throws std::system_error
  ~ThreadPool() { stop(); }
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  using Body = std::function<void(std::int64_t begin, std::int64_t end)>;
  // Calls `body` for pieces of 0 .. n-1 and returns when all are done. `cost` is roughly the operations of the whole loop:
  // short ones stay on this thread, since waking another takes microseconds. `body` must not throw.
  void for_range(std::int64_t n, std::int64_t cost, const Body& body);

 private:
  void work();
  void take_pieces();
  void stop();

  std::atomic<std::uint32_t> round_{0};  // grows when there is work, or the end
  std::atomic<std::int32_t> busy_{0};    // workers that have not finished this round
  std::atomic<std::int64_t> next_{0};
  std::int64_t end_ = 0;
  std::int64_t piece_ = 1;
  const Body* body_ = nullptr;
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> workers_;
};

}  // namespace tokenyard
