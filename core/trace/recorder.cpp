#include "core/trace/recorder.h"

#include <algorithm>

#include "core/policy.h"
#include "core/scheduler.h"

namespace tokenyard {

void StepRecord::clear() {
  step = start = end = duration = 0;
  parts = {};
  prefill_only = false;
  ahead = false;
  admitted.clear();
  chunks.clear();
  grown.clear();
  moved.clear();
  skipped.clear();
  preempted.clear();
  refused.clear();
  refused_until.clear();
  waited.reset();
  done.clear();
  finished.clear();
  unfindable.clear();
  findable.clear();
  tokens.clear();
  block_ids.clear();
}

bool operator==(const StepRecord& a, const StepRecord& b) {
  const auto same_ids = [&](StepRecord::BlockList x, StepRecord::BlockList y) {
    return std::ranges::equal(a.ids(x), b.ids(y));
  };
  const auto same_blocks = [&](const StepRecord::Blocks& x, const StepRecord::Blocks& y) {
    return x.request == y.request && same_ids(x.blocks, y.blocks);
  };
  const auto same_admission = [&](const StepRecord::Admission& x, const StepRecord::Admission& y) {
    return x.request == y.request && x.hit_tokens == y.hit_tokens && x.tokens == y.tokens && same_ids(x.blocks, y.blocks);
  };
  return a.step == b.step && a.start == b.start && a.end == b.end && a.duration == b.duration && a.parts == b.parts &&
         a.prefill_only == b.prefill_only && a.ahead == b.ahead && std::ranges::equal(a.admitted, b.admitted, same_admission) &&
         a.chunks == b.chunks && std::ranges::equal(a.grown, b.grown, same_blocks) &&
         std::ranges::equal(a.moved, b.moved, same_blocks) && a.skipped == b.skipped && a.preempted == b.preempted &&
         a.refused == b.refused && a.refused_until == b.refused_until && a.waited == b.waited && a.done == b.done &&
         a.finished == b.finished && a.unfindable == b.unfindable && a.findable == b.findable && a.tokens == b.tokens;
}

void TraceRecorder::on_join(const Request& request, const std::string& refused, std::int64_t) {
  JoinRecord join{request.number, request.joined_step, request.joined_at, request.spec, refused, in_flight_ > 0};
  join.spec.prompt = request.tokens;
  held_.emplace_back(std::move(join));
  if (in_flight_ == 0) write_held();
}

void TraceRecorder::on_cancel(const Request& request, std::int64_t step, TimeNs at, bool gone) {
  if (waited_ && waited_->request == request.number) waited_.reset();
  held_.emplace_back(CancelRecord{request.number, step, at, request.finish_reason, gone, in_flight_ > 0});
  if (in_flight_ == 0) write_held();
}

void TraceRecorder::write_held() {
  for (const auto& record : held_) {
    if (const auto* join = std::get_if<JoinRecord>(&record)) {
      sink_.on_join(*join);
    } else {
      sink_.on_cancel(std::get<CancelRecord>(record));
    }
  }
  held_.clear();
}

void TraceRecorder::on_failure() {
  in_flight_ = 0;
  write_held();
}

void TraceRecorder::on_wait(const StepPlan& plan, TimeNs now) {
  if (plan.refusals.empty()) return;
  const Refusal& refusal = plan.refusals.front();
  const bool goes_on = waited_ && waited_->request == refusal.request->number && waited_->reason.cause == refusal.reason.cause;
  if (!goes_on) waited_ = {refusal.request->number, refusal.reason, now};
}

void TraceRecorder::on_plan(const StepPlan& plan, const Scheduler& scheduler, bool ahead) {
  StepRecord& record = records_[in_flight_++];
  record.clear();
  record.step = plan.step;
  record.prefill_only = plan.prefill_only;
  record.ahead = ahead;
  record.waited.swap(waited_);
  record_rows(plan, scheduler, record);
  record_blocks(plan, record);
  for (const Preemption& p : plan.preemptions) {
    record.preempted.push_back({p.victim->number, p.beneficiary->number, p.reason, p.freed_blocks});
  }
  if (scheduler.blocks().rules().findable != BlockRules::Findable::after_step) record_disturbed(scheduler, record);
}

// Which blocks were disturbed, since schedule() began.
void TraceRecorder::record_disturbed(const Scheduler& scheduler, StepRecord& record) {
  for (const BlockId block : scheduler.blocks().disturbed()) {
    (scheduler.blocks().pool().findable(block) ? record.findable : record.unfindable).push_back(block);
  }
}

void TraceRecorder::record_rows(const StepPlan& plan, const Scheduler& scheduler, StepRecord& record) {
  // Every admission has one row, and these rows are the last.
  const std::size_t earlier = plan.rows.size() - plan.admissions.size();
  for (std::size_t i = 0; i < earlier; ++i) {
    const Row& row = plan.rows[i];
    const bool implied = (row.count == 1 && row.sample && !plan.prefill_only) || row.count == 0;
    if (!implied) record.chunks.push_back({row.request->number, row.count});
  }
  const std::vector<Request*>& running = scheduler.running();
  if (plan.prefill_only || plan.rows.size() == running.size()) return;
  std::size_t next = 0;
  for (std::size_t i = 0; i < running.size() - plan.admissions.size(); ++i) {
    const Request& request = *running[i];
    if (next < earlier && plan.rows[next].request == &request) {
      ++next;
    } else if (request.num_tokens - request.num_computed == 1) {
      record.skipped.push_back(request.number);
    }
  }
}

void TraceRecorder::record_blocks(const StepPlan& plan, StepRecord& record) {
  const auto list = [&](const Request& request, std::int32_t first) {
    std::vector<BlockId>& ids = record.block_ids;
    const auto begin = static_cast<std::int32_t>(ids.size());
    ids.insert(ids.end(), request.blocks.begin() + first, request.blocks.end());
    return StepRecord::BlockList{begin, static_cast<std::int32_t>(ids.size()) - begin};
  };
  const std::size_t earlier = plan.new_blocks.size() - plan.admissions.size();  // the admitted ones' are the last
  for (std::size_t i = 0; i < earlier; ++i) {
    const NewBlocks& added = plan.new_blocks[i];
    (added.first_index == 0 ? record.moved : record.grown)
        .push_back({added.request->number, list(*added.request, added.first_index)});
  }
  const std::size_t first_row = plan.rows.size() - plan.admissions.size();
  for (std::size_t i = 0; i < plan.admissions.size(); ++i) {
    const Admission& admission = plan.admissions[i];
    record.admitted.push_back(
        {admission.request->number, admission.hit_tokens, plan.rows[first_row + i].count, list(*admission.request, 0)});
  }
}

void TraceRecorder::record_refusals(const StepPlan& plan, StepRecord& record) {
  for (Standing& standing : standing_) standing.seen = false;
  std::size_t next = 0;  // refusals keep their order from step to step, so the one sought is mostly here
  for (const Refusal& refusal : plan.refusals) {
    const auto same = [&](const Standing& s) {
      return s.request == refusal.request->number && s.last.cause == refusal.reason.cause;
    };
    auto found = std::find_if(standing_.begin() + static_cast<std::ptrdiff_t>(next), standing_.end(), same);
    if (found == standing_.end()) found = std::find_if(standing_.begin(), standing_.end(), same);
    if (found == standing_.end()) {
      record.refused.push_back({refusal.request->number, refusal.reason});
      standing_.push_back({refusal.request->number, plan.step, refusal.reason, true});
    } else {
      found->last = refusal.reason;
      found->seen = true;
      next = static_cast<std::size_t>(found - standing_.begin()) + 1;
    }
  }
  for (const Standing& s : standing_) {
    if (!s.seen) record.refused_until.push_back({s.request, s.since, s.last});
  }
  std::erase_if(standing_, [](const Standing& s) { return !s.seen; });
}

void TraceRecorder::on_commit(const StepOutcome& outcome) {
  const auto& [plan, result, start, end, scheduler, left] = outcome;
  StepRecord& record = records_[0];
  record.start = start;
  record.end = end;
  record.duration = result.duration;
  record.parts = result.parts;
  record_refusals(plan, record);
  if (scheduler.config().policy->leaves_together) {
    for (const Row& row : plan.rows) {
      const Request& request = *row.request;
      const bool stays = row.sample && request.finish_reason != FinishReason::none && request.state == RequestState::running;
      if (stays) record.done.push_back({request.number, request.finish_reason});
    }
  }
  for (const Request* request : left) record.finished.push_back({request->number, request->finish_reason});
  if (scheduler.blocks().rules().findable == BlockRules::Findable::after_step) record_disturbed(scheduler, record);
  if (std::any_of(result.tokens.begin(), result.tokens.end(), [](Token t) { return t >= 0; })) record.tokens = result.tokens;
  sink_.on_step(record);
  write_held();
  if (--in_flight_ > 0) std::swap(records_[0], records_[1]);
}

}  // namespace tokenyard
