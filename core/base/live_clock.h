// The clock of a backend that works in real time.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "core/base/types.h"

namespace tokenyard {

class LiveClock {
 public:
  TimeNs now() const {  // since construction or restart()
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - start_).count();
  }
  // It shows 0 again. Before anyone has looked.
  void restart() { start_ = std::chrono::steady_clock::now(); }
  // As Backend::wait_until and Backend::wake.
  void wait_until(TimeNs time);
  void wake();

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::mutex mutex_;  // guards the flag
  std::condition_variable woken_;
  bool wake_ = false;
};

}  // namespace tokenyard
