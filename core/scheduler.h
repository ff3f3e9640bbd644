// What every scheduling policy shares: the queues, the end of a request, and the two halves of a step.
//
//   schedule(): choose the step's rows and give them blocks.   commit(): take the step's tokens, end who is done.
//
// A policy overrides compose() and little else; policies/*.cpp are one policy each. Single-threaded; the engine serialises.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/block_manager.h"
#include "core/policy.h"
#include "core/request.h"
#include "core/request_lengths.h"
#include "core/step_plan.h"

namespace tokenyard {

// FCFS: in order of insertion, with a way to the front. Priority: by (priority, arrival, id), wherever one is inserted.
class WaitingQueue {
 public:
  explicit WaitingQueue(QueueOrder order) : queue_(Sooner{order}) {}
  bool empty() const { return queue_.empty(); }
  std::size_t size() const { return queue_.size(); }
  Request* front() const { return *queue_.begin(); }
  void push_back(Request* request) {
    request->queue_position = ++back_;
    queue_.insert(request);
  }
  void push_front(Request* request) {
    request->queue_position = --front_;
    queue_.insert(request);
  }
  void pop_front() { queue_.erase(queue_.begin()); }
  void erase(Request* request) { queue_.erase(request); }
  std::vector<Request*> in_order() const { return {queue_.begin(), queue_.end()}; }

 private:
  struct Sooner {
    QueueOrder order;
    bool operator()(const Request* a, const Request* b) const;
  };
  std::set<Request*, Sooner> queue_;
  std::int64_t front_ = 0;
  std::int64_t back_ = 0;
};

class Scheduler {
 public:
  // REQUIRES: !validate(config).
  static std::unique_ptr<Scheduler> create(const EngineConfig& config);
  virtual ~Scheduler() = default;

  // Why this request can never run here, with the numbers, or nothing.
  std::optional<std::string> impossible(const RequestSpec& spec) const;

  // Joins the waiting queue. REQUIRES: request.tokens holds the prompt; !impossible(spec) unless a peer's run is replayed.
  void add(Request& request);

  // Chooses the next step into `plan` (cleared first). Counts the chosen tokens as computed at once. `in_flight`: the step
  // before, when it is not committed yet; what it samples counts as known, only which tokens these are is not.
  // O(rows + admissions x prefix blocks + new blocks).
  void schedule(TimeNs now, StepPlan& plan, const StepPlan* in_flight = nullptr);

  // Takes the step's sampled tokens. Requests that leave the engine are appended to `left`, in order, without blocks.
  // REQUIRES: plans are committed in the order they were scheduled.
  void commit(const StepPlan& plan, const StepResult& result, std::vector<Request*>& left);

  // Ends a live request between steps. False when it stays as padding until its batch ends (static).
  bool cancel(Request& request, FinishReason reason = FinishReason::cancelled);

  bool idle() const { return waiting_.empty() && running_.empty(); }
  const WaitingQueue& waiting() const { return waiting_; }
  const std::vector<Request*>& running() const { return running_; }  // in admission order
  BlockManager& blocks() { return blocks_; }
  const BlockManager& blocks() const { return blocks_; }
  const EngineConfig& config() const { return config_; }
  EngineConfig& config() { return config_; }

  // Every request that holds blocks.
  std::vector<const Request*> holders() const;
  void check_invariants() const;  // throws std::logic_error

 protected:
  explicit Scheduler(const EngineConfig& config);

  virtual void compose(TimeNs now, StepPlan& plan) = 0;
  virtual std::optional<std::string> policy_impossible(const RequestSpec&) const { return std::nullopt; }

  // The longest sequence (prompt + output) a request may reach.
  std::int32_t context_limit() const { return context_limit_; }
  std::int32_t longest(const RequestSpec& spec, std::int32_t prompt) const { return longest_of(spec, prompt, context_limit_); }

  // Gives `request` a row for its next `count` tokens, which count as computed.
  static void add_row(StepPlan& plan, Request& request, std::int32_t count) {
    request.num_computed += count;
    const bool last = request.num_computed == request.num_tokens;
    plan.rows.push_back({&request, request.num_computed - count, count, 0, last, last ? request.pending : -1});
  }
  // The step in flight samples its last token, so nothing is left to plan for it.
  static bool ends_in_flight(const Request& request) {
    return request.pending >= 0 && request.num_tokens >= request.length_limit;
  }
  // Notes why the first request in order gets nothing.
  static void refuse(StepPlan& plan, Request& request, Reason reason) { plan.refusals.push_back({&request, reason}); }
  void admit(StepPlan& plan, Request& request, std::int32_t hit_tokens);  // from the queue's head to running
  // Takes all blocks from `victim` and puts it at the head of the queue. REQUIRES: it was taken out of running_.
  void preempt(StepPlan& plan, Request& victim, Request& beneficiary, Reason reason);

  EngineConfig config_;
  BlockManager blocks_;
  WaitingQueue waiting_;
  std::vector<Request*> running_;

 private:
  FinishReason finish_reason(const Request& request, Token token) const;
  void retire(const StepPlan& plan, std::vector<Request*>& left);  // who has ended, in row order

  std::int32_t context_limit_;
};

}  // namespace tokenyard
