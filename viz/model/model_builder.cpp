#include "viz/model/model_builder.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <utility>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/request_lengths.h"
#include "core/trace/state.h"
#include "viz/model/block_log.h"
#include "viz/model/moment.h"

namespace tokenyard::viz {
namespace {

// Ids that differ in the number at their end alone get consecutive hues.
std::uint32_t hue_of(std::string_view id) {
  constexpr std::size_t kMostDigits = 9;
  std::size_t name = id.size();
  std::uint32_t number = 0, place = 1;
  for (; name > 0 && id.size() - name < kMostDigits && id[name - 1] >= '0' && id[name - 1] <= '9'; --name) {
    number += static_cast<std::uint32_t>(id[name - 1] - '0') * place;
    place *= 10;
  }
  return number + (name == 0 ? 0 : XXH32(id.data(), name, 0) & 0xFFFFFF);
}

}  // namespace

struct ModelBuilder::Work {
  // What is known of a live request beside the model.
  struct Live {
    std::int32_t registered = 0;  // leading blocks whose publishing is in the log
    std::int32_t last_step = -1;  // with a row
    std::int32_t seat = -1;
    bool prefilling = false;
    bool done = false;
  };

  std::shared_ptr<TraceModel> model = std::make_shared<TraceModel>();
  std::unique_ptr<TraceState> state;
  std::unique_ptr<Seeker> seeker;
  std::vector<Live> live;          // by request
  std::vector<std::int32_t> held;  // refusals that go on, indices into the model's
  std::priority_queue<std::int32_t, std::vector<std::int32_t>, std::greater<>> free_seats;
  std::uint64_t last_keyframe = 0;  // in the log
  bool streams = true;
  // Of the step that is being taken; kept for their memory.
  std::vector<std::int32_t> running;
  // What a step leaves in the prefix index.
  struct Outcome {
    std::vector<TraceState::Row> rows;
    std::vector<std::pair<std::int32_t, std::vector<BlockId>>> leaving;  // with their tables
    std::vector<BlockId> unfindable, findable;
  };
  Outcome late;  // of the latest step, when it was not known yet
  std::vector<std::pair<std::int32_t, std::int32_t>> published;
  std::vector<BlockId> published_late;  // of requests that have ended
  std::vector<BlockId> returned;        // findable since the tokens of the step before are known

  Request& request(std::int32_t number) { return model->requests_[static_cast<std::size_t>(number)]; }
  Live& of(std::int32_t number) { return live[static_cast<std::size_t>(number)]; }

  void log(BlockOp op, std::initializer_list<std::int32_t> numbers) {
    model->log_.push_back(static_cast<std::int32_t>(op));
    model->log_.insert(model->log_.end(), numbers);
  }
  void log_ids(std::span<const BlockId> ids) {
    std::vector<std::int32_t>& out = model->log_;
    const std::size_t count = out.size();
    out.push_back(0);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const bool follows = i > 0 && ids[i] == ids[i - 1] + 1;
      if (!follows) {
        out.push_back(ids[i]);
      } else if (out.back() < 0) {
        --out.back();
      } else {
        out.push_back(-1);
      }
    }
    out[count] = static_cast<std::int32_t>(out.size() - count - 1);
  }

  // Blocks are taken and given back in no order, and a pool is larger than the caches near a core: what the step will touch is
  // on its way while other things are done.
  void fetch(const StepRecord& record) const {
    const auto blocks = state->blocks();
    const auto one = [&](BlockId id) {
      if (id < 0 || id >= std::ssize(blocks)) return;  // nobody has checked it yet
      __builtin_prefetch(&blocks[static_cast<std::size_t>(id)], 1);
      seeker->fetch(id);
    };
    std::for_each(record.block_ids.begin(), record.block_ids.end(), one);
    for (const StepRecord::Finish& f : record.finished) {
      if (f.request < 0 || f.request >= model->num_requests()) continue;
      const auto& table = state->request(f.request).blocks;
      std::for_each(table.begin(), table.end(), one);
    }
  }

