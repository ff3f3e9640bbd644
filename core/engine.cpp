#include "core/engine.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace tokenyard {
namespace {

EngineConfig resolve(EngineConfig config, const BackendLimits& limits) {
  if (limits.num_blocks > 0 && (config.num_blocks == 0 || config.num_blocks > limits.num_blocks)) {
    config.num_blocks = limits.num_blocks;
  }
  if (limits.max_context > 0 && (config.max_model_len == 0 || config.max_model_len > limits.max_context)) {
    config.max_model_len = limits.max_context;
  }
  if (const auto wrong = validate(config)) throw std::invalid_argument(*wrong);
  if (config.strict_peer && limits.computes) {
    throw std::invalid_argument("strict_peer reproduces the peer's defects; only a simulation may use it");
  }
  return config;
}

}  // namespace

Engine::Engine(const EngineConfig& config, Backend& backend, std::vector<EngineObserver*> observers)
    : backend_(backend), scheduler_(Scheduler::create(resolve(config, backend.limits()))), observers_(std::move(observers)) {}

std::uint64_t Engine::submit(RequestSpec spec, std::shared_ptr<RequestListener> listener) {
  const std::uint64_t ticket = inbox_.post({{SourceEvent::Kind::join, std::move(spec), {}}, std::move(listener)});
  backend_.wake();
  return ticket;
}

void Engine::cancel(std::uint64_t ticket, FinishReason reason) {
  inbox_.post({{SourceEvent::Kind::cancel, {}, {}, -1, reason}, nullptr, ticket});
  backend_.wake();
}

void Engine::take_messages(RequestSource* source) {
  for (Inbox::Message& message : inbox_.take()) {
    if (message.event.kind == SourceEvent::Kind::join) {
      if (message.event.spec.arrival < 0) message.event.spec.arrival = backend_.now();
      join(std::move(message.event.spec), std::move(message.listener), message.ticket, backend_.now(), source);
    } else if (const auto found = tickets_.find(message.ticket); found != tickets_.end()) {
      cancel(found->second, message.event.reason, backend_.now(), source);
    }
  }
  if (source == nullptr) return;
  due_.clear();
  source->poll(backend_.now(), step_, due_);
  for (SourceEvent& event : due_) {
    const TimeNs at = event.at >= 0 ? event.at : backend_.now();
    if (event.kind == SourceEvent::Kind::join) {
      join(std::move(event.spec), nullptr, 0, at, source);
    } else if (const auto found = live_.find(event.cancel_id); found != live_.end()) {
      cancel(found->second, event.reason, at, source);
    }
  }
}

void Engine::join(RequestSpec spec, std::shared_ptr<RequestListener> listener, std::uint64_t ticket, TimeNs at,
                  RequestSource* source) {
  std::optional<std::string> refused = scheduler_->impossible(spec);
  if (!refused && live_.contains(spec.id)) refused = "a live request has the same id";

  if (reusable_.empty()) {
    owned_.push_back(std::make_unique<Request>());
    reusable_.push_back(owned_.back().get());
  }
  Request& request = *reusable_.back();
  reusable_.pop_back();
  request.reset();
  request.number = next_number_++;
  request.tokens = std::move(spec.prompt);
  request.num_tokens = request.num_prompt = request.tokens.size();
  if (spec.output_content == kNoContent) spec.output_content = kOutputContents + request.number;
  request.spec = std::move(spec);
  request.spec.prompt.clear();
  request.spec.sampling.temperature = taken_temperature(request.spec.sampling.temperature);
  request.joined_at = at;
  request.joined_step = step_;
  request.has_listener = listener != nullptr;
  request.listener = std::move(listener);
  request.ticket = ticket;
  if (refused) request.finish_reason = FinishReason::refused;
  tell(&EngineObserver::on_join, request, refused.value_or(""), num_live() + (refused ? 0 : 1));
  if (refused) return leave(&request, *refused, source);
  live_.emplace(request.spec.id, &request);
  if (ticket != 0) tickets_.emplace(ticket, &request);
  scheduler_->add(request);
}

void Engine::cancel(Request* request, FinishReason reason, TimeNs at, RequestSource* source) {
  if (request->finish_reason != FinishReason::none) return;
  if (request->num_output() == 0) reason = FinishReason::cancelled;  // without a token there is no answer to count
  const bool gone = scheduler_->cancel(*request, reason);
  tell(&EngineObserver::on_cancel, *request, step_, at, gone);
  if (gone) leave(request, name_of(reason), source);
}

