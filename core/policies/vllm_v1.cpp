// vLLM V1, releases up to 0.33, synchronous and asynchronous; measured against recordings of it (docs/policies.md).
//
// There is no prefill and no decode: every step gives each request tokens until its computed ones catch up with its known
// ones. Running requests come first, in admission order; then waiting ones, in queue order, while budget, seats and blocks
// last. Nobody is admitted in a step that preempts.
#include <algorithm>
#include <string_view>
#include <tuple>

#include "core/scheduler.h"

namespace tokenyard::policies {
namespace {

class VllmV1 final : public Scheduler {
 public:
  explicit VllmV1(const EngineConfig& config) : Scheduler(config) {}

 private:
  void compose(TimeNs, StepPlan& plan) override {
    // Since 0.31 a request that is alone has nobody to starve.
    const bool alone = running_.size() + waiting_.size() <= 1 && config_.vllm_version >= VllmVersion::v0_31;
    const std::int32_t threshold = alone ? 0 : config_.long_prefill_token_threshold;
    longest_chunk_ = threshold > 0 ? threshold : std::numeric_limits<std::int32_t>::max();
    std::int32_t budget = config_.max_num_batched_tokens;
    continue_running(plan, budget);
    admit_waiting(plan, budget);
  }

  void continue_running(StepPlan& plan, std::int32_t& budget) {
    for (std::size_t next = 0; next < running_.size();) {
      Request& request = *running_[next++];
      if (ends_in_flight(request)) continue;
      if (budget == 0) return refuse(plan, request, {Cause::token_budget, 1, 0});
      const std::int32_t room = std::min(budget, context_limit() - request.num_computed - 1);
      const std::int32_t count = std::min({request.num_tokens - request.num_computed, longest_chunk_, room});
      if (count <= 0) continue;  // strict peers only: up to 0.28, min_tokens beyond max_model_len keeps one alive for ever
      if (const std::int32_t needed = blocks_.missing(request, request.num_computed + count); needed > 0) {
        while (needed > blocks_.num_free() && request.state == RequestState::running) {
          budget += preempt_one(plan, request, needed, next);
        }
        const bool gave_way = request.state == RequestState::preempted;
        if (gave_way && config_.vllm_version < VllmVersion::v0_33) return;
        if (gave_way) continue;  // those behind it are more important, and may fit
        plan.new_blocks.push_back({&request, static_cast<std::int32_t>(request.blocks.size())});
        blocks_.extend(request, needed);
      }
      add_row(plan, request, count);
      blocks_.publish(request, request.num_computed);
      budget -= count;
    }
  }

  // Returns the tokens of the row it takes back; `next` stays at its request. Not inlined, for the loop needs its registers.
  [[gnu::noinline]] std::int32_t preempt_one(StepPlan& plan, Request& beneficiary, std::int32_t needed, std::size_t& next) {
    const std::size_t v = choose_victim();
    Request& victim = *running_[v];
    running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(v));
    if (v < next) --next;
    const std::int32_t tokens = unschedule(plan, victim);
    preempt(plan, victim, beneficiary, {Cause::blocks, needed, blocks_.num_free()});
    return tokens;
  }

  void admit_waiting(StepPlan& plan, std::int32_t budget) {
    while (!waiting_.empty()) {
      Request& request = *waiting_.front();
      const auto seats = static_cast<std::int32_t>(running_.size()) + 1;
      if (!plan.preemptions.empty()) {
        return refuse(plan, request, {Cause::preemption, static_cast<std::int64_t>(plan.preemptions.size()), 0});
      }
      if (seats > config_.max_num_seqs) return refuse(plan, request, {Cause::seats, seats, config_.max_num_seqs});
      if (budget == 0) return refuse(plan, request, {Cause::token_budget, 1, 0});

      const BlockManager::Prefix prefix = blocks_.find_prefix(request);
      const std::int32_t count = std::min(request.num_tokens - prefix.tokens, longest_chunk_);
      if (!config_.enable_chunked_prefill && count > budget) {
        return refuse(plan, request, {Cause::token_budget, count, budget});
      }
      const std::int32_t tokens = prefix.tokens + std::min(count, budget);
      if (const auto reason = no_room(request, prefix, tokens)) return refuse(plan, request, *reason);

      blocks_.admit(request, prefix, tokens);
      blocks_.publish(request, tokens);
      waiting_.pop_front();
      running_.push_back(&request);
      admit(plan, request, prefix.tokens);
      add_row(plan, request, tokens - prefix.tokens);
      budget -= tokens - prefix.tokens;
    }
  }