  void mark(const Event& event) {
    model->event_indices_[static_cast<std::size_t>(event.mark)].push_back(static_cast<std::int32_t>(model->events_.size()));
    model->events_.push_back(event);
    model->times_[static_cast<std::size_t>(event.mark)].push_back(event.at);
  }
  // The request's latest span is over.
  void close(Request& r, TimeNs at) {
    if (r.spans.empty()) return;
    const Span& last = r.spans.back();
    LaneNode node;
    node.begin = last.begin;
    node.end = at;
    node.count = 1;
    node.busy[static_cast<std::size_t>(last.phase())] = static_cast<float>(at - last.begin);
    if (last.phase() == Phase::preempted) node.marks = bit(Mark::preempted);
    r.pyramid.push(node);
  }
  void open(std::int32_t number, TimeNs at, std::int32_t step, Phase phase, std::int32_t computed) {
    Request& r = request(number);
    close(r, at);
    r.spans.emplace_back(at, step, phase, computed);
    model->phases_ |= static_cast<std::uint8_t>(1u << static_cast<unsigned>(phase));
    ++model->num_spans_;
  }

  void sit(std::int32_t number, TimeNs at) {
    std::int32_t seat = static_cast<std::int32_t>(model->seats_.size());
    if (free_seats.empty()) {
      model->seats_.emplace_back();
    } else {
      seat = free_seats.top();
      free_seats.pop();
    }
    of(number).seat = seat;
    const auto span = static_cast<std::int32_t>(request(number).spans.size());
    model->seats_[static_cast<std::size_t>(seat)].sittings.push_back({number, span, span, at, kNever});
  }
  // REQUIRES: its spans up to `at` are there, the one after is not.
  void stand_up(std::int32_t number, TimeNs at, std::uint8_t marks) {
    const std::int32_t seat = std::exchange(of(number).seat, -1);
    if (seat < 0) return;
    free_seats.push(seat);
    Seat& s = model->seats_[static_cast<std::size_t>(seat)];
    Sitting& sitting = s.sittings.back();
    const Request& r = request(number);
    sitting.end_span = static_cast<std::int32_t>(r.spans.size());
    sitting.end = at;
    LaneNode node;
    node.begin = sitting.begin;
    node.end = at;
    node.count = 1;
    node.marks = marks;
    for (auto i = static_cast<std::size_t>(sitting.first_span); i < r.spans.size(); ++i) {
      const TimeNs end = i + 1 < r.spans.size() ? r.spans[i + 1].begin : at;
      node.busy[static_cast<std::size_t>(r.spans[i].phase())] += static_cast<float>(end - r.spans[i].begin);
    }
    s.sums.push_back(node);
    s.pyramid.push(node);
  }

  void end(std::int32_t number, TimeNs at, std::int32_t step, FinishReason reason) {
    Request& r = request(number);
    r.reason = reason;
    r.end = at;
    const std::optional<Mark> what = r.end_mark();
    stand_up(number, at, what ? bit(*what) : std::uint8_t{0});
    close(r, at);
    r.spans.shrink_to_fit();
    r.pyramid.shrink();
    if (what) mark({at, step, number, *what, -1, 0, {}});
  }

  void publish_running(const Outcome& outcome) {
    const TraceState& s = *state;
    for (const TraceState::Row& row : outcome.rows) {
      const TraceState::Request& r = s.request(row.request);
      std::int32_t& registered = of(row.request).registered;
      if (r.life != TraceState::Life::running || r.num_registered <= registered) continue;
      log(BlockOp::publish, {row.request, registered, r.num_registered});
      registered = r.num_registered;
    }
  }
  // Who has left in the step has no table any more; its full blocks can be told by their flags.
  void publish_leaving(const Outcome& outcome) {
    const TraceState& s = *state;
    std::vector<BlockId> ids;
    for (const auto& [number, table] : outcome.leaving) {
      for (auto i = static_cast<std::size_t>(of(number).registered); i < table.size(); ++i) {
        if (s.blocks()[static_cast<std::size_t>(table[i])].findable) ids.push_back(table[i]);
      }
    }
    if (ids.empty()) return;
    log(BlockOp::findable, {});
    log_ids(ids);
  }

  void log_flags(const std::vector<BlockId>& unfindable, const std::vector<BlockId>& findable) {
    if (!unfindable.empty()) log(BlockOp::unfindable, {});
    if (!unfindable.empty()) log_ids(unfindable);
    if (!findable.empty()) log(BlockOp::findable, {});
    if (!findable.empty()) log_ids(findable);
  }
  void settle(const Outcome& outcome) {
    publish_running(outcome);
    publish_leaving(outcome);
    log_flags(outcome.unfindable, outcome.findable);
  }

