#include "backends/model/model_config.h"

#include <filesystem>

#include "core/base/json_reader.h"
#include "core/base/text_file.h"

namespace tokenyard {
namespace {

// Bounds that keep every product of a model's dimensions far inside 64 bits.
constexpr std::int32_t kMostWidth = 1 << 20;
constexpr std::int32_t kMostLayers = 4096;
constexpr std::int32_t kMostTokens = 1 << 26;
constexpr std::size_t kMostBytes = std::size_t{4} << 20;  // of a configuration file

// Hugging Face writes null for what is not set.
std::optional<JsonValue> find_set(JsonObject& object, const std::string& key) {
  auto value = object.find(key);
  return value && !value->is_null() ? value : std::nullopt;
}

std::int32_t size_at(JsonObject& object, const std::string& key, std::int32_t most) { return object.at(key).int32(1, most); }

std::vector<Token> token_ids(const JsonValue& value) {
  if (!value.is_array()) return {value.int32(0, kMostTokens)};
  return value.int32s(0, kMostTokens);
}

void refuse_if_set(JsonObject& object, const std::string& key, const std::string& what) {
  if (const auto value = find_set(object, key)) value->fail(what + " is not supported");
}

void refuse_if_true(JsonObject& object, const std::string& key, const std::string& what) {
  const auto value = find_set(object, key);
  if (value && value->boolean()) value->fail(what + " is not supported");
}

ModelFamily family_of(JsonObject& root) {
  const auto names = root.at("architectures").strings();
  const std::string name = names.size() == 1 ? names[0] : "";
  if (name == "LlamaForCausalLM") return ModelFamily::llama;
  if (name == "Qwen2ForCausalLM") return ModelFamily::qwen2;
  if (name == "Qwen3ForCausalLM") return ModelFamily::qwen3;
  const JsonValue value = root.at("architectures");
  const std::string known = "one of LlamaForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM";
  if (names.size() == 1) value.array()[0].expected(known);
  value.expected(known);
}

// `rope_scaling` beside `rope_theta`, or `rope_parameters` with the theta inside, as transformers 5 writes it.
void read_rope(JsonObject& root, ModelConfig& config) {
  const auto theta = [](const JsonValue& value) { return value.number(1, 1e12); };
  auto scaling = find_set(root, "rope_scaling");
  if (const auto value = find_set(root, "rope_theta")) config.rope_theta = theta(*value);
  if (const auto parameters = find_set(root, "rope_parameters")) {
    if (scaling) scaling->fail("stands beside rope_parameters, which says the same");
    JsonObject object = parameters->object();
    if (const auto value = find_set(object, "rope_theta")) config.rope_theta = theta(*value);
    scaling = parameters;
  }
  if (config.rope_theta == 0) root.value().fail("expected the key \"rope_theta\", which is missing");
  if (!scaling) return;
  JsonObject object = scaling->object();
  auto type = find_set(object, "rope_type");
  if (!type) type = find_set(object, "type");
  if (!type) scaling->fail("expected the key \"rope_type\", which is missing");
  if (const auto partial = find_set(object, "partial_rotary_factor"); partial && partial->number(0, 1) != 1) {
    partial->fail("rotating a part of a head is not supported");
  }
  if (type->choice({"default", "llama3"}) == "default") return;
  RopeScaling llama3;
  llama3.factor = object.at("factor").number(1, 1e6);
  llama3.low_freq_factor = object.at("low_freq_factor").number(1e-6, 1e6);
  llama3.high_freq_factor = object.at("high_freq_factor").number(1e-6, 1e6);
  llama3.original_context = object.at("original_max_position_embeddings").int32(1, kMostTokens);
  if (llama3.high_freq_factor <= llama3.low_freq_factor) scaling->fail("expected high_freq_factor > low_freq_factor");
  config.rope_scaling = llama3;
}

void refuse_unsupported(JsonObject& root, ModelFamily family) {
  for (const char* key : {"num_experts", "num_local_experts", "moe_intermediate_size"}) {
    refuse_if_set(root, key, "mixture of experts");
  }
  refuse_if_set(root, "quantization_config", "quantisation");
  refuse_if_true(root, "use_sliding_window", "a sliding window");
  if (family == ModelFamily::llama) refuse_if_set(root, "sliding_window", "a sliding window");
  if (const auto types = find_set(root, "layer_types")) {
    for (const JsonValue& type : types->array()) type.choice({"full_attention"});
  }
  refuse_if_true(root, "attention_bias", "a bias in attention besides Qwen2's");
  refuse_if_true(root, "mlp_bias", "a bias in the MLP");
  refuse_if_true(root, "rope_interleaved", "rotating neighbouring elements");
  if (const auto factor = find_set(root, "partial_rotary_factor"); factor && factor->number(0, 1) != 1) {
    factor->fail("rotating a part of a head is not supported");
  }
  if (const auto activation = find_set(root, "hidden_act")) activation->choice({"silu"});
}

void read_generation(std::string_view text, const std::string& file, ModelConfig& config) {
  JsonObject root = JsonValue::parse(text, file).object();
  if (const auto eos = find_set(root, "eos_token_id")) config.eos_token_ids = token_ids(*eos);
  SamplingParams& sampling = config.sampling;
  const auto sample = find_set(root, "do_sample");
  const bool samples = sample && sample->boolean();
  const auto number = [&](const char* key, float& field, double least, double most) {
    if (const auto value = find_set(root, key)) field = static_cast<float>(value->number(least, most));
  };
  if (samples) {
    sampling.temperature = 1;
    number("temperature", sampling.temperature, 0, 1e6);
    number("top_p", sampling.top_p, 1e-6, 1);
    number("min_p", sampling.min_p, 0, 1);
    if (const auto k = find_set(root, "top_k")) sampling.top_k = k->int32(0, kMostTokens);
  }
  number("repetition_penalty", sampling.repetition_penalty, 1e-6, 1e6);
}

}  // namespace

const char* name_of(ModelFamily family) {
  switch (family) {
    case ModelFamily::llama: return "llama";
    case ModelFamily::qwen2: return "qwen2";
    case ModelFamily::qwen3: return "qwen3";
  }
  return "?";
}

ModelConfig parse_model_config(std::string_view text, const std::string& config_file, std::string_view generation,
                               const std::string& generation_file) {
  JsonObject root = JsonValue::parse(text, config_file).object();
  ModelConfig config;
  config.family = family_of(root);
  refuse_unsupported(root, config.family);
  config.hidden = size_at(root, "hidden_size", kMostWidth);
  config.intermediate = size_at(root, "intermediate_size", kMostWidth);
  config.num_layers = size_at(root, "num_hidden_layers", kMostLayers);
  config.num_heads = size_at(root, "num_attention_heads", kMostWidth);
  config.vocabulary = size_at(root, "vocab_size", kMostTokens);
  config.max_context = size_at(root, "max_position_embeddings", kMostTokens);
  config.norm_epsilon = static_cast<float>(root.at("rms_norm_eps").number(0, 1));

  // Only Llama's class takes the number of heads where the key is missing; Qwen's take a number of their own.
  const auto kv_heads = find_set(root, "num_key_value_heads");
  if (!kv_heads && config.family != ModelFamily::llama) root.at("num_key_value_heads");
  config.num_kv_heads = kv_heads ? kv_heads->int32(1, kMostWidth) : config.num_heads;
  if (config.num_heads % config.num_kv_heads != 0) {
    kv_heads->expected("a divisor of num_attention_heads, " + std::to_string(config.num_heads));
  }
  if (const auto head_dim = find_set(root, "head_dim")) {
    config.head_dim = head_dim->int32(2, kMostWidth);
    if (config.head_dim % 2 != 0) head_dim->expected("an even number");
  } else if (config.family == ModelFamily::qwen3) {
    root.at("head_dim").expected("an integer");
  } else {
    config.head_dim = config.hidden / config.num_heads;
    if (config.hidden % (2 * config.num_heads) != 0) {
      root.at("hidden_size")
          .expected("an even multiple of num_attention_heads, " + std::to_string(config.num_heads) +
                    ", as there is no head_dim");
    }
  }
  if (std::int64_t{config.num_heads} * config.head_dim > kMostWidth) {
    root.at("num_attention_heads").fail("expected heads x head_dim of at most " + std::to_string(kMostWidth));
  }
  read_rope(root, config);
  if (const auto tied = find_set(root, "tie_word_embeddings")) config.tied_head = tied->boolean();
  if (const auto eos = find_set(root, "eos_token_id")) config.eos_token_ids = token_ids(*eos);
  if (!generation.empty()) read_generation(generation, generation_file, config);
  return config;
}

ModelConfig load_model_config(const std::string& folder) {
  const std::filesystem::path path(folder);
  const auto config = path / "config.json";
  const auto generation = path / "generation_config.json";
  const bool has_generation = std::filesystem::exists(generation);
  return parse_model_config(read_text_file(config.string(), kMostBytes), config.string(),
                            has_generation ? read_text_file(generation.string(), kMostBytes) : "", generation.string());
}

}  // namespace tokenyard
