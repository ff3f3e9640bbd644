#include "sim/scenario_input.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <string_view>

#include "core/base/model_json.h"
#include "core/base/output_file.h"
#include "core/base/text_file.h"
#include "sim/hardware_spec.h"
#include "sim/object_reader.h"
#include "sim/trace_scenario.h"
#include "sim/workload.h"

namespace tokenyard {
namespace {

using Object = Json::Object;

std::string file_stem(const std::string& path) { return std::filesystem::path(path).stem().string(); }

// The scenario around a workload that comes alone.
Json default_scenario(const std::string& path, Json workload) {
  return Object{{"tokenyard_scenario", 1}, {"name", file_stem(path)}, {"model", "llama-3.1-8b"},
                {"hardware", "a100-80gb"}, {"engine", Object()},      {"workload", Json::Array{std::move(workload)}}};
}

// Where the paths in a file start. A pipe lies nowhere: those in it start where the program does.
std::string folder_of(const std::string& path) {
  return is_stream(path) ? "" : std::filesystem::path(path).parent_path().string();
}

Json recorded_scenario(const std::string& type, const std::string& path) {
  const std::string name = is_stream(path) ? path : std::filesystem::path(path).filename().string();
  return default_scenario(path, Object{{"type", type}, {"path", name}});
}

// A peer's workload: {"config": {...}, "requests": [...]}, with "steps" when it is a recording.
Json peer_scenario(const JsonValue& json, const std::string& path, const std::vector<std::string>& overrides) {
  constexpr std::int32_t most = 1 << 30;
  JsonObject file = json.object();
  const JsonValue config_value = file.at("config");
  JsonObject config = config_value.object();
  const auto peer = file.find("peer");
  const bool vllm = peer && peer->string() == "vllm";

  Json engine = Object{{"policy", vllm ? "vllm_v1" : "nano_vllm"}};
  for (const char* key : {"max_num_seqs", "max_num_batched_tokens", "block_size"}) {
    engine[key] = config.at(key).integer(-most, most);
  }
  Json policy = engine["policy"];
  for (const std::string& each : overrides) {
    if (each.starts_with("engine.policy=")) policy = json_or_string(each.substr(each.find('=') + 1));
  }
  // nano-vLLM counts usable blocks, vLLM one more for its null block.
  const std::int64_t num_blocks = config.at("num_blocks").integer(-most, most);
  engine["num_blocks"] = num_blocks + (policy == Json("vllm_v1") ? 1 : 0) - (vllm ? 1 : 0);
  if (const auto eos = config.find("eos")) engine["eos_token_id"] = eos->int32(-1, INT32_MAX);
  if (const auto eos = file.find("eos_token_id")) engine["eos_token_id"] = eos->int32(-1, INT32_MAX);
  if (vllm) {
    if (const auto v = config.find("enable_chunked_prefill")) engine["enable_chunked_prefill"] = v->boolean();
    if (const auto v = config.find("enable_prefix_caching")) engine["enable_prefix_caching"] = v->boolean();
    if (const auto v = config.find("long_prefill_token_threshold")) {
      engine["long_prefill_token_threshold"] = v->int32(0, most);
    }
    if (const auto v = config.find("max_model_len")) engine["max_model_len"] = v->int32(0, most);
    if (const auto v = config.find("policy")) engine["queue_order"] = v->choice({"fcfs", "priority"});
    if (const auto v = config.find("watermark")) engine["watermark"] = v->number(0, 1);
    if (const auto v = config.find("reserve")) engine["admission_gate"] = v->boolean();
    if (file.find("scheduling") && policy != "static") engine["async_scheduling"] = true;
  }

  Json::Array requests;
  for (const JsonValue& entry : file.at("requests").array()) {
    JsonObject object = entry.object();
    Json request = Object();
    for (const char* key :
         {"id", "arrival_step", "prompt", "max_tokens", "min_tokens", "priority", "ignore_eos", "stop_token_ids", "outputs"}) {
      const auto value = object.find(key);
      if (value && !value->is_null()) request[key] = value->json();
    }
    if (const auto step = object.find("abort_step"); step && !step->is_null()) request["cancel_step"] = step->json();
    requests.push_back(std::move(request));
  }
  Json scenario = default_scenario(path, Object{{"type", "requests"}, {"requests", std::move(requests)}});
  scenario.erase("model");
  scenario.erase("hardware");
  scenario["step_time"] = Object{{"per_step_us", 10000}, {"per_token_us", 0}};
  scenario["engine"] = std::move(engine);
  return scenario;
}

// "a.b.0.c=value"
void apply_override(Json& root, const std::string& override) {
  const auto fail = [&](const std::string& what) { throw InputError("--set " + override.substr(0, 200) + ": " + what); };
  const std::size_t equals = override.find('=');
  if (equals == std::string::npos || equals == 0) fail("expected path.to.key=value, found no key");
  std::string_view path(override.data(), equals);
  Json* node = &root;
  std::string at;
  while (true) {
    const std::size_t dot = path.find('.');
    const std::string key(path.substr(0, dot));
    const bool last = dot == std::string_view::npos;
    if (node->is_string() && (at == "/model" || at == "/hardware")) {
      const std::string name = node->string();
      *node = Json::parse(at == "/model" ? to_json(find_model(name)) : to_json(find_hardware(name)), name);
    }
    if (node->is_array()) {
      std::size_t index = 0;
      const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), index);
      if (error != std::errc{} || end != key.data() + key.size() || index >= node->size()) {
        fail("expected an index below " + std::to_string(node->size()) + " into " + at + ", found \"" + key + "\"");
      }
      node = &node->array()[index];
    } else if (node->is_object()) {
      // A last key may be new: the reader refuses those it does not know. So may the two parts with defaults.
      if (!last && node->find(key) == nullptr) {
        if (!at.empty() || (key != "engine" && key != "step_time")) {
          fail("expected a key that exists, found \"" + key + "\" in " + (at.empty() ? "/" : at));
        }
        (*node)[key] = Object();
      }
      node = &(*node)[key];
    } else {
      fail("expected an object or an array at " + at + ", found " + node->dump().substr(0, 60));
    }
    at += "/" + key;
    if (last) break;
    path.remove_prefix(dot + 1);
  }
  *node = json_or_string(override.substr(equals + 1));
  // A file named on the command line is meant as seen from there, not from the scenario's folder.
  if (node->is_string() && (at == "/model" || at == "/hardware")) {
    const std::string name = node->string();
    if (means_file(name)) *node = std::filesystem::absolute(name).string();
  }
}

