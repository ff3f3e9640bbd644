#include "sim/exercise_facts.h"

#include <algorithm>
#include <cmath>

#include "sim/cost_model.h"

namespace tokenyard {
namespace {

double ms(TimeNs time) { return static_cast<double>(time) / 1e6; }

// The parts of a step's time, under the names traces give them.
Facts part_facts(const StepParts& parts) {
  return {{"gemm_ms", ms(parts.gemm)}, {"attention_ms", ms(parts.attention)},         {"elementwise_ms", ms(parts.elementwise)},
          {"head_ms", ms(parts.head)}, {"communication_ms", ms(parts.communication)}, {"host_ms", ms(parts.host)}};
}

std::vector<std::string> names_of(const Facts& facts) {
  std::vector<std::string> names;
  for (const auto& [name, value] : facts) names.push_back(name);
  return names;
}

constexpr const char* kSummed[] = {"rows",    "padding_rows", "prefill_tokens", "gemm_ms",          "attention_ms",
                                   "host_ms", "head_ms",      "elementwise_ms", "communication_ms", "hit_tokens"};

Facts step_facts(const StepRecord& step, const TraceState& state) {
  StepLoad load;
  std::int64_t tokens = 0, prefill = 0, padding = 0, hits = 0;
  for (const TraceState::Row& row : state.rows()) {
    load.add(row);
    tokens += row.count;
    padding += row.count == 0 ? 1 : 0;
    if (row.first < state.request(row.request).num_prompt) prefill += row.count;
  }
  for (const StepRecord::Admission& admission : step.admitted) hits += admission.hit_tokens;
  Facts out = part_facts(step.parts);
  const std::pair<const char*, std::int64_t> counts[] = {{"step", step.step},
                                                         {"rows", std::ssize(state.rows())},
                                                         {"decode_rows", load.decode_rows},
                                                         {"padding_rows", padding},
                                                         {"tokens", tokens},
                                                         {"prefill_tokens", prefill},
                                                         {"hit_tokens", hits},
                                                         {"kv_tokens", load.decode_kv + load.prefill_kv},
                                                         {"admitted", std::ssize(step.admitted)},
                                                         {"preempted", std::ssize(step.preempted)},
                                                         {"running", std::ssize(state.running())},
                                                         {"waiting", state.num_waiting()},
                                                         {"free_blocks", state.num_free()}};
  for (const auto& [name, value] : counts) out[name] = static_cast<double>(value);
  out["start_ms"] = ms(step.start);
  out["duration_ms"] = ms(step.duration);
  return out;
}

Facts request_facts(const FactsSink::RequestNotes& notes) {
  Facts facts = {{"arrival_ms", ms(notes.arrival)},
                 {"ttft_ms", notes.first_token < 0 ? std::nan("") : ms(notes.first_token - notes.arrival)},
                 {"e2el_ms", notes.last_token < 0 ? std::nan("") : ms(notes.last_token - notes.arrival)},
                 {"wait_ms", notes.admitted < 0 ? std::nan("") : ms(notes.admitted - notes.arrival)},
                 {"pause_ms", ms(notes.pause)}};
  const std::pair<const char*, std::int64_t> counts[] = {{"prompt_tokens", notes.prompt},
                                                         {"output_tokens", notes.output},
                                                         {"cached_tokens", notes.cached},
                                                         {"computed_tokens", notes.computed},
                                                         {"preemptions", notes.preemptions},
                                                         {"pause_step", notes.pause_step},
                                                         {"prefill_steps", notes.prefill_steps},
                                                         {"first_step", notes.first_step},
                                                         {"last_step", notes.last_step},
                                                         {"blocks", notes.blocks},
                                                         {"first_block", notes.first_block},
                                                         {"last_block", notes.last_block},
                                                         {"priority", notes.priority}};
  for (const auto& [name, value] : counts) facts[name] = static_cast<double>(value);
  return facts;
}

}  // namespace

void FactsSink::on_header(const TraceHeader& header) {
  state_.emplace(header);
  steps_.clear();
  requests_.clear();
  sampled_rows_ = 0;
}

void FactsSink::on_join(const JoinRecord& join) {
  state_->apply(join);
  RequestNotes notes;
  notes.arrival = join.spec.arrival;
  notes.prompt = join.spec.prompt.size();
  notes.priority = join.spec.priority;
  requests_.resize(std::max(requests_.size(), static_cast<std::size_t>(join.request) + 1));
  requests_[static_cast<std::size_t>(join.request)] = notes;
}

void FactsSink::on_step(const StepRecord& step) {
  state_->begin(step);
  steps_.push_back(step_facts(step, *state_));
  for (const StepRecord::Admission& admission : step.admitted) {
    RequestNotes& notes = requests_[static_cast<std::size_t>(admission.request)];
    if (notes.admitted < 0) {
      notes.admitted = step.start;
      notes.cached = admission.hit_tokens;
    }
  }
  for (const StepRecord::Preemption& preemption : step.preempted)
    ++requests_[static_cast<std::size_t>(preemption.victim)].preemptions;
  const std::vector<TraceState::Row> rows(state_->rows().begin(), state_->rows().end());
  for (const TraceState::Row& row : rows) {
    RequestNotes& notes = requests_[static_cast<std::size_t>(row.request)];
    const TraceState::Request& request = state_->request(row.request);
    if (notes.first_step < 0) notes.first_step = step.step;
    notes.last_step = step.step;
    notes.computed += row.count;
    if (row.first < request.num_prompt && row.count > 0) ++notes.prefill_steps;
    notes.blocks = std::max(notes.blocks, static_cast<std::int32_t>(request.blocks.size()));
    if (!request.blocks.empty()) {
      notes.first_block = request.blocks.front();
      notes.last_block = request.blocks.back();
    }
  }
  state_->finish(step);
  note_tokens(step, rows);
}

void FactsSink::note_tokens(const StepRecord& step, const std::vector<TraceState::Row>& rows) {
  const bool planned_ahead = state_->config().async_scheduling;
  for (const TraceState::Row& row : rows) {
    if (!row.sample) continue;
    ++sampled_rows_;
    // Planned ahead, whoever has ended by now did so with the step before: this row's token is dropped.
    if (planned_ahead && !state_->request(row.request).live()) continue;
    RequestNotes& notes = requests_[static_cast<std::size_t>(row.request)];
    ++notes.output;
    if (!streams(state_->config())) continue;
    if (notes.first_token < 0) {
      notes.first_token = step.end;
    } else if (step.end - notes.last_token > notes.pause) {
      notes.pause = step.end - notes.last_token;
      notes.pause_step = step.step;
    }
    notes.last_token = step.end;
  }
  if (streams(state_->config())) return;
  for (const StepRecord::Finish& finish : step.finished) {
    RequestNotes& notes = requests_[static_cast<std::size_t>(finish.request)];
    notes.first_token = notes.last_token = step.end;
  }
}

std::vector<Facts> FactsSink::requests() const {
  std::vector<Facts> out;
  for (const RequestNotes& notes : requests_) out.push_back(request_facts(notes));
  return out;
}

Facts FactsSink::run() const {
  Facts out;
  for (const char* name : kSummed) out[name] = 0;
  double running = 0, tokens = 0, longest = 0, duration = 0;
  for (const Facts& step : steps_) {
    for (const char* name : kSummed) out[name] += step.at(name);
    running = std::max(running, step.at("running"));
    tokens = std::max(tokens, step.at("tokens"));
    longest = std::max(longest, step.at("duration_ms"));
    duration += step.at("duration_ms");
  }
  out["max_running"] = running;
  out["max_step_tokens"] = tokens;
  out["max_step_ms"] = longest;
  out["mean_step_ms"] = steps_.empty() ? std::nan("") : duration / static_cast<double>(steps_.size());
  out["busy_ms"] = duration;
  out["sampled_rows"] = static_cast<double>(sampled_rows_);
  return out;
}

Facts shape_facts(const ModelShape* model, const HardwareSpec* hardware, const EngineConfig* engine,
                  const Execution& execution) {
  Facts out;
  if (model != nullptr) {
    const std::pair<const char*, std::int64_t> counts[] = {
        {"layers", model->num_layers},
        {"hidden", model->hidden},
        {"heads", model->num_heads},
        {"kv_heads", model->num_kv_heads},
        {"head_dim", model->head_dim},
        {"intermediate", model->intermediate},
        {"vocabulary", model->vocabulary},
        {"parameters", model->parameters()},
        {"weight_bytes", model->weight_bytes(execution.tensor_parallel)},
        {"kv_bytes_per_token", model->kv_bytes_per_token(execution.tensor_parallel, execution.kv_dtype)},
        {"experts", model->experts ? model->experts->count : 0},
        {"experts_per_token", model->experts ? model->experts->per_token : 0},
        {"expert_intermediate", model->experts ? model->experts->intermediate : 0}};
    for (const auto& [name, value] : counts) out[name] = static_cast<double>(value);
  }
  if (hardware != nullptr) {
    out["flops_per_s"] = hardware->bf16_tflops * 1e12;
    out["bytes_per_s"] = hardware->memory_gb_per_s * 1e9;
    out["link_bytes_per_s"] = hardware->link_gb_per_s * 1e9;
    out["memory_bytes"] = static_cast<double>(hardware->memory_bytes);
  }
  if (engine != nullptr) {
    out["tensor_parallel"] = execution.tensor_parallel;
    out["num_blocks"] = engine->num_blocks;
    out["usable_blocks"] = usable_blocks(*engine);
    out["block_size"] = engine->block_size;
    out["max_num_seqs"] = engine->max_num_seqs;
    out["max_num_batched_tokens"] = engine->max_num_batched_tokens;
  }
  return out;
}

const std::vector<std::string>& run_fact_names() {
  static const std::vector<std::string> names = [] {
    FactsSink sink;
    return names_of(sink.run());
  }();
  return names;
}

const std::vector<std::string>& step_fact_names() {
  static const std::vector<std::string> names = [] {
    TraceHeader header;
    header.engine.num_blocks = 2;
    return names_of(step_facts({}, TraceState(header)));
  }();
  return names;
}

const std::vector<std::string>& request_fact_names() {
  static const std::vector<std::string> names = names_of(request_facts({}));
  return names;
}

const std::vector<std::string>& shape_fact_names() {
  static const std::vector<std::string> names = [] {
    const ModelShape model = builtin_models().front();
    const HardwareSpec hardware;
    EngineConfig engine;
    return names_of(shape_facts(&model, &hardware, &engine, {}));
  }();
  return names;
}

}  // namespace tokenyard
