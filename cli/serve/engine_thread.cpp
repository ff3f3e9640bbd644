#include "cli/serve/engine_thread.h"

#include <algorithm>
#include <utility>

#include "core/base/json.h"
#include "core/policy.h"
#include "core/trace/reason_words.h"

namespace tokenyard::serve {
namespace {

// So far the engine may be ahead of the network's thread. It bounds memory where steps take no time.
constexpr std::size_t kMostTokensAhead = 1 << 15;
constexpr TimeNs kFlushEvery = 200'000'000;  // who follows the trace sees a step within a second
constexpr std::size_t kMostShown = 200;      // requests of each kind on the live page

}  // namespace

// Keeps what the live page shows and the scheduler does not keep.
class EngineThread::Watch final : public EngineObserver {
 public:
  explicit Watch(EngineThread& to) : to_(to) {}

  void on_join(const Request& /*request*/, const std::string& /*refused*/, std::int64_t /*live*/) override { ++to_.joined_; }
  void on_wait(const StepPlan& plan, TimeNs /*now*/) override { keep(plan); }
  void on_plan(const StepPlan& plan, const Scheduler& scheduler, bool /*ahead*/) override {
    keep(plan);
    to_.note(scheduler);
  }

  std::string live(const Engine& engine, TimeNs now) const {
    const Scheduler& scheduler = engine.scheduler();
    const auto json_of = [&](const Request& request) {
      Json json = Json::Object{{"id", request.spec.id},
                               {"seconds", static_cast<double>(now - request.spec.arrival) / 1e9},
                               {"prompt", request.num_prompt},
                               {"computed", request.num_computed},
                               {"cached", request.num_cached},
                               {"generated", request.num_output()},
                               {"most", request.spec.max_tokens},
                               {"blocks", request.blocks.size()},
                               {"preemptions", request.num_preemptions}};
      for (const Refused& refused : refused_) {
        if (refused.request == request.number) json["reason"] = refused.why;
      }
      return json;
    };
    Json::Array running, waiting;
    for (const Request* request : scheduler.running()) {
      if (running.size() == kMostShown) break;
      running.push_back(json_of(*request));
    }
    const std::vector<Request*> queue = scheduler.waiting().in_order();
    for (std::size_t i = 0; i < std::min(queue.size(), kMostShown); ++i) {
      Json json = json_of(*queue[i]);
      if (json.find("reason") == nullptr)
        json["reason"] = i == 0 ? "its turn comes with the next step" : "behind " + queue[i - 1]->spec.id;
      waiting.push_back(std::move(json));
    }
    return Json(Json::Object{{"step", engine.num_steps()},
                             {"num_running", scheduler.running().size()},
                             {"num_waiting", scheduler.waiting().size()},
                             {"blocks", scheduler.blocks().num_usable()},
                             {"blocks_used", scheduler.blocks().num_referenced()},
                             {"running", std::move(running)},
                             {"waiting", std::move(waiting)}})
        .dump(-1, /*sort_keys=*/false);
  }

 private:
  struct Refused {
    std::int32_t request;
    std::string why;
  };
  void keep(const StepPlan& plan) {
    refused_.clear();
    for (const Refusal& refusal : plan.refusals) refused_.push_back({refusal.request->number, in_words(refusal.reason)});
  }

