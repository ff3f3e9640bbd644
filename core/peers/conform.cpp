#include "core/peers/conform.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <regex>
#include <set>

#include "core/base/json_reader.h"
#include "core/scheduler.h"

namespace tokenyard {
namespace {

using Step = Recording::Step;

// The commits whose rules core/policies follow.
constexpr const char* kNanoVllmCommit = "bb823b3";
constexpr const char* kVllmCommit = "6adad08767583f52eb4d2122111af0bf638ed5e6";  // of August 2026, between 0.27 and 0.28

// A recording may hold any value of the right type; a wrong one is a difference, not an unreadable file.
std::int64_t any_integer(const JsonValue& value) { return value.integer(INT64_MIN, INT64_MAX); }
std::int32_t any_int32(const JsonValue& value) { return value.int32(INT32_MIN, INT32_MAX); }
std::vector<Token> any_int32s(const JsonValue& value) { return value.int32s(INT32_MIN, INT32_MAX); }

std::vector<std::int64_t> any_integers(const JsonValue& value) {
  std::vector<std::int64_t> out;
  for (const JsonValue& item : value.array()) out.push_back(any_integer(item));
  return out;
}

void read_config(JsonObject config, bool vllm, Recording& recording) {
  EngineConfig& c = recording.config;
  c.policy = vllm ? Policy::vllm_v1 : Policy::nano_vllm;
  c.strict_peer = true;
  c.max_num_seqs = any_int32(config.at("max_num_seqs"));
  c.max_num_batched_tokens = any_int32(config.at("max_num_batched_tokens"));
  c.block_size = any_int32(config.at("block_size"));
  c.num_blocks = any_int32(config.at("num_blocks"));
  if (vllm) {
    c.max_model_len = any_int32(config.at("max_model_len"));
    c.enable_chunked_prefill = config.at("enable_chunked_prefill").boolean();
    c.enable_prefix_caching = config.at("enable_prefix_caching").boolean();
    c.long_prefill_token_threshold = any_int32(config.at("long_prefill_token_threshold"));
    const std::string order = config.at("policy").string();
    if (const auto known = parse_name<QueueOrder>(order)) {
      c.queue_order = *known;
    } else {
      recording.unsuitable = "config: policy is \"" + order + "\"; the peer has fcfs and priority";
    }
    const double watermark = config.at("watermark").number(-1e9, 1e9) * c.num_blocks;
    c.watermark_blocks = static_cast<std::int32_t>(std::clamp(std::floor(watermark), -1.0, 1e9));
    c.admission_gate = config.at("reserve").boolean();
    // Options of later versions: their defaults change nothing.
    for (const char* name : {"max_num_active_seqs", "long_prefill_token_threshold_adaptive", "prefill_schedule_interval"}) {
      const auto value = config.find(name);
      if (value && !value->is_null() && value->json() != Json(false) && value->json() != Json(0)) {
        recording.unsuitable = std::string("config: ") + name + " is " + value->json().dump() + "; this option is not modelled";
      }
    }
  }
  config.done();
  const std::int32_t most_blocks = 1 << 22;
  if (const auto wrong = validate(c)) {
    recording.unsuitable = "config: " + *wrong;
  } else if (c.num_blocks > most_blocks) {
    recording.unsuitable =
        "config: num_blocks is " + std::to_string(c.num_blocks) + "; comparisons stop at " + std::to_string(most_blocks);
  }
}

// Arrival times are fractions of steps; only their order matters, so each becomes its rank.
struct Arrival {
  std::size_t request;
  double time;
};

void read_request(const JsonValue& value, bool vllm, Recording& recording, std::vector<Arrival>& arrivals) {
  JsonObject request = value.object();
  Recording::Input input;
  RequestSpec& spec = input.spec;
  spec.id = request.at("id").string();
  spec.arrival_step = any_integer(request.at("arrival_step"));
  spec.prompt.append(any_int32s(request.at("prompt")));
  spec.max_tokens = any_int32(request.at("max_tokens"));
  spec.scripted_output = any_int32s(request.at("outputs"));
  if (vllm) {
    arrivals.push_back({recording.requests.size(), request.at("arrival_time").number(-1e15, 1e15)});
    spec.priority = any_int32(request.at("priority"));
    spec.min_tokens = any_int32(request.at("min_tokens"));
    if (const JsonValue ids = request.at("stop_token_ids"); !ids.is_null()) spec.stop_token_ids = any_int32s(ids);
    if (const JsonValue abort = request.at("abort_step"); !abort.is_null()) input.abort_step = any_integer(abort);
  } else {
    spec.ignore_eos = request.at("ignore_eos").boolean();
  }
  request.done();
  if (spec.prompt.empty()) value.fail("expected a prompt of at least one token, found none");
  recording.requests.push_back(std::move(input));
}

Step read_step(const JsonValue& value, const EngineConfig& config) {
  const bool vllm = config.policy == Policy::vllm_v1;
  JsonObject object = value.object();
  Step step;
  step.step = any_integer(object.at("step"));
  step.added = object.at("added").strings();
  if (vllm) {
    step.aborted = object.at("aborted").strings();
  } else {
    step.phase = object.at("phase").string();
    if (object.value().size() == 3) return step;  // idle: nothing is waiting or running
  }
  for (const JsonValue& row : object.at("scheduled").array()) {
    const std::vector<JsonValue> parts = row.array();
    if (parts.size() != 3) row.expected("[id, tokens, tokens computed before]");
    step.scheduled.push_back({parts[0].string(), any_integer(parts[1]), any_integer(parts[2])});
  }
  for (const JsonValue& row : object.at("admitted").array()) {
    const std::vector<JsonValue> parts = row.array();
    if (parts.size() != 2) row.expected("[id, prefix-hit tokens]");
    step.admitted.push_back({parts[0].string(), any_integer(parts[1])});
  }
  step.preempted = object.at("preempted").strings();
  JsonObject blocks = object.at("new_blocks").object();
  for (const auto& [id, ids] : blocks.members()) step.new_blocks[id] = any_integers(ids);
  step.free_blocks = any_integer(object.at("free_blocks"));
  step.sampled = object.at("sampled").strings();
  step.finished = object.at("finished").strings();
  step.waiting = object.at("waiting").strings();
  step.running = object.at("running").strings();
  if (vllm) {
    step.resumed = object.at("resumed").strings();
    step.free_queue_head = any_integers(object.at("free_queue_head"));
    JsonObject reasons = object.at("finish_reasons").object();
    for (const auto& [id, reason] : reasons.members()) step.finish_reasons[id] = reason.string();
  }
  if (config.async_scheduling) {
    step.ahead = object.at("ahead").boolean();
    if (const auto dropped = object.find("dropped")) step.dropped = dropped->strings();
  }
  object.done();
  return step;
}

Recording read_recording(const JsonValue& root) {
  JsonObject file = root.object();
  Recording recording;
  file.at("format").choice({"peer-decisions/1"});
  recording.name = file.at("name").string();
  const JsonValue peer = file.at("peer");
  const bool vllm = peer.string() == "vllm";
  if (!vllm && peer.string() != "nano-vllm") {
    recording.unsuitable = "peer: recorded \"" + peer.string() + "\", known are nano-vllm and vllm";
    return recording;
  }
  read_config(file.at("config").object(), vllm, recording);
  const std::string commit = file.at("peer_commit").string();
  const auto version = vllm_version_of(commit);
  if (vllm ? !version : commit != kNanoVllmCommit) {
    recording.unsuitable = "peer_commit: recorded " + commit + ", our rules are those of " +
                           (vllm ? "vLLM 0.24 to 0.33 (\"vllm 0.33.0 (g4ba787ec9)\")" : kNanoVllmCommit);
  }
  if (vllm && version) recording.config.vllm_version = *version;
  if (const auto scheduling = vllm ? file.find("scheduling") : std::nullopt) {
    recording.config.async_scheduling = true;
    if (scheduling->string() != "async") {
      recording.unsuitable = "scheduling: recorded \"" + scheduling->string() + "\"; known is async, or none for synchronous";
    }
  }
  recording.config.eos_token_id = any_int32(file.at("eos_token_id"));

  const JsonValue requests = file.at("requests");
  std::set<std::string> ids;
  std::vector<Arrival> arrivals;
  for (const JsonValue& request : requests.array()) {
    read_request(request, vllm, recording, arrivals);
    const std::string& id = recording.requests.back().spec.id;
    if (!ids.insert(id).second) recording.unsuitable = "requests: the id \"" + id + "\" stands twice";
  }
  std::vector<double> times;
  for (const Arrival& arrival : arrivals) times.push_back(arrival.time);
  std::sort(times.begin(), times.end());
  times.erase(std::unique(times.begin(), times.end()), times.end());
  for (const Arrival& arrival : arrivals) {
    recording.requests[arrival.request].spec.arrival =
        std::lower_bound(times.begin(), times.end(), arrival.time) - times.begin();
  }
  for (const Recording::Input& input : recording.requests) {
    const std::int32_t limit = recording.config.max_model_len;
    if (vllm && limit > 0 && input.spec.prompt.size() >= limit) {
      recording.unsuitable = "requests: the prompt of " + input.spec.id + " fills max_model_len " + std::to_string(limit) +
                             "; the peer refuses it before it reaches the scheduler";
    }
  }
  for (const JsonValue& step : file.at("steps").array()) recording.steps.push_back(read_step(step, recording.config));
  if (vllm) recording.unfinished = file.at("unfinished").strings();
  file.done();
  return recording;
}

std::string as_text(std::int64_t value) { return std::to_string(value); }
std::string as_text(const std::string& value) { return value; }
std::string as_text(const Recording::Scheduled& s) {
  return "[" + s.id + ", " + as_text(s.tokens) + ", " + as_text(s.computed_before) + "]";
}
std::string as_text(const Recording::Admitted& a) { return "[" + a.id + ", " + as_text(a.hit_tokens) + "]"; }
template <typename T>
std::string as_text(const std::vector<T>& list) {
  std::string out;
  for (const T& item : list) out += (out.empty() ? "" : ", ") + as_text(item);
  return "[" + out + "]";
}
template <typename T>
std::string as_text(const std::map<std::string, T>& map) {
  std::string out;
  for (const auto& [key, value] : map) out += (out.empty() ? "" : ", ") + key + ": " + as_text(value);
  return "{" + out + "}";
}

class Replay {
 public:
  explicit Replay(const Recording& recording)
      : recording_(recording),
        vllm_(recording.config.policy == Policy::vllm_v1),
        scheduler_(Scheduler::create(recording.config)) {
    for (const Recording::Input& input : recording.requests) {
      auto request = std::make_unique<Request>();
      request->number = static_cast<std::int32_t>(requests_.size());
      request->spec = input.spec;
      request->tokens = input.spec.prompt;
      request->num_tokens = request->num_prompt = request->tokens.size();
      requests_.push_back(std::move(request));
    }
    for (std::size_t i = 0; i < requests_.size(); ++i) arrival_order_.push_back(i);
    std::stable_sort(arrival_order_.begin(), arrival_order_.end(), [&](std::size_t a, std::size_t b) {
      return requests_[a]->spec.arrival_step < requests_[b]->spec.arrival_step;
    });
  }

