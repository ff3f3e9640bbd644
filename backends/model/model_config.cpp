#include "backends/model/model_config.h"

#include <filesystem>
#include <optional>

#include "core/base/json_reader.h"
#include "core/base/model_json.h"
#include "core/base/text_file.h"

namespace tokenyard {
namespace {

constexpr std::int32_t kMostTokens = 1 << 26;
constexpr std::size_t kMostBytes = std::size_t{4} << 20;  // of a configuration file

std::vector<Token> token_ids(const JsonValue& value) {
  if (!value.is_array()) return {value.int32(0, kMostTokens)};
  return value.int32s(0, kMostTokens);
}

void refuse_if_true(JsonObject& object, std::string_view key, const std::string& what) {
  const auto value = object.find_set(key);
  if (value && value->boolean()) value->fail(what + " is not supported");
}

void refuse_partial_rotation(JsonObject& object) {
  if (const auto factor = object.find_set("partial_rotary_factor"); factor && factor->number(0, 1) != 1) {
    factor->fail("rotating a part of a head is not supported");
  }
}

void refuse_other_classes(JsonObject& root) {
  const auto classes = root.find_set("architectures");
  if (!classes) {
    root.at("model_type").choice({"llama", "qwen2", "qwen3"});
    return;
  }
  const std::vector<JsonValue> names = classes->array();
  const JsonValue& name = names.size() == 1 ? names[0] : *classes;
  name.choice({"LlamaForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM"});
}

// What would change the arithmetic and is not computed here; read_hf_config() refuses what changes shapes.
void refuse_other_arithmetic(JsonObject& root, const ModelShape& shape) {
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    const auto rope = root.find_set(key);
    if (!rope) continue;
    JsonObject object = rope->object();
    refuse_partial_rotation(object);
    if (!shape.rope_scaling) continue;
    const RopeScaling::Kind kind = shape.rope_scaling->kind;
    if (kind == RopeScaling::Kind::dynamic || kind == RopeScaling::Kind::longrope) {
      rope->fail("RoPE scaling \"" + std::string(name_of(kind)) + "\" is not supported; linear, llama3 and yarn are");
    }
  }
  refuse_partial_rotation(root);
  refuse_if_true(root, "attention_bias", "a bias in attention besides Qwen2's");
  refuse_if_true(root, "mlp_bias", "a bias in the MLP");
  refuse_if_true(root, "rope_interleaved", "rotating neighbouring elements");
  if (const auto activation = root.find_set("hidden_act")) activation->choice({"silu"});
}

void read_generation(JsonObject root, ModelConfig& config) {
  if (const auto eos = root.find_set("eos_token_id")) config.eos_token_ids = token_ids(*eos);
  SamplingParams& sampling = config.sampling;
  const auto sample = root.find_set("do_sample");
  const bool samples = sample && sample->boolean();
  const auto number = [&](const char* key, float& field, double least, double most) {
    if (const auto value = root.find_set(key)) field = static_cast<float>(value->number(least, most));
  };
  if (samples) {
    sampling.temperature = 1;
    number("temperature", sampling.temperature, 0, 1e6);
    number("top_p", sampling.top_p, 1e-6, 1);
    number("min_p", sampling.min_p, 0, 1);
    if (const auto k = root.find_set("top_k")) sampling.top_k = k->int32(0, kMostTokens);
  }
  number("repetition_penalty", sampling.repetition_penalty, 1e-6, 1e6);
}

ModelConfig read(const JsonValue& json, const std::optional<JsonValue>& generation) {
  JsonObject root = json.object();
  ModelConfig config;
  refuse_other_classes(root);
  config.shape = read_hf_config(json);
  refuse_other_arithmetic(root, config.shape);
  if (const auto eos = root.find_set("eos_token_id")) config.eos_token_ids = token_ids(*eos);
  if (generation) read_generation(generation->object(), config);
  return config;
}

}  // namespace

ModelConfig parse_model_config(std::string_view text, const std::string& config_file, std::string_view generation,
                               const std::string& generation_file) {
  std::optional<JsonValue> more;
  if (!generation.empty()) more = JsonValue::parse(generation, generation_file);
  return read(JsonValue::parse(text, config_file), more);
}

ModelConfig load_model_config(const std::string& folder) {
  const std::filesystem::path path(folder);
  const std::string generation = (path / "generation_config.json").string();
  std::optional<JsonValue> more;
  if (is_there(generation)) more = JsonValue::load(generation, kMostBytes);
  return read(JsonValue::load((path / "config.json").string(), kMostBytes), more);
}

}  // namespace tokenyard
