#include "sim/parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace tokenyard {

void run_parallel(std::int64_t count, int jobs, const std::function<void(std::int64_t)>& work) {
  std::atomic<std::int64_t> next{0};
  std::mutex mutex;
  std::int64_t failed = count;  // the lowest piece that threw
  std::exception_ptr error;
  const auto run = [&] {
    for (std::int64_t i = next++; i < count; i = next++) {
      try {
        work(i);
      } catch (...) {
        const std::lock_guard lock(mutex);
        next = count;
        if (i < failed) {
          failed = i;
          error = std::current_exception();
        }
      }
    }
  };
  std::vector<std::jthread> threads;
  for (std::int64_t i = 1; i < std::min<std::int64_t>(jobs, count); ++i) threads.emplace_back(run);
  run();
  threads.clear();  // joins
  if (error) std::rethrow_exception(error);
}

int num_cores() { return std::max(1, static_cast<int>(std::thread::hardware_concurrency())); }

}  // namespace tokenyard