  MemoryUse memory() const {
    const std::int64_t size = state->config().block_size;
    MemoryUse use;
    std::int64_t slots = 0;
    for (const std::int32_t number : state->running()) {
      const TraceState::Request& r = state->request(number);
      const std::int64_t own = std::ssize(r.blocks) * size;
      const std::int64_t at_end = r.done ? r.num_computed : model->request(number).expected_kv;
      slots += own;
      use.used += r.num_computed;
      use.reserved += std::max<std::int64_t>(0, std::min(at_end, own) - r.num_computed);
    }
    const std::int64_t in_tables = state->num_usable() - state->num_free();
    use.internal = slots - use.used - use.reserved;
    use.used -= (state->num_table_entries() - in_tables) * size;
    use.free = std::int64_t{state->num_free()} * size;
    for (const TraceState::Standing& standing : state->refusals()) {
      if (standing.reason.cause == Cause::region && state->request(standing.request).blocks.empty()) {
        use.external = std::exchange(use.free, 0);
      }
    }
    return use;
  }

  // A step that was planned ahead may give something to a request that the step before ended, as nobody knew yet.
  bool ended(std::int32_t number) { return request(number).end >= 0; }

  // Of the state while a step runs, which is what all panels show: between its plan and its outcome, and where it was planned
  // ahead, with the outcome of the step before.
  struct Before {
    MemoryUse memory;
    std::int32_t running;
    std::int32_t waiting;
    std::int32_t used_blocks;
  };
  Before before() const {
    const TraceState& s = *state;
    return {memory(), static_cast<std::int32_t>(s.running().size()), s.num_waiting(), s.num_usable() - s.num_free()};
  }
  void note_published();
  void log_published();
  Step step_of(const StepRecord& record, const Before& before);
  void keep_keyframe();
  void take_refusals(const StepRecord& record, std::int32_t index);
  void take_decisions(const StepRecord& record, std::int32_t index);
  void take_rows(const StepRecord& record, std::int32_t index, Step& step);
  void take_tokens(const StepRecord& record);
  void deliver();

  // What the latest step sampled, until it is known that nobody was cancelled while it ran.
  std::vector<std::int32_t> sampled;
  TimeNs sampled_at = 0;
};

void ModelBuilder::Work::take_refusals(const StepRecord& record, std::int32_t index) {
  for (const StepRecord::RefusalEnd& ended : record.refused_until) {
    const auto found = std::find_if(held.begin(), held.end(), [&](std::int32_t i) {
      const Held& h = model->held_[static_cast<std::size_t>(i)];
      return h.request == ended.request && h.first.cause == ended.reason.cause;
    });
    Held& h = model->held_[static_cast<std::size_t>(*found)];
    h.until = index - 1;
    h.last = ended.reason;
    log(BlockOp::unhold, {*found});
    held.erase(found);
  }
  for (const StepRecord::Refusal& refusal : record.refused) {
    held.push_back(static_cast<std::int32_t>(model->held_.size()));
    log(BlockOp::hold, {held.back()});
    model->held_.push_back({refusal.request, index, -1, refusal.reason, refusal.reason});
  }
  if (record.waited) model->waits_.push_back({index, record.waited->request, record.waited->reason, record.waited->at});
}

