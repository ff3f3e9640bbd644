// The loop: requests join, a step is planned, carried out, committed; requests leave. With async_scheduling the next step is
// planned, and where the backend overlaps submitted, before the one in flight is committed.
//
//   engine.run(source)                replay a workload to its end
//   engine.serve() on its own thread  live requests: submit() and cancel() from any thread, answers through listeners
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/backend.h"
#include "core/config.h"
#include "core/inbox.h"
#include "core/observer.h"
#include "core/request_source.h"
#include "core/scheduler.h"

namespace tokenyard {

class Engine {
 public:
  // Throws std::invalid_argument with one sentence when the configuration is wrong or the backend cannot serve it.
  // `backend` and the observers are borrowed; observers are told in this order.
  Engine(const EngineConfig& config, Backend& backend, std::vector<EngineObserver*> observers = {});

  // Thread-safe. The request joins before the next step; its arrival is the backend's clock at joining when spec.arrival is
  // negative. Returns a ticket for cancel(). Everything else, a refusal too, reaches `listener`.
  std::uint64_t submit(RequestSpec spec, std::shared_ptr<RequestListener> listener);
  // Thread-safe; a request that has left is ignored. `reason` may be stop: the client has enough of a begun answer.
  void cancel(std::uint64_t ticket, FinishReason reason = FinishReason::cancelled);

  // One step or one wait; with async_scheduling a step is committed by the call after the one that planned it. False when
  // nothing is live and `source` (may be null) knows of nothing to come.
  bool step(RequestSource* source);
  void run(RequestSource& source) {
    while (step(&source)) {
    }
  }
  // Serves until stop() was called and every request has left.
  void serve(RequestSource* source = nullptr);
  void stop() {  // thread-safe
    stopping_ = true;
    backend_.wake();
  }

  const Scheduler& scheduler() const { return *scheduler_; }
  Scheduler& scheduler() { return *scheduler_; }
  std::int64_t num_steps() const { return step_; }
  std::int64_t num_live() const { return static_cast<std::int64_t>(live_.size()); }

 private:
  struct InFlight {
    StepPlan plan;
    TimeNs planned_at = 0;
  };

  void take_messages(RequestSource* source);
  void join(RequestSpec spec, std::shared_ptr<RequestListener> listener, std::uint64_t ticket, TimeNs at,
            RequestSource* source);
  void cancel(Request* request, FinishReason reason, TimeNs at, RequestSource* source);
  void finish(InFlight& step, RequestSource* source);
  void deliver(const StepPlan& plan, const StepResult& result, TimeNs end);
  void leave(Request* request, const std::string& why, RequestSource* source);
  void fail(const std::string& why, RequestSource* source);
  template <typename... Parameters, typename... Arguments>
  void tell(void (EngineObserver::*event)(Parameters...), const Arguments&... arguments) {
    for (EngineObserver* observer : observers_) (observer->*event)(arguments...);
  }

  Backend& backend_;
  std::unique_ptr<Scheduler> scheduler_;
  std::vector<EngineObserver*> observers_;
  std::int64_t step_ = 0;
  InFlight steps_[2];  // one is planned while the other is in flight
  InFlight* in_flight_ = nullptr;
  TimeNs last_end_ = 0;
  std::int32_t next_number_ = 0;

  std::vector<std::unique_ptr<Request>> owned_;
  std::vector<Request*> reusable_;
  std::vector<Request*> parting_;  // reusable once the step in flight, which may have rows of them, is committed
  std::unordered_map<std::string, Request*> live_;  // looked up, never walked
  std::unordered_map<std::uint64_t, Request*> tickets_;
  std::vector<SourceEvent> due_;
  std::vector<Request*> left_;

  Inbox inbox_;
  std::atomic<bool> stopping_{false};
};

}  // namespace tokenyard
