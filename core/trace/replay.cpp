#include "core/trace/replay.h"

#include <algorithm>
#include <deque>
#include <stdexcept>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "core/backend.h"
#include "core/base/input_error.h"
#include "core/engine.h"
#include "core/metrics.h"
#include "core/trace/recorder.h"

namespace tokenyard {
namespace {

using Record = std::variant<JoinRecord, CancelRecord, StepRecord>;

// The trace has no more steps.
struct ReplayOver : std::runtime_error {
  ReplayOver() : std::runtime_error("the recorded run is over") {}
};

std::string describe(const Record& record) {
  if (const auto* join = std::get_if<JoinRecord>(&record)) {
    return "request " + std::to_string(join->request) + " joins before step " + std::to_string(join->step) +
           (join->refused.empty() ? "" : " and is refused: " + join->refused);
  }
  if (const auto* cancel = std::get_if<CancelRecord>(&record)) {
    return "request " + std::to_string(cancel->request) + " ends (" + name_of(cancel->reason) + ") before step " +
           std::to_string(cancel->step);
  }
  return "step " + std::to_string(std::get<StepRecord>(record).step);
}

// The recorded run, from the first record that was not yet reproduced.
class RecordedSteps {
 public:
  explicit RecordedSteps(TraceSource& source) : source_(source) {}

  // The n-th record not yet reproduced, or null. Reads ahead as far as needed.
  const Record* at(std::size_t n) {
    while (records_.size() <= n && read()) {
    }
    return n < records_.size() ? &records_[n] : nullptr;
  }
  const Record* front() { return at(0); }
  void pop() {
    if (const auto* cancel = std::get_if<CancelRecord>(&records_.front())) ids_.erase(cancel->request);
    if (const auto* step = std::get_if<StepRecord>(&records_.front())) {
      for (const StepRecord::Finish& f : step->finished) ids_.erase(f.request);
    }
    records_.pop_front();
    if (offered > 0) --offered;
    ++reproduced;
  }
  bool ended() const { return ended_; }
  std::int64_t end_steps() const { return source_.end_steps(); }
  TimeNs end_at() const { return source_.end_at(); }
  // Empty when no such request is live.
  std::string id(std::int32_t request) const {
    const auto found = ids_.find(request);
    return found == ids_.end() ? "" : found->second;
  }

  std::size_t offered = 0;  // leading records that the source has given to the engine
  std::int64_t reproduced = 0;

 private:
  bool read() {
    if (ended_) return false;
    switch (source_.next()) {
      case TraceSource::Kind::join:
        ids_[source_.join().request] = source_.join().spec.id;
        records_.emplace_back(source_.join());
        return true;
      case TraceSource::Kind::cancel: records_.emplace_back(source_.cancel()); return true;
      case TraceSource::Kind::step: records_.emplace_back(source_.step()); return true;
      case TraceSource::Kind::end: ended_ = true; return false;
      case TraceSource::Kind::none: return false;
    }
    return false;
  }

  TraceSource& source_;
  std::deque<Record> records_;
  std::unordered_map<std::int32_t, std::string> ids_;  // looked up, never walked
  bool ended_ = false;
};

// Recorded joins and cancels, before their recorded step and at their recorded time.
class ReplaySource final : public RequestSource {
 public:
  explicit ReplaySource(RecordedSteps& recording) : recording_(recording) {}

  void poll(TimeNs, std::int64_t step, std::vector<SourceEvent>& due) override {
    next_step_ = -1;
    bool running = false;  // a step whose record was not reproduced yet
    for (const Record* record; (record = recording_.at(recording_.offered)) != nullptr; ++recording_.offered) {
      if (const auto* join = std::get_if<JoinRecord>(record)) {
        next_step_ = join->step;
        if (join->step > step || (running && !join->ahead)) return;
        due.push_back({SourceEvent::Kind::join, join->spec, {}, join->at});
      } else if (const auto* cancel = std::get_if<CancelRecord>(record)) {
        next_step_ = cancel->step;
        if (cancel->step > step || (running && !cancel->ahead)) return;
        if (cancel->reason == FinishReason::error) return;  // the backend's to raise
        due.push_back({SourceEvent::Kind::cancel, {}, recording_.id(cancel->request), cancel->at, cancel->reason});
      } else {
        next_step_ = std::get<StepRecord>(*record).step;
        running = next_step_ < step;
        if (!running) return;
      }
    }
  }
  TimeNs next_time() const override { return 0; }  // nothing waits for the clock here
  std::int64_t next_step() const override { return next_step_; }

