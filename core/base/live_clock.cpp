#include "core/base/live_clock.h"

namespace tokenyard {

void LiveClock::wait_until(TimeNs time) {
  std::unique_lock lock(mutex_);
  const auto woken = [&] { return wake_; };
  if (time > kNever / 2) {  // a century and more, where adding to the clock could overflow
    woken_.wait(lock, woken);
  } else {
    woken_.wait_until(lock, start_ + std::chrono::nanoseconds(time), woken);
  }
  wake_ = false;
}

void LiveClock::wake() {
  {
    const std::lock_guard lock(mutex_);
    wake_ = true;
  }
  woken_.notify_one();
}

}  // namespace tokenyard
