#include "core/trace/state.h"

#include <algorithm>
#include <utility>

#include "core/base/input_error.h"

namespace tokenyard {
namespace {

std::string text(std::int64_t n) { return std::to_string(n); }
std::string called(std::int32_t request) { return "request " + text(request); }

}  // namespace

TraceState::TraceState(const TraceHeader& header, std::string name)
    : config_(header.engine),
      rules_(block_rules(config_)),
      name_(std::move(name)),
      blocks_(static_cast<std::size_t>(config_.num_blocks)),
      num_free_(usable_blocks(config_)) {}

void TraceState::fail(const std::string& sentence) const {
  throw InputError(name_ + ": step " + text(std::max(step_, next_step_)) + ": " + sentence);
}

TraceState::Request& TraceState::known(std::int32_t number) {
  if (number < 0 || static_cast<std::size_t>(number) >= requests_.size()) {
    fail("expected a request that has joined, found " + called(number) + " of " + text(std::ssize(requests_)));
  }
  return requests_[static_cast<std::size_t>(number)];
}

TraceState::Block& TraceState::block(BlockId id) {
  if (id < (rules_.null_block ? 1 : 0) || id >= config_.num_blocks) {
    fail("expected a block between " + text(rules_.null_block ? 1 : 0) + " and " + text(config_.num_blocks - 1) + ", found " +
         text(id));
  }
  return blocks_[static_cast<std::size_t>(id)];
}

void TraceState::advance(TimeNs at) {
  if (at < now_) fail("expected a time of at least " + text(now_) + " ns, found " + text(at));
  now_ = at;
}

void TraceState::apply(const JoinRecord& join) {
  if (join.request != std::ssize(requests_)) {
    fail("expected request number " + text(std::ssize(requests_)) + " to join, found " + text(join.request));
  }
  if (join.step < next_step_) fail(called(join.request) + " joins before step " + text(join.step) + ", which is over");
  next_step_ = join.step;
  advance(join.at);
  Request& request = requests_.emplace_back();
  request.join = join;
  request.tokens = std::move(request.join.spec.prompt);
  request.join.spec.prompt.clear();
  request.num_prompt = request.tokens.size();
  if (join.refused.empty()) {
    ++num_waiting_;
  } else {
    request.life = Life::refused;
    request.reason = FinishReason::refused;
    request.ended_at = join.at;
  }
}

void TraceState::apply(const CancelRecord& cancel) {
  if (cancel.step < next_step_) fail(called(cancel.request) + " is cancelled in step " + text(cancel.step) + ", which is over");
  next_step_ = cancel.step;
  returned_.clear();
  if (!cancel.ahead) catch_up();
  advance(cancel.at);
  Request& request = known(cancel.request);
  if (!request.live()) fail("expected a live request to cancel, found " + called(cancel.request));
  if (!cancel.gone) {
    if (request.life != Life::running || !config_.policy->leaves_together) {
      fail("expected " + called(cancel.request) + " to be in a static batch, which it is to stay in");
    }
    request.done = true;
    request.reason = cancel.reason;
    return;
  }
  if (request.life == Life::running) {
    std::erase(running_, cancel.request);
  } else {
    --num_waiting_;
  }
  leave(request, cancel.reason, cancel.at);
}

void TraceState::leave(Request& request, FinishReason reason, TimeNs at) {
  release(request);
  request.life = reason == FinishReason::cancelled ? Life::cancelled : Life::finished;
  request.reason = reason;
  request.ended_at = at;
  if (request.life == Life::finished) ++totals_.finished;
}

void TraceState::take(Request& request, BlockId id) {
  Block& b = block(id);
  if (b.references != 0) fail("block " + text(id) + " is handed out to " + called(request.join.request) + " and is not free");
  if (rules_.contiguous && !request.blocks.empty() && id != request.blocks.back() + 1) {
    fail("the region of " + called(request.join.request) + " is not contiguous at block " + text(id));
  }
  if (b.findable) evicted_.push_back(id);
  b = {1, request.join.request, static_cast<std::int32_t>(request.blocks.size()), false};
  --num_free_;
  ++num_table_entries_;
  request.blocks.push_back(id);
}

void TraceState::hit(Request& request, BlockId id) {
  Block& b = block(id);
  if (!b.findable) fail("block " + text(id) + " is a prefix hit of " + called(request.join.request) + " and was not findable");
  if (b.references++ == 0) --num_free_;
  ++num_table_entries_;
  request.blocks.push_back(id);
}

void TraceState::give_back(BlockId id) {
  if (--blocks_[static_cast<std::size_t>(id)].references == 0) ++num_free_;
  --num_table_entries_;
}

void TraceState::release(Request& request) {
  for (const BlockId id : request.blocks) give_back(id);
  request.blocks.clear();
  request.num_registered = 0;
}

void TraceState::publish(Request& request, std::int32_t computed) {
  if (rules_.findable == BlockRules::Findable::never) return;
  while ((std::int64_t{request.num_registered} + 1) * config_.block_size <= computed &&
         request.num_registered < std::ssize(request.blocks)) {
    const BlockId id = request.blocks[static_cast<std::size_t>(request.num_registered++)];
    blocks_[static_cast<std::size_t>(id)].findable = true;
  }
}

void TraceState::check_table(const Request& request, std::int32_t tokens) const {
  const std::vector<BlockId>& table = request.blocks;
  if (std::ssize(table) * config_.block_size < tokens) {
    fail(called(request.join.request) + " computes up to token " + text(tokens) + ", but its " + text(std::ssize(table)) +
         " blocks hold " + text(std::ssize(table) * config_.block_size));
  }
}

void TraceState::begin(const StepRecord& step) {
  if (step.step < next_step_) fail("expected step " + text(next_step_) + " or a later one, found " + text(step.step));
  if (step.ahead && !is_open_) fail("it was planned before the outcome of a step that is not there");
  returned_.clear();
  if (!step.ahead) catch_up();
  step_ = step.step;
  next_step_ = step.step + 1;
  advance(step.start);
  advance(step.end);
  if (config_.async_scheduling) now_ = step.start;  // those who join or leave while it runs stand after it
  for (const Row& row : open_rows_) {
    Request& request = requests_[static_cast<std::size_t>(row.request)];
    request.pending = is_open_ && row.sample && request.live();
  }
  rows_.clear();
  evicted_.clear();
  begin_refusals(step);
  begin_preemptions(step);
  begin_running(step);
  begin_admissions(step);
  totals_.evicted_blocks += std::ssize(evicted_);
  if (config_.policy->leaves_together && step.prefill_only) {
    std::int32_t longest = 0;
    for (const Row& row : rows_) longest = std::max(longest, row.count);
    for (Row& row : rows_) row.padding = longest - row.count;
  }
}

void TraceState::begin_refusals(const StepRecord& step) {
  const auto find = [&](std::int32_t request, Cause cause) {
    return std::find_if(standing_.begin(), standing_.end(),
                        [&](const Standing& s) { return s.request == request && s.reason.cause == cause; });
  };
  if (step.waited) known(step.waited->request);
  for (const StepRecord::RefusalEnd& ended : step.refused_until) {
    const auto standing = find(ended.request, ended.reason.cause);
    if (standing == standing_.end() || standing->since != ended.since) {
      fail("a refusal of " + called(ended.request) + " ends that did not begin in step " + text(ended.since));
    }
    standing_.erase(standing);
  }
  for (const StepRecord::Refusal& refusal : step.refused) {
    if (!known(refusal.request).live()) fail("expected a live request to be refused, found " + called(refusal.request));
    if (find(refusal.request, refusal.reason.cause) != standing_.end()) {
      fail("a refusal of " + called(refusal.request) + " begins that stands already");
    }
    standing_.push_back({refusal.request, step.step, refusal.reason});
  }
}

void TraceState::begin_preemptions(const StepRecord& step) {
  if (step.preempted.empty()) return;
  for (const StepRecord::Preemption& preemption : step.preempted) {
    Request& victim = known(preemption.victim);
    known(preemption.beneficiary);
    if (victim.life != Life::running) fail("expected a running request to be preempted, found " + called(preemption.victim));
    release(victim);
    victim.num_computed = 0;
    victim.num_cached = 0;
    victim.life = Life::preempted;
    ++victim.num_preemptions;
    ++num_waiting_;
    ++totals_.preemptions;
  }
  std::erase_if(running_, [&](std::int32_t number) { return request(number).life != Life::running; });
}

void TraceState::begin_running(const StepRecord& step) {
  std::size_t chunk = 0;
  std::size_t grown = 0;
  std::size_t moved = 0;
  std::size_t skipped = 0;
  for (const std::int32_t number : running_) {
    Request& request = requests_[static_cast<std::size_t>(number)];
    if (grown < step.grown.size() && step.grown[grown].request == number) {
      for (const BlockId id : step.ids(step.grown[grown++].blocks)) take(request, id);
    }
    if (moved < step.moved.size() && step.moved[moved].request == number) {
      const std::vector<BlockId> old = std::exchange(request.blocks, {});
      for (const BlockId id : step.ids(step.moved[moved++].blocks)) take(request, id);
      for (const BlockId id : old) give_back(id);
    }
    if (chunk < step.chunks.size() && step.chunks[chunk].request == number) {
      add_row(request, step.chunks[chunk++].tokens);
    } else if (skipped < step.skipped.size() && step.skipped[skipped] == number) {
      ++skipped;
    } else if (request.done) {
      rows_.push_back({number, request.num_computed, 0, 1, false});
    } else if (!step.prefill_only && request.num_tokens() - request.num_computed == 1) {
      add_row(request, 1);
    }
  }
  const auto consumed = [&](const char* list, std::size_t used, std::size_t all) {
    if (used < all) fail(std::string("\"") + list + "\" names a request that is not running, or not in running order");
  };
  consumed("chunk", chunk, step.chunks.size());
  consumed("grow", grown, step.grown.size());
  consumed("move", moved, step.moved.size());
  consumed("skip", skipped, step.skipped.size());
}

void TraceState::begin_admissions(const StepRecord& step) {
  for (const StepRecord::Admission& admission : step.admitted) {
    Request& request = known(admission.request);
    if (request.life != Life::queued && request.life != Life::preempted) {
      fail("expected a waiting request to be admitted, found " + called(admission.request));
    }
    const std::span<const BlockId> table = step.ids(admission.blocks);
    const std::int32_t hits = admission.hit_tokens / config_.block_size;
    if (admission.hit_tokens % config_.block_size != 0 || hits > std::ssize(table) ||
        admission.hit_tokens > request.num_tokens()) {
      fail(called(admission.request) + " hits " + text(admission.hit_tokens) + " tokens, which its blocks cannot be");
    }
    request.life = Life::running;
    --num_waiting_;
    running_.push_back(admission.request);
    for (std::int32_t i = 0; i < std::ssize(table); ++i) {
      const BlockId id = table[static_cast<std::size_t>(i)];
      i < hits ? hit(request, id) : take(request, id);
    }
    request.num_registered = hits;
    request.num_cached = admission.hit_tokens;
    request.num_computed = admission.hit_tokens;
    add_row(request, admission.tokens);
    ++totals_.admissions;
    totals_.hit_tokens += admission.hit_tokens;
  }
}

void TraceState::add_row(Request& request, std::int32_t count) {
  const std::int32_t first = request.num_computed;
  if (count > request.num_tokens() - first) {
    fail(called(request.join.request) + " computes " + text(count) + " tokens; " + text(request.num_tokens() - first) +
         " are known and not computed");
  }
  check_table(request, first + count);
  if (request.num_tokens() == INT32_MAX) fail(called(request.join.request) + " has more than 2147483647 tokens");
  request.num_computed += count;
  rows_.push_back({request.join.request, first, count, 0, request.num_computed == request.num_tokens()});
  totals_.computed_tokens += count;
  if (rules_.findable == BlockRules::Findable::when_scheduled) {
    publish(request, std::min(request.num_computed, request.tokens.size()));
  }
}

void TraceState::finish(const StepRecord& step) {
  returned_.clear();
  catch_up();
  if (rules_.findable != BlockRules::Findable::after_step) note_findable(step);
  ++totals_.steps;
  if (!config_.async_scheduling) return take_outcome(step, rows_);
  open_ = step;
  open_rows_ = rows_;
  is_open_ = true;
}

void TraceState::catch_up() {
  if (std::exchange(is_open_, false)) take_outcome(open_, open_rows_);
}

void TraceState::note_findable(const StepRecord& step) {
  for (const BlockId id : step.unfindable) block(id).findable = false;
  for (const BlockId id : step.findable) block(id).findable = true;
}

void TraceState::take_outcome(const StepRecord& step, std::span<const Row> rows) {
  std::size_t next_token = 0;
  for (const Row& row : rows) {
    Request& request = requests_[static_cast<std::size_t>(row.request)];
    if (request.live() && rules_.publish_on_return) {
      const std::int32_t known = request.num_registered;
      publish(request, std::min(row.first + row.count, request.num_computed));
      returned_.insert(returned_.end(), request.blocks.begin() + known, request.blocks.begin() + request.num_registered);
    }
    if (!row.sample) continue;
    const bool named = next_token < step.tokens.size() && step.tokens[next_token] >= 0;
    ++next_token;
    request.pending = false;
    if (!request.live()) continue;  // the row was planned before that was known
    ++totals_.sampled_tokens;
    if (named) {
      request.tokens.append(step.tokens[next_token - 1]);
    } else {
      request.tokens.append(request.join.spec.output_content, request.num_tokens() - request.num_prompt, 1);
    }
  }
  if (!step.tokens.empty() && step.tokens.size() != next_token) {
    fail("expected " + text(static_cast<std::int64_t>(next_token)) + " sampled tokens, found " + text(std::ssize(step.tokens)));
  }
  for (const StepRecord::Finish& done : step.done) {
    Request& request = known(done.request);
    if (request.life != Life::running || request.done || !config_.policy->leaves_together) {
      fail("expected a request of a static batch to be done, found " + called(done.request));
    }
    request.done = true;
    request.reason = done.reason;
  }
  for (const StepRecord::Finish& finished : step.finished) {
    Request& request = known(finished.request);
    if (request.life == Life::preempted && config_.async_scheduling) {
      --num_waiting_;  // by the step that was planned meanwhile
    } else if (request.life != Life::running) {
      fail("expected a running request to finish, found " + called(finished.request));
    }
    leave(request, finished.reason, step.end);
  }
  if (!step.finished.empty()) {
    std::erase_if(running_, [&](std::int32_t number) { return request(number).life != Life::running; });
  }
  if (rules_.findable == BlockRules::Findable::after_step) note_findable(step);
}

TraceSource::Kind apply_next(TraceSource& source, TraceState& state) {
  const TraceSource::Kind kind = source.next();
  switch (kind) {
    case TraceSource::Kind::join: state.apply(source.join()); break;
    case TraceSource::Kind::step: state.apply(source.step()); break;
    case TraceSource::Kind::cancel: state.apply(source.cancel()); break;
    case TraceSource::Kind::end: state.end(); break;
    case TraceSource::Kind::none: break;
  }
  return kind;
}

}  // namespace tokenyard