  // What our scheduler does in as many steps as were recorded, or fewer. `trouble` gets a sentence when the scripted outputs
  // run out in the last of them.
  std::vector<Step> run(std::string& trouble) {
    if (recording_.config.async_scheduling) {
      run_ahead(trouble);
    } else {
      run_in_turn(trouble);
    }
    return std::move(steps_);
  }

  // Those still alive after that.
  const std::vector<std::string>& unfinished() const { return unfinished_; }

 private:
  void run_in_turn(std::string& trouble) {
    StepPlan plan;
    while (steps_.size() < recording_.steps.size() && trouble.empty()) {
      Step& step = steps_.emplace_back();
      step.step = std::ssize(steps_) - 1;
      join_and_abort(step);
      if (!vllm_ && scheduler_->idle()) {
        step.phase = "idle";
        continue;
      }
      scheduler_->schedule(0, plan);
      note_plan(plan, step);
      if (vllm_) note_queues(step);
      take_tokens(plan, step, trouble);
      if (!vllm_) note_queues(step);
    }
    unfinished_ = live();
  }

  // vLLM's asynchronous scheduling: a step is scheduled before the tokens of the one before are there. A schedule without a
  // row or a preemption is not recorded and has no number; who joined or was aborted before it is noted in the next.
  void run_ahead(std::string& trouble) {
    StepPlan plans[2];
    std::size_t scheduled = 0;  // steps
    std::size_t taken = 0;      // steps whose tokens are there: all, or all but the last
    Step step;
    while (trouble.empty()) {
      if (scheduler_->idle() && taken == scheduled) {
        if (next_arrival_ == arrival_order_.size()) break;
        const std::int64_t arrival = requests_[arrival_order_[next_arrival_]]->spec.arrival_step;
        step.step = std::max(step.step, std::min(arrival, std::int64_t{1} << 60));
      }
      const std::size_t changes = step.added.size() + step.aborted.size();
      join_and_abort(step);
      const bool changed = step.added.size() + step.aborted.size() > changes;
      const bool ahead = taken < scheduled;
      StepPlan& plan = plans[scheduled % 2];
      plan.clear();
      if (!scheduler_->idle()) scheduler_->schedule(0, plan, ahead ? &plans[taken % 2] : nullptr);
      const bool planned = !plan.rows.empty() || !plan.preemptions.empty();
      if (planned) {
        if (scheduled == recording_.steps.size()) return;  // ours goes on
        note_plan(plan, step);
        note_queues(step);
        step.ahead = ahead;
        const std::int64_t number = step.step;
        steps_.push_back(std::exchange(step, {}));
        step.step = number + 1;
        ++scheduled;
      }
      if (ahead) {
        take_tokens(plans[taken % 2], steps_[taken], trouble);
        ++taken;
      } else if (!planned && !changed) {
        break;  // nothing will ever happen
      }
      if (planned && scheduled == recording_.steps.size()) {
        unfinished_ = live();
        const Step& last = recording_.steps.back();
        const bool in_flight = last.sampled.empty() && last.dropped.empty();
        if (in_flight && unfinished_ == recording_.unfinished) return;  // the recorder stopped before it had returned
      }
    }
    unfinished_ = live();
  }