 private:
  RecordedSteps& recording_;
  std::int64_t next_step_ = -1;
};

// Recorded durations and tokens, on the recorded clock.
class ReplayBackend final : public Backend {
 public:
  explicit ReplayBackend(RecordedSteps& recording) : recording_(recording) {}

  void submit(const StepPlan& plan) override {
    if (const CancelRecord* failure = front_failure(); failure != nullptr && failure->step == plan.step) fail();
    submitted_.push_back(&plan);
  }
  const StepResult& collect() override {
    const Record* record = recording_.front();
    if (record == nullptr) throw ReplayOver();
    if (front_failure() != nullptr) fail();
    result_ = {};
    const auto* step = std::get_if<StepRecord>(record);
    for (const Row& row : submitted_.front()->rows) {
      if (row.sample) result_.tokens.push_back(step == nullptr ? kUnnamedToken : token(*step, *row.request));
    }
    submitted_.pop_front();
    if (step == nullptr) return result_;
    result_.duration = step->duration;
    result_.parts = step->parts;
    carried_out_ = step->step;
    return result_;
  }

  TimeNs now() const override {
    const Record* record = recording_.front();
    const auto* running = record == nullptr ? nullptr : std::get_if<StepRecord>(record);
    if (running != nullptr && running->step == carried_out_) return now_ = running->end;
    record = recording_.at(recording_.offered);
    if (record == nullptr) return now_;
    if (const auto* step = std::get_if<StepRecord>(record)) return now_ = step->start;
    if (const auto* cancel = std::get_if<CancelRecord>(record)) return now_ = cancel->at;
    return now_ = std::get<JoinRecord>(*record).at;
  }
  void wait_until(TimeNs) override {}
  void wake() override {}

 private:
  [[noreturn]] static void fail() { throw BackendError("the recorded run failed here"); }
  const CancelRecord* front_failure() {
    const Record* record = recording_.front();
    const auto* cancel = record == nullptr ? nullptr : std::get_if<CancelRecord>(record);
    return cancel != nullptr && cancel->reason == FinishReason::error ? cancel : nullptr;
  }
  // The next sampled token. Unnamed ones need only end the texts that ended.
  Token token(const StepRecord& step, const Request& request) const {
    const std::size_t n = result_.tokens.size();
    if (n < step.tokens.size()) return step.tokens[n];
    const auto stops = [&](const StepRecord::Finish& f) {
      return f.request == request.number && f.reason == FinishReason::stop;
    };
    const bool end = std::ranges::any_of(step.finished, stops) || std::ranges::any_of(step.done, stops);
    return end ? kUnnamedEnd : kUnnamedToken;
  }

  RecordedSteps& recording_;
  std::deque<const StepPlan*> submitted_;
  StepResult result_;
  std::int64_t carried_out_ = -1;
  mutable TimeNs now_ = 0;
};

// What differs between two steps, by the names of the trace format.
std::string differing_fields(const StepRecord& a, const StepRecord& b) {
  std::string out;
  const auto compare = [&](const char* name, auto&& take) {
    StepRecord x;
    StepRecord y;
    take(a, x);
    take(b, y);
    if (!(x == y)) out += std::string(out.empty() ? "" : ", ") + name;
  };
  const auto field = [&](const char* name, auto member) {
    compare(name, [&](const StepRecord& from, StepRecord& to) {
      to.*member = from.*member;
      to.block_ids = from.block_ids;
    });
  };
  field("step", &StepRecord::step);
  field("t", &StepRecord::start);
  field("dur", &StepRecord::duration);
  field("end", &StepRecord::end);
  field("parts", &StepRecord::parts);
  field("prefill", &StepRecord::prefill_only);
  field("ahead", &StepRecord::ahead);
  field("admit", &StepRecord::admitted);
  field("chunk", &StepRecord::chunks);
  field("grow", &StepRecord::grown);
  field("move", &StepRecord::moved);
  field("skip", &StepRecord::skipped);
  field("preempt", &StepRecord::preempted);
  field("refuse", &StepRecord::refused);
  field("refused_until", &StepRecord::refused_until);
  field("done", &StepRecord::done);
  field("finish", &StepRecord::finished);
  field("unfindable", &StepRecord::unfindable);
  field("findable", &StepRecord::findable);
  field("tokens", &StepRecord::tokens);
  return out;
}

// Compares what the engine makes with what was recorded.
class Check final : public TraceSink {
 public:
  Check(RecordedSteps& recording, TraceSink* copy) : recording_(recording), copy_(copy) {}