// What the begin of a step did to tables.
void ModelBuilder::Work::take_decisions(const StepRecord& record, std::int32_t index) {
  for (const StepRecord::Preemption& p : record.preempted) {
    Request& r = request(p.victim);
    ++r.preemptions;
    if (ended(p.victim)) {
      r.preempted_late = true;
      mark({record.start, index, p.victim, Mark::preempted, p.beneficiary, p.freed_blocks, p.reason});
      continue;
    }
    log(BlockOp::leave, {p.victim});
    stand_up(p.victim, record.start, bit(Mark::preempted));
    open(p.victim, record.start, index, Phase::preempted, r.computed);
    r.computed = 0;
    of(p.victim).registered = 0;
    mark({record.start, index, p.victim, Mark::preempted, p.beneficiary, p.freed_blocks, p.reason});
  }
  // In running order, as the scheduler went: who grows may take what one before it has just moved out of.
  auto grown = record.grown.begin(), moved = record.moved.begin();
  for (auto number = running.begin(); grown != record.grown.end() || moved != record.moved.end(); ++number) {
    if (grown != record.grown.end() && grown->request == *number) {
      if (ended(*number)) {
        log(BlockOp::waste, {});
      } else {
        log(BlockOp::grow, {*number});
      }
      log_ids(record.ids((grown++)->blocks));
    }
    if (moved != record.moved.end() && moved->request == *number) {
      if (!ended(*number)) log(BlockOp::move, {*number});
      if (!ended(*number)) log_ids(record.ids(moved->blocks));
      ++moved;
    }
  }
  for (const StepRecord::Admission& a : record.admitted) {
    const std::int32_t hits = a.hit_tokens / model->header_.engine.block_size;
    log(BlockOp::admit, {a.request, hits});
    log_ids(record.ids(a.blocks));
    Live& l = of(a.request);
    l.registered = hits;
    l.prefilling = true;
    Request& r = request(a.request);
    r.computed = a.hit_tokens;
    if (r.preemptions == 0) r.cached = a.hit_tokens;
    sit(a.request, record.start);
  }
}

void ModelBuilder::Work::take_rows(const StepRecord& record, std::int32_t index, Step& step) {
  const std::span<const TraceState::Row> rows = state->rows();
  // A phase that follows a row begins where that row's step ended.
  const TimeNs before = index > 0 ? model->steps_.back().end : record.start;
  std::size_t next = 0;
  for (const std::int32_t number : running) {
    Live& l = of(number);
    Request& r = request(number);
    if (r.end >= 0) {
      if (next == rows.size() || rows[next].request != number) continue;
      const TraceState::Row& row = rows[next++];
      ++step.padding_rows;
      ++step.late_rows;
      step.padding_tokens += row.count;
      step.late_tokens += row.count;
      continue;
    }
    const Phase now = r.spans.back().phase();
    const TimeNs after_row = l.last_step == index - 1 && l.last_step >= 0 ? before : record.start;
    if (next == rows.size() || rows[next].request != number) {
      ++step.stalled;
      if (now != Phase::stalled) open(number, after_row, index, Phase::stalled, r.computed);
      continue;
    }
    const TraceState::Row& row = rows[next++];
    step.padding_tokens += row.padding;
    if (l.done) {
      ++step.padding_rows;
      if (now != Phase::padding) open(number, after_row, index, Phase::padding, r.computed);
    } else if (l.prefilling) {
      ++step.prefill_rows;
      step.prefill_tokens += row.count;
      open(number, record.start, index, Phase::prefill, r.computed);
      r.computed += row.count;
    } else {
      ++step.decode_rows;
      step.decode_tokens += row.count;
      if (now != Phase::decode) open(number, after_row, index, Phase::decode, r.computed);
      r.computed += row.count;
    }
    l.last_step = index;
  }
  model->num_rows_ += std::ssize(rows);
  model->most_rows_ = std::max(model->most_rows_, static_cast<std::int32_t>(rows.size()));
}

void ModelBuilder::Work::take_tokens(const StepRecord& record) {
  sampled_at = record.end;
  for (const TraceState::Row& row : state->rows()) {
    if (!row.sample || ended(row.request)) continue;
    of(row.request).prefilling = false;
    sampled.push_back(row.request);
  }
  if (!model->header_.engine.async_scheduling) deliver();
}

void ModelBuilder::Work::deliver() {
  TokenGaps gaps(model->itl_, sampled_at);
  for (const std::int32_t number : sampled) {
    Request& r = request(number);
    ++r.output;
    if (!streams) continue;
    if (r.first_token < 0) r.first_token = sampled_at;
    gaps.add(r.last_token);
    if (r.last_token >= 0) r.longest_gap = std::max(r.longest_gap, sampled_at - r.last_token);
    r.last_token = sampled_at;
  }
  sampled.clear();
}