  std::vector<std::string> live() const {
    std::vector<std::string> ids;
    for (const auto& request : requests_) {
      if (request->joined_step >= 0 && request->finish_reason == FinishReason::none) ids.push_back(request->spec.id);
    }
    return ids;
  }

  void join_and_abort(Step& step) {
    for (std::size_t i = 0; vllm_ && i < requests_.size(); ++i) {
      Request& request = *requests_[i];
      const bool live = request.joined_step >= 0 && request.finish_reason == FinishReason::none;
      if (recording_.requests[i].abort_step != step.step || !live) continue;
      scheduler_->cancel(request);
      step.aborted.push_back(request.spec.id);
    }
    for (; next_arrival_ < arrival_order_.size(); ++next_arrival_) {
      Request& request = *requests_[arrival_order_[next_arrival_]];
      if (request.spec.arrival_step > step.step) return;
      request.joined_step = step.step;
      scheduler_->add(request);
      step.added.push_back(request.spec.id);
    }
  }

  void note_plan(const StepPlan& plan, Step& step) const {
    for (const Row& row : plan.rows) step.scheduled.push_back({row.request->spec.id, row.count, row.first});
    for (const Admission& admission : plan.admissions) {
      step.admitted.push_back({admission.request->spec.id, admission.hit_tokens});
      if (vllm_ && admission.resumed) step.resumed.push_back(admission.request->spec.id);
    }
    for (const Preemption& preemption : plan.preemptions) step.preempted.push_back(preemption.victim->spec.id);
    for (const NewBlocks& added : plan.new_blocks) {
      std::vector<std::int64_t>& ids = step.new_blocks[added.request->spec.id];
      ids.assign(added.request->blocks.begin() + added.first_index, added.request->blocks.end());
    }
    step.free_blocks = scheduler_->blocks().num_free();
    if (vllm_) {
      for (const BlockId block : scheduler_->blocks().pool().free_head(8)) step.free_queue_head.push_back(block);
    } else {
      step.phase = plan.prefill_only ? "prefill" : "decode";
    }
  }

