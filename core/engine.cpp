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

Engine::Engine(const EngineConfig& config, Backend& backend, EngineOptions options)
    : backend_(backend), scheduler_(Scheduler::create(resolve(config, backend.limits()))), metrics_(options.slo) {
  if (options.trace) trace_ = std::make_unique<TraceRecorder>(*options.trace);
}

std::uint64_t Engine::submit(RequestSpec spec, std::shared_ptr<RequestListener> listener) {
  return post({{SourceEvent::Kind::join, std::move(spec), {}}, std::move(listener), 0});
}

void Engine::cancel(std::uint64_t ticket, FinishReason reason) {
  post({{SourceEvent::Kind::cancel, {}, {}, -1, reason}, nullptr, ticket});
}

std::uint64_t Engine::post(Message message) {
  std::uint64_t ticket = message.ticket;
  {
    const std::lock_guard lock(mutex_);
    if (ticket == 0) message.ticket = ticket = next_ticket_++;
    inbox_.push_back(std::move(message));
    has_messages_ = true;
  }
  backend_.wake();
  return ticket;
}

void Engine::take_messages(RequestSource* source) {
  if (has_messages_.load(std::memory_order_relaxed)) {
    std::vector<Message> messages;
    {
      const std::lock_guard lock(mutex_);
      messages.swap(inbox_);
      has_messages_ = false;
    }
    for (Message& message : messages) {
      if (message.event.kind == SourceEvent::Kind::join) {
        if (message.event.spec.arrival < 0) message.event.spec.arrival = backend_.now();
        join(std::move(message.event.spec), std::move(message.listener), message.ticket, backend_.now(), source);
      } else if (const auto found = tickets_.find(message.ticket); found != tickets_.end()) {
        cancel(found->second, message.event.reason, backend_.now(), source);
      }
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
  request.joined_at = at;
  request.joined_step = step_;
  request.listener = std::move(listener);
  request.ticket = ticket;
  if (refused) request.finish_reason = FinishReason::refused;
  if (trace_) trace_->on_join(request, refused.value_or(""));
  metrics_.on_join(request, num_live() + (refused ? 0 : 1));
  if (refused) return leave(&request, *refused, source);
  live_.emplace(request.spec.id, &request);
  if (ticket != 0) tickets_.emplace(ticket, &request);
  scheduler_->add(request);
}

void Engine::cancel(Request* request, FinishReason reason, TimeNs at, RequestSource* source) {
  if (request->finish_reason != FinishReason::none) return;
  if (request->num_output() == 0) reason = FinishReason::cancelled;  // without a token there is no answer to count
  const bool gone = scheduler_->cancel(*request, reason);
  if (trace_) trace_->on_cancel(*request, step_, at, gone);
  if (gone) leave(request, name_of(reason), source);
}

bool Engine::step(RequestSource* source) {
  take_messages(source);
  const TimeNs next_event = source ? source->next_time() : kNever;
  if (scheduler_->idle()) {
    if (source && source->next_step() > step_) {
      step_ = source->next_step();
      return true;
    }
    if (next_event == kNever) return has_messages_;
    backend_.wait_until(next_event);
    return true;
  }
  const TimeNs start = backend_.now();
  plan_.step = step_;
  scheduler_->schedule(start, plan_);
  if (plan_.rows.empty() && plan_.preemptions.empty()) {
    const TimeNs until = std::min(plan_.wake_at, next_event);
    if (trace_) trace_->on_wait(plan_, start);
    if (until != kNever) {
      backend_.wait_until(until);
    } else {
      fail("no step can be made; the peer would wait for ever", source);
    }
    return true;
  }
  if (trace_) trace_->on_plan(plan_, start, *scheduler_);
  static const StepResult nothing;
  const StepResult* result = &nothing;
  if (!plan_.rows.empty()) {
    try {
      backend_.submit(plan_);
      result = &backend_.collect();
    } catch (const BackendError& error) {
      fail(error.what(), source);
      throw;
    }
  }
  const TimeNs end = plan_.rows.empty() ? start : backend_.now();
  const MemoryUse memory = memory_use(*scheduler_, plan_);
  left_.clear();
  scheduler_->commit(plan_, *result, left_);
  metrics_.on_step(plan_, end, result->duration, memory);
  deliver(plan_, *result, end);
  if (trace_) trace_->on_step(plan_, *result, end, *scheduler_, left_);
  for (Request* request : left_) leave(request, {}, source);
  ++step_;
  return true;
}

void Engine::deliver(const StepPlan& plan, const StepResult& result, TimeNs end) {
  if (scheduler_->streams()) {
    TimeNs gap = 0;  // most rows of a step share one gap: report runs of equal ones together
    std::int64_t gaps = 0;
    for (const Row& row : plan.rows) {
      if (!row.sample) continue;
      Request& request = *row.request;
      if (request.last_token_at < 0) {
        request.first_token_at = end;
      } else {
        const TimeNs own = end - request.last_token_at;
        if (own != gap) {
          metrics_.on_token_gap(gap, gaps);
          gap = own;
          gaps = 0;
        }
        ++gaps;
      }
      request.last_token_at = end;
    }
    metrics_.on_token_gap(gap, gaps);
  } else {
    for (Request* request : left_) {
      if (request->num_output() > 0) request->first_token_at = request->last_token_at = end;
    }
  }
  metrics_.on_tokens(end, static_cast<std::int64_t>(result.tokens.size()));
  if (tickets_.empty()) return;
  std::size_t i = 0;
  for (const Row& row : plan.rows) {
    if (!row.sample) continue;
    const bool asks = row.request->spec.sampling.logprobs >= 0;
    if (row.request->listener) {
      row.request->listener->on_token(*row.request, result.tokens[i], asks ? result.logprobs_of(i) : nullptr);
    }
    ++i;
  }
}

void Engine::leave(Request* request, const std::string& why, RequestSource* source) {
  metrics_.on_end(*request, why);
  if (const auto live = live_.find(request->spec.id); live != live_.end() && live->second == request) live_.erase(live);
  if (request->ticket != 0) tickets_.erase(request->ticket);
  if (request->listener) request->listener->on_end(*request, why);
  if (source && request->ticket == 0) source->on_end(*request);
  request->listener.reset();
  reusable_.push_back(request);
}

void Engine::fail(const std::string& why, RequestSource* source) {
  const TimeNs now = backend_.now();
  std::vector<Request*> all = scheduler_->running();
  for (Request* request : scheduler_->waiting().in_order()) all.push_back(request);
  scheduler_ = Scheduler::create(scheduler_->config());  // the K/V are lost, too
  for (Request* request : all) {
    request->finish_reason = FinishReason::error;
    if (trace_) trace_->on_cancel(*request, step_, now, true);
    leave(request, why, source);
  }
}

void Engine::serve(RequestSource* source) {
  while (true) {
    if (step(source)) continue;
    if (stopping_ && !has_messages_) return;
    backend_.wait_until(kNever);
  }
}

}  // namespace tokenyard