// The first line that is not empty, or of a longer one the beginning.
std::string first_line(const std::string& path) {
  constexpr std::size_t most = std::size_t{1} << 20;  // LineReader takes no longer ones
  const auto in = open_text_file(path);
  std::string line;
  char c = 0;
  while (line.size() < most && in->get(c) && !(c == '\n' && !line.empty())) {
    const bool blank = c == ' ' || c == '\t' || c == '\r' || c == '\n';
    if (!blank || !line.empty()) line += c;
    if (line == kByteOrderMark) line.clear();
  }
  while (line.ends_with('\r') || line.ends_with(' ')) line.pop_back();
  return line;
}

// One whole object that is no kind of scenario: of a file of JSON Lines.
bool is_foreign_object(const std::string& line) {
  try {
    const Json json = Json::parse(line, "");
    const bool peer = json.find("config") != nullptr && json.find("requests") != nullptr;
    return json.is_object() && json.find("tokenyard_scenario") == nullptr && !peer;
  } catch (const InputError&) {
    return false;
  }
}

ScenarioInput finish(Json document, const std::string& name, std::string directory, const std::vector<std::string>& overrides) {
  for (const std::string& override : overrides) apply_override(document, override);
  return {JsonValue(std::move(document), name), std::move(directory)};
}

}  // namespace

ScenarioInput scenario_input(Json document, const std::string& name, const std::string& directory,
                             const std::vector<std::string>& overrides) {
  if (document.find("config") != nullptr && document.find("requests") != nullptr) {
    return finish(peer_scenario(JsonValue(std::move(document), name), name, overrides), name, directory, overrides);
  }
  if (document.find("tokenyard_scenario") == nullptr) {
    JsonValue(std::move(document), name).expected("a scenario, an object with \"tokenyard_scenario\": 1");
  }
  return finish(std::move(document), name, directory, overrides);
}

ScenarioInput read_scenario_input(const std::string& path, const std::vector<std::string>& overrides) {
  const std::string directory = folder_of(path);
  const std::string line = first_line(path);
  std::string type = recorded_type(line);
  std::string object;
  if (line.starts_with('[')) {
    ObjectReader reader(path);
    if (reader.next(object)) type = recorded_type_of(Json::parse(object, path, reader.begin()));
  }
  if (!type.empty()) return finish(recorded_scenario(type, path), path, directory, overrides);
  if (begins_trace(line)) {
    ScenarioInput input = finish(trace_scenario(path), path, directory, overrides);
    const bool timed = input.json.has("step_time") || (input.json.has("model") && input.json.has("hardware"));
    if (!timed) throw InputError(path + ": expected --set model=... hardware=..., which this trace does not bring along");
    return input;
  }
  const bool json = line.empty() || line.starts_with('{');
  if (!json || is_foreign_object(line)) {
    throw InputError(path + ": line 1: expected a scenario, {\"tokenyard_scenario\": 1, ...}, a trace, or recorded traffic (" +
                     recorded_kinds() + "), found \"" + shown(line, 200) + "\"");
  }
  Json document = Json::parse(read_text_file(path, kMostJsonBytes), path);
  type = recorded_type_of(document);
  if (!type.empty()) return finish(recorded_scenario(type, path), path, directory, overrides);
  return scenario_input(std::move(document), path, directory, overrides);
}

}  // namespace tokenyard