  void take_tokens(const StepPlan& plan, Step& step, std::string& trouble) {
    StepResult result;
    for (const Row& row : plan.rows) {
      if (!row.sample) continue;
      const Request& request = *row.request;
      if (request.finish_reason != FinishReason::none) {  // the row was planned before that was known
        result.tokens.push_back(kUnnamedToken);
        step.dropped.push_back(request.spec.id);
        continue;
      }
      const std::vector<Token>& script = request.spec.scripted_output;
      const auto next = static_cast<std::size_t>(request.tokens.size() - request.num_prompt);
      if (next >= script.size()) {
        trouble = "outputs: recorded " + as_text(static_cast<std::int64_t>(script.size())) + " for " + request.spec.id +
                  ", ours needs one more";
        return;
      }
      result.tokens.push_back(script[next]);
      step.sampled.push_back(request.spec.id);
    }
    std::vector<Request*> left;
    scheduler_->commit(plan, result, left);
    for (const Request* request : left) {
      step.finished.push_back(request->spec.id);
      if (!vllm_) continue;
      const bool stopped = request->finish_reason == FinishReason::stop;
      step.finish_reasons[request->spec.id] = stopped ? "FINISHED_STOPPED" : "FINISHED_LENGTH_CAPPED";
    }
  }

  void note_queues(Step& step) const {
    for (const Request* request : scheduler_->waiting().in_order()) step.waiting.push_back(request->spec.id);
    for (const Request* request : scheduler_->running()) step.running.push_back(request->spec.id);
  }

