#include "python/src/tables.h"

#include <algorithm>

#include "core/base/input_error.h"

namespace tokenyard::python {

void Tables::on_header(const TraceHeader& header) { state_.emplace(header, name_); }

RequestRow& Tables::row(std::int32_t request) {
  if (request < 0 || request >= std::ssize(requests)) {
    throw InputError(name_ + ": step " + std::to_string(state_->step()) + ": there is no request " + std::to_string(request));
  }
  return requests[static_cast<std::size_t>(request)];
}

void Tables::on_join(const JoinRecord& join) {
  state_->apply(join);
  ids.push_back(join.spec.id);
  RequestRow& request = requests.emplace_back();
  request.arrival = join.spec.arrival;
  request.joined = join.at;
  request.prompt_tokens = state_->request(join.request).num_prompt;
  request.priority = join.spec.priority;
  EventRow& event = events.emplace_back();
  event = {.step = join.step, .at = join.at, .request = join.request, .kind = Word<12>("join"), .why = {}};
  if (!join.refused.empty()) {
    request.ended = join.at;
    request.finish_reason = Word<12>(name_of(FinishReason::refused));
    event.why = Word<16>(name_of(FinishReason::refused));
  }
}

void Tables::on_cancel(const CancelRecord& cancel) {
  state_->apply(cancel);
  if (cancel.ahead) std::erase_if(open_, [&](const Sampled& s) { return s.request == cancel.request; });
  RequestRow& request = row(cancel.request);
  request.ended = cancel.at;
  request.finish_reason = Word<12>(name_of(cancel.reason));
  events.push_back({.step = cancel.step,
                    .at = cancel.at,
                    .request = cancel.request,
                    .kind = Word<12>("cancel"),
                    .why = Word<16>(name_of(cancel.reason))});
}

void Tables::settle() {
  for (const Sampled& sampled : open_) {
    RequestRow& request = row(sampled.request);
    if (request.first_token < 0) request.first_token = sampled.at;
    request.last_token = sampled.at;
    ++request.output_tokens;
  }
  open_.clear();
}

void Tables::on_step(const StepRecord& step) {
  settle();
  state_->begin(step);
  StepRow& s = steps.emplace_back();
  s = {.step = step.step, .start = step.start, .end = step.end, .duration = step.duration};
  for (const TraceState::Row& r : state_->rows()) {
    ++s.rows;
    s.tokens += r.count;
    if (r.count > 1 || !r.sample) s.prefill_tokens += r.count;
    // Planned ahead, a row may belong to a request that the step before has ended.
    const bool dropped = step.ahead && row(r.request).ended >= 0;
    if (r.sample && !dropped) open_.push_back({r.request, step.end});
  }
  const auto note = [&](const char* kind, std::int32_t request) -> EventRow& {
    row(request);
    EventRow& event = events.emplace_back();
    event = {.step = step.step, .at = step.start, .request = request, .kind = Word<12>(kind), .why = {}};
    return event;
  };
  for (const StepRecord::Preemption& p : step.preempted) {
    ++row(p.victim).preemptions;
    EventRow& event = note("preempt", p.victim);
    row(p.beneficiary);
    event.other = p.beneficiary;
    event.needed = p.reason.needed;
    event.available = p.reason.available;
    event.why = Word<16>(name_of(p.reason.cause));
  }
  for (const StepRecord::Refusal& r : step.refused) {
    EventRow& event = note("refuse", r.request);
    event.needed = r.reason.needed;
    event.available = r.reason.available;
    event.why = Word<16>(name_of(r.reason.cause));
  }
  for (const StepRecord::Admission& a : step.admitted) {
    s.hit_tokens += a.hit_tokens;
    // The state counts tokens of the latest admission; a table wants the first, which no preemption has followed.
    if (row(a.request).preemptions == 0) row(a.request).cached_tokens = a.hit_tokens;
    note("admit", a.request).tokens = a.hit_tokens;
  }
  s.admitted = std::ssize(step.admitted);
  s.preempted = std::ssize(step.preempted);
  s.finished = std::ssize(step.finished);
  s.running = std::ssize(state_->running());
  s.waiting = state_->num_waiting();
  s.free_blocks = state_->num_free();
  for (const StepRecord::Finish& f : step.finished) {
    RequestRow& request = row(f.request);
    if (request.ended < 0) {
      request.ended = step.end;
      request.finish_reason = Word<12>(name_of(f.reason));
    }
    EventRow& event = note("finish", f.request);
    event.at = step.end;
    event.why = Word<16>(name_of(f.reason));
  }
  state_->finish(step);
}

void Tables::on_end(std::int64_t, TimeNs) { finish(); }

void Tables::finish() {
  if (!state_) return;
  settle();
  state_->end();
}

}  // namespace tokenyard::python