bool Engine::step(RequestSource* source) {
  take_messages(source);
  const TimeNs next_event = source ? source->next_time() : kNever;
  if (scheduler_->idle() && in_flight_ == nullptr) {
    if (source && source->next_step() > step_) {
      step_ = source->next_step();
      return true;
    }
    if (next_event == kNever) return !inbox_.empty();
    backend_.wait_until(next_event);
    return true;
  }
  InFlight& next = in_flight_ == &steps_[0] ? steps_[1] : steps_[0];
  StepPlan& plan = next.plan;
  next.planned_at = backend_.now();
  plan.step = step_;
  scheduler_->schedule(next.planned_at, plan, in_flight_ ? &in_flight_->plan : nullptr);
  const bool planned = !plan.rows.empty() || !plan.preemptions.empty();
  if (!planned && in_flight_ == nullptr) {
    const TimeNs until = std::min(plan.wake_at, next_event);
    tell(&EngineObserver::on_wait, plan, next.planned_at);
    if (until != kNever) {
      backend_.wait_until(until);
    } else {
      fail("no step can be made; the peer would wait for ever", source);
    }
    return true;
  }
  if (planned) tell(&EngineObserver::on_plan, plan, *scheduler_, in_flight_ != nullptr);
  try {
    const bool submits = planned && !plan.rows.empty();
    const bool overlaps = backend_.limits().overlaps;
    if (submits && overlaps) backend_.submit(plan);
    if (in_flight_) finish(*in_flight_, source);
    if (submits && !overlaps) backend_.submit(plan);
    in_flight_ = planned ? &next : nullptr;
    if (planned) tell(&EngineObserver::on_run, plan, *scheduler_);
    if (planned && !scheduler_->config().async_scheduling) {
      finish(next, source);
      in_flight_ = nullptr;
    }
  } catch (const BackendError& error) {
    fail(error.what(), source);
    throw;
  }
  if (planned) ++step_;
  return true;
}

void Engine::finish(InFlight& step, RequestSource* source) {
  static const StepResult nothing;
  const StepPlan& plan = step.plan;
  const StepResult& result = plan.rows.empty() ? nothing : backend_.collect();
  const TimeNs start = std::max(step.planned_at, last_end_);
  const TimeNs end = last_end_ = plan.rows.empty() ? start : backend_.now();
  left_.clear();
  scheduler_->commit(plan, result, left_);
  tell(&EngineObserver::on_commit, StepOutcome{plan, result, start, end, *scheduler_, left_});
  deliver(plan, result, end);
  reusable_.insert(reusable_.end(), parting_.begin(), parting_.end());
  parting_.clear();
  for (Request* request : left_) leave(request, {}, source);
}

void Engine::deliver(const StepPlan& plan, const StepResult& result, TimeNs end) {
  const bool streaming = streams(scheduler_->config());
  for (Request* request : left_) {
    if (!streaming && request->num_output() > 0) request->first_token_at = request->last_token_at = end;
  }
  std::size_t next_token = 0;
  for (const Row& row : plan.rows) {
    if (!row.sample) continue;
    const std::size_t i = next_token++;
    Request& request = *row.request;
    if (request.left) continue;  // the row was planned before that was known
    if (streaming) {
      if (request.last_token_at < 0) request.first_token_at = end;
      request.last_token_at = end;
    }
    if (!request.has_listener) continue;
    const bool asks = request.spec.sampling.logprobs >= 0;
    request.listener->on_token(request, result.tokens[i], asks ? result.logprobs_of(i) : nullptr);
  }
}

void Engine::leave(Request* request, const std::string& why, RequestSource* source) {
  tell(&EngineObserver::on_leave, *request, why);
  if (const auto live = live_.find(request->spec.id); live != live_.end() && live->second == request) live_.erase(live);
  if (request->ticket != 0) tickets_.erase(request->ticket);
  if (request->listener) request->listener->on_end(*request, why);
  if (source && request->ticket == 0) source->on_end(*request);
  request->listener.reset();
  request->left = true;
  (in_flight_ ? parting_ : reusable_).push_back(request);
}

void Engine::fail(const std::string& why, RequestSource* source) {
  const TimeNs now = backend_.now();
  std::vector<Request*> all = scheduler_->running();
  for (Request* request : scheduler_->waiting().in_order()) all.push_back(request);
  scheduler_ = Scheduler::create(scheduler_->config());  // the K/V are lost, too
  in_flight_ = nullptr;
  tell(&EngineObserver::on_failure);
  for (Request* request : all) {
    request->finish_reason = FinishReason::error;
    request->num_tokens = request->tokens.size();
    tell(&EngineObserver::on_cancel, *request, step_, now, true);
    leave(request, why, source);
  }
}

void Engine::serve(RequestSource* source) {
  while (true) {
    if (step(source)) continue;
    if (stopping_ && inbox_.empty()) return;
    backend_.wait_until(kNever);
  }
}

}  // namespace tokenyard