  void on_header(const TraceHeader&) override {}
  void on_join(const JoinRecord& join) override {
    if (matches(join) && copy_ != nullptr) copy_->on_join(join);
  }
  void on_cancel(const CancelRecord& cancel) override {
    if (matches(cancel) && copy_ != nullptr) copy_->on_cancel(cancel);
  }
  void on_step(const StepRecord& made) override {
    if (!difference.empty()) return;
    const Record* record = recording_.front();
    const auto* recorded = record == nullptr ? nullptr : std::get_if<StepRecord>(record);
    if (recorded == nullptr) return differs(made);
    StepRecord step = made;
    step.waited = recorded->waited;  // how often a wait was interrupted belongs to the clock, not to the scheduler
    if (step != *recorded) {
      difference = "step " + std::to_string(made.step) + " differs from the recorded step " + std::to_string(recorded->step) +
                   " in " + differing_fields(*recorded, step);
      return;
    }
    if (copy_ != nullptr) copy_->on_step(step);
    recording_.pop();
    ++steps;
  }
  void on_end(std::int64_t, TimeNs) override {}

  // The engine made nothing of what comes next.
  void stuck() { difference = "recorded: " + describe(*recording_.front()) + "; here: nothing is left to do"; }

  std::string difference;
  std::int64_t steps = 0;

 private:
  template <typename Made>
  bool matches(const Made& made) {
    if (!difference.empty()) return false;
    const Record* record = recording_.front();
    const auto* recorded = record == nullptr ? nullptr : std::get_if<Made>(record);
    if (recorded == nullptr || !(*recorded == made)) {
      differs(made);
      return false;
    }
    recording_.pop();
    return true;
  }
  void differs(const Record& made) {
    const Record* record = recording_.front();
    if (record == nullptr && !recording_.ended()) throw ReplayOver();
    difference = "recorded: " + (record == nullptr ? "the end of the run" : describe(*record)) + "; here: " + describe(made);
  }

  RecordedSteps& recording_;
  TraceSink* copy_;
};

}  // namespace

ReplayOutcome replay(TraceSource& trace, TraceSink* copy, const Slo& slo) {
  RecordedSteps recording(trace);
  ReplaySource source(recording);
  ReplayBackend backend(recording);
  Check check(recording, copy);
  if (copy != nullptr) copy->on_header(trace.header());
  Metrics metrics(slo);
  TraceRecorder recorder(check);
  Engine engine(trace.header().engine, backend, {&metrics, &recorder});
  try {
    while (recording.front() != nullptr && check.difference.empty()) {
      const auto before = std::pair(engine.num_steps(), recording.reproduced);
      engine.step(&source);
      if (check.difference.empty() && before == std::pair(engine.num_steps(), recording.reproduced)) check.stuck();
    }
  } catch (const ReplayOver&) {
  } catch (const BackendError&) {
  }
  if (check.difference.empty() && recording.front() != nullptr) check.stuck();
  if (check.difference.empty() && recording.ended() && recording.end_steps() != engine.num_steps()) {
    check.difference =
        "recorded: " + std::to_string(recording.end_steps()) + " steps; here: " + std::to_string(engine.num_steps());
  }
  if (copy != nullptr && check.difference.empty() && recording.ended()) copy->on_end(engine.num_steps(), recording.end_at());
  return {check.steps, check.difference.empty(), recording.ended(), check.difference, metrics};
}

}  // namespace tokenyard