// Blocks that became findable as the rows were planned. REQUIRES: the state has begun the step, the model has not taken it.
void ModelBuilder::Work::note_published() {
  published.clear();
  published_late.clear();
  if (state->rules().findable != BlockRules::Findable::when_scheduled) return;
  for (const TraceState::Row& row : state->rows()) {
    const TraceState::Request& r = state->request(row.request);
    published.emplace_back(row.request, r.num_registered);
    for (std::int32_t i = of(row.request).registered; ended(row.request) && i < r.num_registered; ++i) {
      published_late.push_back(r.blocks[static_cast<std::size_t>(i)]);
    }
  }
}

void ModelBuilder::Work::log_published() {
  for (const auto& [number, registered] : published) {
    if (ended(number)) continue;
    std::int32_t& known = of(number).registered;
    if (registered > known) log(BlockOp::publish, {number, known, registered});
    known = std::max(known, registered);
  }
  if (published_late.empty()) return;
  log(BlockOp::findable, {});
  log_ids(published_late);
}

// What the record says of the step itself, and what the state knew before its rows were taken.
Step ModelBuilder::Work::step_of(const StepRecord& record, const Before& before) {
  Step step;
  step.number = record.step;
  step.start = record.start;
  step.end = record.end;
  step.duration = record.duration;
  step.parts = record.parts;
  step.prefill_only = record.prefill_only;
  step.ahead = record.ahead;
  step.running = before.running;
  step.waiting = before.waiting;
  step.admitted = static_cast<std::int32_t>(record.admitted.size());
  step.preempted = static_cast<std::int32_t>(record.preempted.size());
  step.finished = static_cast<std::int32_t>(record.finished.size());
  step.evicted_blocks = static_cast<std::int32_t>(state->evicted().size());
  step.used_blocks = before.used_blocks;
  step.memory = before.memory;
  const std::vector<Step>& steps = model->steps_;
  step.tokens_before = steps.empty() ? 0 : steps.back().tokens_before + steps.back().tokens();
  for (const StepRecord::Admission& a : record.admitted) {
    if (request(a.request).preemptions > 0) continue;
    step.hit_tokens += a.hit_tokens;
    step.asked_tokens += request(a.request).prompt;
  }
  return step;
}

void ModelBuilder::Work::keep_keyframe() {
  const std::uint64_t size = model->log_.size();
  if (size - last_keyframe <= std::max<std::uint64_t>(1 << 14, 3 * static_cast<std::uint64_t>(state->blocks().size()))) return;
  model->keyframes_.push_back(std::make_shared<TraceModel::Keyframe>(TraceModel::Keyframe{seeker->moment(), size}));
  last_keyframe = size;
}

ModelBuilder::ModelBuilder(std::string name) : work_(std::make_unique<Work>()) { work_->model->name_ = std::move(name); }
ModelBuilder::~ModelBuilder() = default;

void ModelBuilder::expect(std::uint64_t bytes) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 30, kBytesPerStep = 192, kBytesPerWord = 7;
  const auto steps = static_cast<std::size_t>(std::min(bytes, kMost) / kBytesPerStep);
  work_->model->steps_.reserve(steps);
  work_->model->starts_.reserve(steps);
  work_->model->log_.reserve(static_cast<std::size_t>(std::min(bytes, kMost) / kBytesPerWord));
}

const TraceModel& ModelBuilder::model() const { return *work_->model; }

std::shared_ptr<const TraceModel> ModelBuilder::take() { return std::move(work_->model); }

void ModelBuilder::on_header(const TraceHeader& header) {
  Work& w = *work_;
  w.model->header_ = header;
  w.state = std::make_unique<TraceState>(header, w.model->name_);
  w.seeker = std::make_unique<Seeker>(*w.model);
  w.streams = streams(header.engine);
}

void ModelBuilder::on_join(const JoinRecord& join) {
  Work& w = *work_;
  w.state->apply(join);
  const RequestSpec& spec = join.spec;
  TraceModel& m = *w.model;
  Request& r = m.requests_.emplace_back();
  w.live.emplace_back();
  r.id = spec.id;
  r.hue = hue_of(spec.id);
  r.arrival = spec.arrival;
  r.joined = join.at;
  // It queues from when it was sent, which the clock need not have noticed at once.
  const bool timed = spec.arrival_step < 0 && spec.arrival >= 0 && spec.arrival < join.at;
  r.begin = timed ? spec.arrival : join.at;
  r.prompt = spec.prompt.size();
  r.priority = spec.priority;
  r.max_tokens = spec.max_tokens;
  m.end_ = std::max(m.end_, join.at);
  if (join.refused.empty()) {
    r.expected_kv = request_lengths(m.header_.engine, spec, r.prompt).expected_kv;
    w.open(join.request, r.begin, m.num_steps(), Phase::queued, 0);
  } else {
    m.refusals_.emplace_back(join.request, join.refused);
    w.open(join.request, r.begin, m.num_steps(), Phase::queued, 0);
    w.end(join.request, join.at, m.num_steps(), FinishReason::refused);
  }
}