  // Why the first `tokens` tokens of `request` get no blocks now.
  std::optional<Reason> no_room(const Request& request, const BlockManager::Prefix& prefix, std::int32_t tokens) const {
    const std::int32_t free = blocks_.num_free();
    const std::int32_t headroom = running_.empty() ? 0 : config_.watermark_blocks;
    const auto fresh = [&](std::int32_t n) {
      return blocks_.blocks_for(std::min(n, context_limit())) - static_cast<std::int32_t>(prefix.blocks.size()) +
             prefix.num_free;
    };
    if (config_.admission_gate) {
      const std::int32_t whole = fresh(request.num_tokens);
      if (whole > free) return Reason{Cause::admission_gate, whole, free};
      if (whole + headroom > free) return Reason{Cause::watermark, whole + headroom, free};
    }
    const std::int32_t needed = fresh(tokens);
    if (needed > free) return Reason{Cause::blocks, needed, free};
    if (needed + headroom > free) return Reason{Cause::watermark, needed + headroom, free};
    return std::nullopt;
  }

  std::size_t choose_victim() const {
    if (config_.queue_order == QueueOrder::fcfs) return running_.size() - 1;
    // The least important by the queue's order. The peer takes the first of those with equal priority and arrival, whatever
    // their ids; then two requests can take each other's blocks for ever.
    const auto rank = [&](const Request* request) {
      const RequestSpec& spec = request->spec;
      return std::tuple(spec.priority, spec.arrival, config_.strict_peer ? std::string_view() : std::string_view(spec.id));
    };
    const auto less = [&](const Request* a, const Request* b) { return rank(a) < rank(b); };
    return static_cast<std::size_t>(std::max_element(running_.begin(), running_.end(), less) - running_.begin());
  }

  // Takes back the row that `victim` has in this step, if any (priority order only). Returns its tokens.
  std::int32_t unschedule(StepPlan& plan, Request& victim) {
    const auto row = std::find_if(plan.rows.begin(), plan.rows.end(), [&](const Row& r) { return r.request == &victim; });
    if (row == plan.rows.end()) return 0;
    const std::int32_t count = row->count;
    const std::int32_t first_block = row->first / config_.block_size;
    // What these blocks held is lost, and what they were to hold will not be computed. The peer leaves them findable all the
    // same ("ghost blocks"). Planning ahead, the row has published the block before it, whose last token had been pending.
    const std::int32_t published = row->waits_for >= 0 ? (row->first - 1) / config_.block_size : first_block;
    blocks_.disturbed().insert(blocks_.disturbed().end(), victim.blocks.begin() + published, victim.blocks.end());
    if (!config_.strict_peer) blocks_.withdraw(victim, first_block);
    plan.rows.erase(row);
    std::erase_if(plan.new_blocks, [&](const NewBlocks& n) { return n.request == &victim; });
    return count;
  }

  std::int32_t longest_chunk_ = 0;  // tokens of one request in this step
};

bool unchunked(const EngineConfig& c) { return !c.enable_chunked_prefill; }

std::optional<std::string> wrong(const EngineConfig& c) {
  if (c.strict_peer) return std::nullopt;
  const auto number = [](std::int32_t n) { return std::to_string(n); };
  if (c.max_num_batched_tokens < c.max_num_seqs) {
    return "max_num_batched_tokens is " + number(c.max_num_batched_tokens) + " and max_num_seqs is " + number(c.max_num_seqs) +
           "; every seat needs a token of the budget, so lower max_num_seqs or raise the budget";
  }
  if (!c.enable_chunked_prefill && c.max_model_len > c.max_num_batched_tokens) {
    return "max_num_batched_tokens is " + number(c.max_num_batched_tokens) + " and max_model_len is " +
           number(c.max_model_len) + "; without chunked prefill the budget must hold a whole context";
  }
  return std::nullopt;
}

}  // namespace

const PolicyTraits vllm_v1 = {
    .name = "vllm_v1",
    .make = [](const EngineConfig& c) -> std::unique_ptr<Scheduler> { return std::make_unique<VllmV1>(c); },
    .block_rules =
        [](const EngineConfig& c) {
          return BlockRules{.findable = BlockRules::Findable::when_scheduled,
                            .publish_on_return = c.vllm_version != VllmVersion::v0_28 || c.strict_peer,
                            .free_order = c.free_order,
                            .null_block = true};
        },
    .wrong = wrong,
    .whole_prompts = unchunked,
    .whole_contexts = unchunked,
    .has_versions = true,
    .orders_queue = true,
};

}  // namespace tokenyard::policies
