// What clients ask of a running engine, from any thread, until the engine takes it between two steps.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "core/request_source.h"

namespace tokenyard {

class Inbox {
 public:
  struct Message {
    SourceEvent event;
    std::shared_ptr<RequestListener> listener;  // of a join
    std::uint64_t ticket = 0;                   // of a cancel: whose
  };

  // The message's ticket; a join gets a new one.
  std::uint64_t post(Message message) {
    const std::lock_guard lock(mutex_);
    if (message.ticket == 0) message.ticket = next_ticket_++;
    messages_.push_back(std::move(message));
    empty_ = false;
    return messages_.back().ticket;
  }
  // In the order posted.
  std::vector<Message> take() {
    if (empty()) return {};
    const std::lock_guard lock(mutex_);
    empty_ = true;
    return std::exchange(messages_, {});
  }
  bool empty() const { return empty_; }

 private:
  std::mutex mutex_;  // guards the next two
  std::vector<Message> messages_;
  std::uint64_t next_ticket_ = 1;
  std::atomic<bool> empty_{true};
};

}  // namespace tokenyard