  EngineThread& to_;
  std::vector<Refused> refused_;  // by the latest plan
};

EngineThread::EngineThread(const Setup& setup, std::function<void()> wake)
    : backend_(*setup.backend), trace_(setup.trace), header_(setup.header), wake_(std::move(wake)) {
  watch_ = std::make_unique<Watch>(*this);
  std::vector<EngineObserver*> observers = setup.observers;
  observers.push_back(watch_.get());
  if (trace_ != nullptr) observers.push_back(&recorder_.emplace(*trace_));
  engine_ = std::make_unique<Engine>(setup.config, backend_, observers);
  config_ = engine_->scheduler().config();
  header_.engine = config_;
}

EngineThread::~EngineThread() {
  try {
    finish();
  } catch (...) {  // whoever wanted to know has called it
  }
}

void EngineThread::start() {
  if (trace_ != nullptr) trace_->on_header(header_);
  thread_ = std::thread([this] { run(); });
}

std::uint64_t EngineThread::submit(RequestSpec spec, std::shared_ptr<Choice> choice) {
  ++submitted_;
  return engine_->submit(std::move(spec), std::move(choice));
}

void EngineThread::cancel(std::uint64_t ticket, FinishReason reason) { engine_->cancel(ticket, reason); }

void EngineThread::ask_live() {
  live_asked_ = true;
  backend_.wake();
}

void EngineThread::note(const Scheduler& scheduler) {
  waiting_ = static_cast<std::int64_t>(scheduler.waiting().size());
  running_ = static_cast<std::int64_t>(scheduler.running().size());
  blocks_used_ = scheduler.blocks().num_referenced();
}

Gauges EngineThread::now() const {
  const std::int64_t unseen = submitted_ - joined_;
  return {running_, waiting_ + unseen, static_cast<double>(blocks_used_) / static_cast<double>(usable_blocks(config_))};
}

void EngineThread::run() {
  try {
    while (true) {
      const bool stopping = stopping_;
      const bool more = engine_->step(nullptr);
      note(engine_->scheduler());
      if (live_asked_.exchange(false)) step_.live = watch_->live(*engine_, backend_.now());
      hand_over();
      flush_trace(more ? kFlushEvery : 0);
      if (more) continue;
      if (stopping) break;
      if (!live_asked_) backend_.wait_until(kNever);
    }
  } catch (const BackendError& error) {
    step_.failure = error.what();
    flush_trace(0);
  } catch (const std::exception& error) {  // the trace cannot be written
    step_.failure = error.what();
    broken_ = std::current_exception();
  }
  hand_over();
}

void EngineThread::flush_trace(TimeNs every) {
  if (trace_ == nullptr) return;
  const TimeNs now = backend_.now();
  if (now - flushed_at_ < every) return;
  flushed_at_ = now;
  trace_->flush();
}

void EngineThread::hand_over() {
  if (step_.empty()) return;
  std::unique_lock lock(mutex_);
  if (ready_.empty()) {
    std::swap(ready_, step_);
  } else {
    const std::size_t tokens = ready_.tokens.size();
    for (TokenEvent event : step_.tokens) {
      if (event.logprobs >= 0) event.logprobs += static_cast<std::int32_t>(ready_.logprobs.size());
      ready_.tokens.push_back(event);
    }
    for (TokenLogprobs& logprobs : step_.logprobs) ready_.logprobs.push_back(std::move(logprobs));
    for (EndEvent& end : step_.ends) {
      end.after += tokens;
      ready_.ends.push_back(std::move(end));
    }
    if (step_.live) ready_.live = std::move(step_.live);
    if (step_.failure) ready_.failure = std::move(step_.failure);
    step_ = {};
  }
  if (!std::exchange(woken_, true)) wake_();
  taken_.wait(lock, [&] { return ready_.tokens.size() < kMostTokensAhead || stopping_; });
}

Batch EngineThread::take() {
  Batch out;
  {
    const std::lock_guard lock(mutex_);
    std::swap(out, ready_);
    woken_ = false;
  }
  taken_.notify_one();
  return out;
}

void EngineThread::finish() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  taken_.notify_one();
  backend_.wake();
  thread_.join();
  if (trace_ != nullptr && !broken_) trace_->on_end(engine_->num_steps(), backend_.now());
  if (broken_) std::rethrow_exception(std::exchange(broken_, nullptr));
}

void Choice::on_token(const Request& request, Token token, const TokenLogprobs* logprobs) {
  if (!begun_) {
    begun_ = true;
    cached_tokens = request.num_preemptions == 0 ? request.num_cached : 0;
  }
  Batch& step = engine_.step_;
  std::int32_t at = -1;
  if (logprobs != nullptr) {
    at = static_cast<std::int32_t>(step.logprobs.size());
    step.logprobs.push_back(*logprobs);
  }
  step.tokens.push_back({this, token, at, request.finish_reason == FinishReason::stop});
}

void Choice::on_end(const Request& request, const std::string& why) {
  Batch& step = engine_.step_;
  step.ends.push_back({shared_from_this(), step.tokens.size(), request.finish_reason, why});
}

}  // namespace tokenyard::serve
