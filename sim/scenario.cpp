#include "sim/scenario.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <utility>

#include "core/base/json_reader.h"
#include "core/base/json_text.h"
#include "core/base/model_json.h"
#include "core/base/text_file.h"
#include "core/policy.h"
#include "core/trace/config_json.h"
#include "sim/scenario_input.h"

namespace tokenyard {
namespace {

TimeNs from_us(double us) { return static_cast<TimeNs>(std::floor(us * 1e3 + 0.5)); }

template <typename Spec>
Spec read_spec(const JsonValue& json, const std::string& directory, Spec (*find)(const std::string&),
               Spec (*read)(const JsonValue&)) {
  if (!json.is_string()) return read(json);
  const std::string name = json.string();
  if (const std::string file = file_beside(directory, name); means_file(file)) return find(file);
  try {
    return find(name);
  } catch (const InputError& error) {
    json.fail(error.what());
  }
}

// What a scenario says of the engine beyond EngineConfig's own fields.
struct EngineExtras {
  bool has_seats = false, has_budget = false, has_blocks = false;
  std::optional<double> watermark;  // share of the blocks
};

EngineExtras read_engine(const JsonValue& json, EngineConfig& c) {
  JsonObject object = json.object();
  read_engine_config(object, c);
  EngineExtras extras;
  extras.has_seats = json.has("max_num_seqs");
  extras.has_budget = json.has("max_num_batched_tokens");
  extras.has_blocks = json.has("num_blocks");
  if (const auto v = object.find("watermark")) extras.watermark = v->number(0, 1);
  if (const auto v = object.find("batch_timeout_ms")) c.batch_timeout = from_us(v->number(0, 1e12) * 1e3);
  object.done();
  return extras;
}

// What the file leaves open, so that the configuration is valid.
void resolve_engine(Scenario& s, const EngineExtras& extras, const JsonValue& json) {
  EngineConfig& c = s.engine;
  if (s.model) {
    if (c.max_model_len > s.model->max_context) {
      json.fail("expected max_model_len of at most " + std::to_string(s.model->max_context) + ", the context of " +
                s.model->name + ", found " + std::to_string(c.max_model_len));
    }
    if (c.max_model_len == 0) c.max_model_len = s.model->max_context;
  }
  if (!extras.has_budget) {
    if (extras.has_seats) c.max_num_batched_tokens = std::max(c.max_num_batched_tokens, c.max_num_seqs);
    if (c.policy->whole_prompts(c)) c.max_num_batched_tokens = std::max(c.max_num_batched_tokens, c.max_model_len);
  }
  if (!extras.has_seats) c.max_num_seqs = std::min(c.max_num_seqs, c.max_num_batched_tokens);
  if (!extras.has_blocks) {
    if (!s.model) json.fail("expected the key \"num_blocks\", which only a model and hardware make unnecessary");
    try {
      c.num_blocks =
          kv_blocks(*s.model, *s.hardware, s.execution, s.gpu_memory_utilization, c.max_num_batched_tokens, c.max_num_seqs);
    } catch (const InputError& error) {
      json.fail(error.what());
    }
  }
  if (extras.watermark) c.watermark_blocks = static_cast<std::int32_t>(std::floor(*extras.watermark * c.num_blocks));
  if (const auto wrong = validate(c)) json.fail(*wrong);
}

void read_step_time(JsonObject& top, Scenario& s) {
  const auto json = top.find("step_time");
  if (!json || json->is_null()) return;
  JsonObject object = json->object();
  ConstantTime time;
  time.per_step = from_us(object.at("per_step_us").number(0, 1e8));
  if (const auto v = object.find("per_token_us")) time.per_token = from_us(v->number(0, 1e5));
  object.done();
  if (time.per_step == 0 && time.per_token == 0) json->expected("a step that takes time");
  s.step_time = time;
}

// `input` with nothing left open. Written member by member: a copy of the document would hold every listed request twice.
std::string resolved(const Scenario& s, const ScenarioInput& input) {
  std::map<std::string, std::string> members;
  for (const Json::Member& member : input.json.json().object()) {
    members[member.key] = member.key == "workload" ? "" : member.value.dump();  // the workload follows below
  }
  for (const char* of_lesson : {"variants", "show", "expect"}) members.erase(of_lesson);
  if (s.model) members["model"] = to_json(*s.model);
  if (s.hardware) members["hardware"] = to_json(*s.hardware);
  members["tensor_parallel"] = Json(s.execution.tensor_parallel).dump();
  if (s.execution.kv_dtype != KvDtype::automatic) members["kv_dtype"] = Json(name_of(s.execution.kv_dtype)).dump();
  members["cuda_graphs"] = Json(s.execution.cuda_graphs).dump();
  members["gpu_memory_utilization"] = Json(s.gpu_memory_utilization).dump();
  members["seed"] = Json(s.seed).dump();
  members["rate_scale"] = Json(s.rate_scale).dump();
  Json engine = Json::parse(engine_config_json(s.engine), s.name);
  if (s.engine.policy->has_versions) engine["vllm_version"] = name_of(s.engine.vllm_version);
  members["engine"] = engine.dump();
  std::string out;
  for (const auto& [key, text] : members) {
    out += out.empty() ? '{' : ',';
    append_json_string(out, key);
    out += ':';
    out += text;
    if (key != "workload") continue;
    char separator = '[';
    for (const Json& entry : input.json.json().find("workload")->array()) {
      out += std::exchange(separator, ',');
      if (entry.find("path") != nullptr) {
        Json found = entry;
        for (const char* name : {"path", "tokenizer"}) {
          if (Json* const file = found.find(name)) *file = file_beside(input.directory, file->string());
        }
        append_json(out, found);
      } else {
        append_json(out, entry);
      }
    }
    out += ']';
  }
  out += '}';
  return out;
}

Scenario read_scenario(const ScenarioInput& input) {
  Scenario s;
  JsonObject top = input.json.object();
  top.at("tokenyard_scenario").integer(kScenarioVersion, kScenarioVersion);
  s.name = top.at("name").string();
  for (const auto& [key, field] : {std::pair{"title", &s.title}, {"teaches", &s.teaches}, {"look_for", &s.look_for}}) {
    if (const auto v = top.find(key)) *field = v->string();
  }
  read_step_time(top, s);
  const auto model = top.find("model");
  const auto hardware = top.find("hardware");
  if (!s.step_time || model || hardware) {
    s.model = read_spec(top.at("model"), input.directory, find_model, read_model);
    s.hardware = read_spec(top.at("hardware"), input.directory, find_hardware, read_hardware);
  }
  if (const auto v = top.find("tensor_parallel")) s.execution.tensor_parallel = v->int32(1, 1024);
  if (const auto v = top.find("kv_dtype")) s.execution.kv_dtype = kv_dtype_of(v->choice({"auto", "fp8"}));
  if (const auto v = top.find("cuda_graphs")) s.execution.cuda_graphs = v->boolean();
  if (const auto v = top.find("gpu_memory_utilization")) s.gpu_memory_utilization = v->number(0.01, 1);
  if (const auto v = top.find("seed")) s.seed = static_cast<std::uint64_t>(v->integer(0, std::int64_t{1} << 53));

  if (const auto v = top.find("rate_scale")) s.rate_scale = v->number(kLeastRateScale, kMostRateScale);
  for (const char* of_lesson : {"variants", "show", "expect"}) top.find(of_lesson);  // lesson.h reads them

  EngineExtras extras;
  const auto engine = top.find("engine");
  if (engine) extras = read_engine(*engine, s.engine);
  s.execution.block_size = s.engine.block_size;
  if (s.model) {
    try {
      make_cost_model(s);  // whether the model can be split so
    } catch (const InputError& error) {
      input.json.fail(error.what());
    }
  }
  resolve_engine(s, extras, engine.value_or(input.json));

  TextNames texts;
  const JsonValue workloads = top.at("workload");
  const std::vector<JsonValue> list = workloads.array();
  if (list.empty() || list.size() > static_cast<std::size_t>(kMostWorkloads)) {
    workloads.expected("1 to " + std::to_string(kMostWorkloads) + " workloads");
  }
  for (const JsonValue& entry : list) s.workload.push_back(read_workload(entry, input.directory, texts));
  top.done();

  s.json = resolved(s, input);
  return s;
}

}  // namespace

Scenario load_scenario(const std::string& path, const std::vector<std::string>& overrides) {
  return read_scenario(read_scenario_input(path, overrides));
}

Scenario parse_scenario(const std::string& text, const std::string& name, const std::string& directory,
                        const std::vector<std::string>& overrides) {
  return read_scenario(scenario_input(Json::parse(text, name), name, directory, overrides));
}

Scenario scenario_of_requests(const std::vector<RequestSpec>& requests, const std::string& name, const std::string& model,
                              const std::string& hardware, const std::vector<std::string>& overrides) {
  Json document = Json::Object{
      {"tokenyard_scenario", kScenarioVersion}, {"name", name}, {"model", model}, {"hardware", hardware}, {"workload", {}}};
  document["workload"] = Json::Array(1, listed_requests(requests));
  return read_scenario(scenario_input(std::move(document), name, "", overrides));
}

CostModel make_cost_model(const Scenario& scenario) {
  if (scenario.step_time) return CostModel(*scenario.step_time);
  return CostModel(*scenario.model, *scenario.hardware, scenario.execution);
}

std::unique_ptr<SimBackend> make_backend(const Scenario& scenario) {
  return std::make_unique<SimBackend>(make_cost_model(scenario), scenario.model ? scenario.model->max_context : 0);
}

std::unique_ptr<RequestSource> make_source(const Scenario& scenario) {
  std::unique_ptr<RequestSource> source = mix_sources(scenario.workload, scenario.seed, scenario.rate_scale);
  const bool at_engine =
      std::any_of(scenario.workload.begin(), scenario.workload.end(), [](const auto& w) { return w->at_engine(); });
  const TimeNs later = scenario.hardware ? from_us(scenario.hardware->host.front_end_us) : 0;
  return later > 0 && !at_engine ? behind_front_end(std::move(source), later) : std::move(source);
}

std::string error_note(const Scenario& scenario) {
  std::string out = scenario.step_time ? "constant step time; no hardware is modelled" : error_note(*scenario.hardware);
  for (const auto& workload : scenario.workload) {
    if (const std::string note = workload->note(); !note.empty()) out += "; " + note;
  }
  return out;
}

}  // namespace tokenyard