  const Recording& recording_;
  bool vllm_;
  std::unique_ptr<Scheduler> scheduler_;
  std::vector<std::unique_ptr<Request>> requests_;
  std::vector<std::size_t> arrival_order_;
  std::size_t next_arrival_ = 0;
  std::vector<Step> steps_;
  std::vector<std::string> unfinished_;
};

std::string first_difference(const Step& theirs, const Step& ours) {
  std::string found;
  const auto compare = [&](const char* field, const auto& a, const auto& b) {
    if (found.empty() && a != b) found = std::string(field) + ": recorded " + as_text(a) + ", ours " + as_text(b);
  };
  compare("step", theirs.step, ours.step);
  compare("ahead", theirs.ahead, ours.ahead);
  compare("aborted", theirs.aborted, ours.aborted);
  compare("added", theirs.added, ours.added);
  compare("phase", theirs.phase, ours.phase);
  compare("scheduled", theirs.scheduled, ours.scheduled);
  compare("admitted", theirs.admitted, ours.admitted);
  compare("resumed", theirs.resumed, ours.resumed);
  compare("preempted", theirs.preempted, ours.preempted);
  compare("new_blocks", theirs.new_blocks, ours.new_blocks);
  compare("free_blocks", theirs.free_blocks, ours.free_blocks);
  compare("free_queue_head", theirs.free_queue_head, ours.free_queue_head);
  compare("sampled", theirs.sampled, ours.sampled);
  compare("dropped", theirs.dropped, ours.dropped);
  compare("finished", theirs.finished, ours.finished);
  compare("finish_reasons", theirs.finish_reasons, ours.finish_reasons);
  compare("waiting", theirs.waiting, ours.waiting);
  compare("running", theirs.running, ours.running);
  return found;
}

}  // namespace

std::optional<VllmVersion> vllm_version_of(const std::string& peer_commit) {
  if (peer_commit == kVllmCommit) return VllmVersion::v0_28;
  static const std::regex release("vllm 0\\.([0-9]{2})\\.[0-9]{1,3} \\(g[0-9a-f]{7,40}\\)");
  std::smatch parts;
  if (!std::regex_match(peer_commit, parts, release)) return std::nullopt;
  const int minor = std::stoi(parts[1]);
  if (minor < 24 || minor > 33) return std::nullopt;
  if (minor < 29) return VllmVersion::v0_28;
  if (minor < 31) return VllmVersion::v0_29;
  return minor < 33 ? VllmVersion::v0_31 : VllmVersion::v0_33;
}

Recording parse_recording(std::string_view text, const std::string& name) {
  return read_recording(JsonValue::parse(text, name));
}

Recording load_recording(const std::string& path) { return read_recording(JsonValue::load(path)); }

Conformance conform(const Recording& recording) {
  Conformance outcome;
  outcome.steps = static_cast<std::int64_t>(recording.steps.size());
  if (!recording.unsuitable.empty()) {
    outcome.difference = recording.unsuitable;
    return outcome;
  }
  Replay replay(recording);
  std::string trouble;
  const std::vector<Step> ours = replay.run(trouble);
  for (std::size_t i = 0; i < recording.steps.size(); ++i) {
    std::string difference = i < ours.size() ? first_difference(recording.steps[i], ours[i]) : "ours has no such step";
    if (difference.empty() && i + 1 == ours.size()) difference = trouble;
    if (!difference.empty()) {
      outcome.difference = "step " + as_text(outcome.identical) + ": " + difference;
      return outcome;
    }
    ++outcome.identical;
  }
  if (recording.config.policy == Policy::vllm_v1 && replay.unfinished() != recording.unfinished) {
    outcome.difference = "unfinished: recorded " + as_text(recording.unfinished) + ", ours " + as_text(replay.unfinished());
  }
  return outcome;
}

}  // namespace tokenyard