void ModelBuilder::on_cancel(const CancelRecord& cancel) {
  Work& w = *work_;
  w.state->apply(cancel);
  if (w.state->rules().findable == BlockRules::Findable::when_scheduled) w.log_flags({}, w.state->returned());
  if (!cancel.ahead) w.deliver();
  std::erase(w.sampled, cancel.request);
  w.model->end_ = std::max(w.model->end_, cancel.at);
  if (!cancel.gone) {
    w.of(cancel.request).done = true;
    return;
  }
  if (w.of(cancel.request).seat >= 0) w.log(BlockOp::leave, {cancel.request});
  w.end(cancel.request, cancel.at, w.model->num_steps(), cancel.reason);
}

void ModelBuilder::on_step(const StepRecord& record) {
  Work& w = *work_;
  TraceModel& m = *w.model;
  TraceState& s = *w.state;
  const auto findable = s.rules().findable;

  w.fetch(record);
  // Everything is read off the state before the model changes: a record that does not fit leaves no trace in it.
  s.begin(record);
  w.returned = s.returned();
  w.running.assign(s.running().begin(), s.running().end());
  Work::Before before = w.before();
  w.note_published();
  std::vector<std::pair<std::int32_t, std::vector<BlockId>>> leaving;  // with their tables
  if (findable == BlockRules::Findable::after_step) {
    for (const StepRecord::Finish& f : record.finished) {
      if (f.request >= 0 && f.request < m.num_requests()) leaving.emplace_back(f.request, s.request(f.request).blocks);
    }
  }
  s.finish(record);
  if (m.header_.engine.async_scheduling) before = w.before();

  w.deliver();
  const std::int32_t index = m.num_steps();
  Step step = w.step_of(record, before);
  m.note_parts(record.parts, record.duration);
  if (!record.ahead) w.settle(std::exchange(w.late, {}));
  if (findable == BlockRules::Findable::when_scheduled) w.log_flags({}, w.returned);
  w.log(BlockOp::step, {index});
  w.take_refusals(record, index);
  w.take_decisions(record, index);
  w.log_published();
  step.log = m.log_.size();
  w.take_rows(record, index, step);
  w.take_tokens(record);
  w.seeker->replay(m.log_.size());
  step.cached_blocks = w.seeker->moment().cached_blocks;
  w.keep_keyframe();
  m.steps_.push_back(step);
  m.starts_.push_back(step.start);
  m.step_sums_.push(sum_of(step, index));
  m.end_ = std::max(m.end_, record.end);

  if (findable == BlockRules::Findable::after_step) {
    Work::Outcome outcome{{s.rows().begin(), s.rows().end()}, std::move(leaving), record.unfindable, record.findable};
    // Planning ahead, what is known now is the outcome of the step before.
    if (m.header_.engine.async_scheduling) std::swap(outcome, w.late);
    w.settle(outcome);
  }
  for (const StepRecord::Finish& done : record.done) w.of(done.request).done = true;
  for (const StepRecord::Finish& f : record.finished) {
    Request& r = w.request(f.request);
    w.log(BlockOp::leave, {f.request});
    if (!w.streams && r.output > 0) r.first_token = r.last_token = record.end;
    w.end(f.request, record.end, index, f.reason);
  }
  if (findable == BlockRules::Findable::when_scheduled) w.log_flags({}, s.returned());
  if (findable != BlockRules::Findable::after_step) w.log_flags(record.unfindable, record.findable);
}

void ModelBuilder::on_end(std::int64_t, TimeNs at) {
  work_->model->end_ = std::max(work_->model->end_, at);
  work_->deliver();
  work_->model->complete_ = true;
}

}  // namespace tokenyard::viz
