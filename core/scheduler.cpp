#include "core/scheduler.h"

#include <algorithm>
#include <span>
#include <tuple>

namespace tokenyard {

bool WaitingQueue::Sooner::operator()(const Request* a, const Request* b) const {
  if (order == QueueOrder::fcfs) return a->queue_position < b->queue_position;
  return std::tie(a->spec.priority, a->spec.arrival, a->spec.id) < std::tie(b->spec.priority, b->spec.arrival, b->spec.id);
}

std::unique_ptr<Scheduler> Scheduler::create(const EngineConfig& config) { return config.policy->make(config); }

Scheduler::Scheduler(const EngineConfig& config)
    : config_(config),
      blocks_(config),
      waiting_(config.policy->orders_queue ? config.queue_order : QueueOrder::fcfs),
      context_limit_(context_limit_of(config)) {}

std::optional<std::string> Scheduler::impossible(const RequestSpec& spec) const {
  const auto text = [](std::int64_t n) { return std::to_string(n); };
  const std::int64_t prompt = spec.prompt.size();
  if (prompt == 0) return "the prompt is empty";
  if (spec.max_tokens < 1) return "max_tokens is " + text(spec.max_tokens) + "; at least 1 is needed";
  if (prompt >= context_limit_) {
    return "the prompt has " + text(prompt) + " tokens; a context of " + text(context_limit_) + " leaves no room to answer";
  }
  if (blocks_.blocks_for(prompt) > blocks_.num_usable()) {
    return "the prompt needs " + text(blocks_.blocks_for(prompt)) + " blocks of " + text(config_.block_size) +
           " tokens; the pool has " + text(blocks_.num_usable());
  }
  const std::int64_t reachable =
      std::min<std::int64_t>({spec.max_tokens, context_limit_ - prompt, blocks_.capacity() + 1 - prompt});
  if (spec.min_tokens > reachable) {
    return "min_tokens is " + text(spec.min_tokens) + "; at most " + text(reachable) + " can be generated here";
  }
  return policy_impossible(spec);
}

void Scheduler::add(Request& request) {
  const RequestLengths lengths = request_lengths(config_, request.spec, request.num_prompt);
  request.length_limit = lengths.limit;
  request.expected_kv = lengths.expected_kv;
  request.unnamed_output = unnamed_output(request.spec);
  request.state = RequestState::waiting;
  waiting_.push_back(&request);
}

void Scheduler::schedule(TimeNs now, StepPlan& plan, const StepPlan* in_flight) {
  std::int32_t sampled = 0;
  for (const Row& row : in_flight ? std::span(in_flight->rows) : std::span<const Row>()) {
    if (!row.sample) continue;
    Request& request = *row.request;
    if (request.finish_reason == FinishReason::none) {
      request.pending = sampled;
      ++request.num_tokens;
    }
    ++sampled;
  }
  plan.clear();
  blocks_.disturbed().clear();
  compose(now, plan);
}

void Scheduler::commit(const StepPlan& plan, const StepResult& result, std::vector<Request*>& left) {
  const bool after_step = blocks_.rules().findable == BlockRules::Findable::after_step;
  bool ended = false;
  const Token* next_token = result.tokens.data();
  for (const Row& row : plan.rows) {
    Request& request = *row.request;
    if (request.finish_reason != FinishReason::none) {
      ended = true;
      next_token += row.sample ? 1 : 0;
      continue;
    }
    // Planning ahead, only a row whose last token had been pending has published less than it computed.
    if ((after_step || row.waits_for >= 0) && blocks_.rules().publish_on_return) {
      blocks_.publish(request, std::min(row.first + row.count, request.num_computed));
    }
    if (!row.sample) continue;
    const Token token = *next_token++;
    if (request.pending < 0) ++request.num_tokens;
    request.pending = -1;
    if (token >= 0) {
      request.tokens.append(token);
    } else if (request.num_output() == 1 || !request.tokens.extend_named()) {
      request.tokens.append(request.spec.output_content, request.num_output() - 1, 1);
    }
    if (token == kUnnamedToken && request.num_tokens < request.length_limit) continue;  // nothing to end it
    request.finish_reason = finish_reason(request, token);
    ended = ended || request.finish_reason != FinishReason::none;
  }
  if (ended) retire(plan, left);
}

FinishReason Scheduler::finish_reason(const Request& request, Token token) const {
  const RequestSpec& spec = request.spec;
  // Later versions leave min_tokens to the sampler, which keeps back what would end the text.
  if (config_.vllm_version < VllmVersion::v0_29 && request.num_output() < spec.min_tokens) return FinishReason::none;
  const bool end_of_text = token == kUnnamedEnd || (token == config_.eos_token_id && token >= 0);
  if (end_of_text && !spec.ignore_eos) return FinishReason::stop;
  if (std::find(spec.stop_token_ids.begin(), spec.stop_token_ids.end(), token) != spec.stop_token_ids.end()) {
    return FinishReason::stop;
  }
  if (request.num_tokens < request.length_limit) return FinishReason::none;
  const bool asked_for = request.num_output() >= spec.max_tokens || request.num_tokens >= context_limit_;
  return asked_for ? FinishReason::length : FinishReason::kv_capacity;
}

void Scheduler::retire(const StepPlan& plan, std::vector<Request*>& left) {
  const auto ended = [](const Request* r) { return r->finish_reason != FinishReason::none; };
  if (config_.policy->leaves_together && !std::all_of(running_.begin(), running_.end(), ended)) return;
  for (const Row& row : plan.rows) {
    Request& request = *row.request;
    if (!ended(&request) || request.state == RequestState::finished) continue;
    if (request.state == RequestState::preempted) waiting_.erase(&request);  // by the plan made meanwhile
    blocks_.release(request);
    request.state = RequestState::finished;
    left.push_back(&request);
  }
  std::erase_if(running_, ended);
}

bool Scheduler::cancel(Request& request, FinishReason reason) {
  const auto at = std::find(running_.begin(), running_.end(), &request);
  request.finish_reason = reason;
  if (at != running_.end()) {
    if (config_.policy->leaves_together) return false;
    running_.erase(at);
  } else {
    waiting_.erase(&request);
  }
  blocks_.release(request);
  request.state = RequestState::finished;
  return true;
}

void Scheduler::admit(StepPlan& plan, Request& request, std::int32_t hit_tokens) {
  request.num_cached = hit_tokens;
  request.num_computed = hit_tokens;
  request.state = RequestState::running;
  plan.admissions.push_back({&request, hit_tokens, request.computed_before});
  plan.new_blocks.push_back({&request, 0});
  request.computed_before = true;
}

void Scheduler::preempt(StepPlan& plan, Request& victim, Request& beneficiary, Reason reason) {
  plan.preemptions.push_back({&victim, &beneficiary, reason, blocks_.num_private(victim)});
  blocks_.release(victim);
  victim.num_computed = 0;
  victim.num_cached = 0;
  ++victim.num_preemptions;
  victim.state = RequestState::preempted;
  waiting_.push_front(&victim);
}

}  // namespace tokenyard
