#include "sim/model_spec.h"

#include <algorithm>

#include "core/base/json_reader.h"

namespace tokenyard {
namespace {

// From the models' config.json on Hugging Face. All store bf16.
const std::vector<ModelSpec>& builtins() {
  static const std::vector<ModelSpec> all = {
      {"qwen3-0.6b", 28, 1024, 16, 8, 128, 3072, 151936, true, 2, 40960},
      {"qwen3-4b", 36, 2560, 32, 8, 128, 9728, 151936, true, 2, 40960},
      {"qwen3-8b", 36, 4096, 32, 8, 128, 12288, 151936, false, 2, 40960},
      {"qwen3-14b", 40, 5120, 40, 8, 128, 17408, 151936, false, 2, 40960},
      {"qwen3-32b", 64, 5120, 64, 8, 128, 25600, 151936, false, 2, 40960},
      {"llama-3.1-8b", 32, 4096, 32, 8, 128, 14336, 128256, false, 2, 131072},
      {"llama-3.1-70b", 80, 8192, 64, 8, 128, 28672, 128256, false, 2, 131072},
      {"smollm2-135m", 30, 576, 9, 3, 64, 1536, 49152, true, 2, 8192},
  };
  return all;
}

// Bounds that keep every product below 2^63; ten times what exists.
constexpr std::int32_t kMostLayers = 1000;
constexpr std::int32_t kMostHidden = 1 << 18;
constexpr std::int32_t kMostHeads = 1 << 12;
constexpr std::int32_t kMostHeadDim = 1 << 12;
constexpr std::int32_t kMostIntermediate = 1 << 20;
constexpr std::int32_t kMostVocabulary = 1 << 24;
constexpr std::int32_t kMostContext = 1 << 30;

void check_heads(const ModelSpec& model, const JsonValue& json) {
  if (model.heads % model.kv_heads != 0) {
    json.fail("expected kv_heads that divide heads, found " + std::to_string(model.heads) + " heads and " +
              std::to_string(model.kv_heads) + " K/V heads");
  }
}

std::int32_t hf_bytes_per_element(JsonObject& config) {
  auto dtype = config.find("torch_dtype");
  if (!dtype || dtype->is_null()) dtype = config.find("dtype");
  if (!dtype || dtype->is_null()) return 2;
  return dtype->choice({"bfloat16", "float16", "float32"}) == "float32" ? 4 : 2;
}

ModelSpec read_hf_config(const JsonValue& json) {
  JsonObject config = json.object();
  for (const char* key : {"num_experts", "num_local_experts", "n_routed_experts"}) {
    if (config.find(key)) json.fail(std::string("expected a dense decoder, found a mixture of experts (\"") + key + "\")");
  }
  if (const auto q = config.find("quantization_config"); q && !q->is_null()) {
    json.fail("expected unquantised weights, found \"quantization_config\"");
  }
  const std::vector<std::string> dense = {"llama", "qwen2", "qwen3", "mistral"};
  const std::string type = config.at("model_type").string();
  if (std::find(dense.begin(), dense.end(), type) == dense.end()) {
    config.at("model_type").expected("a dense decoder (llama, qwen2, qwen3 or mistral)");
  }
  const auto sliding = config.find("sliding_window");
  const auto uses_sliding = config.find("use_sliding_window");
  if (sliding && !sliding->is_null() && (!uses_sliding || uses_sliding->boolean())) {
    sliding->expected("full attention (sliding_window null)");
  }
  ModelSpec model;
  const auto name = config.find("_name_or_path");
  model.name = name && name->is_string() && !name->string().empty() ? name->string() : type;
  model.layers = config.at("num_hidden_layers").int32(1, kMostLayers);
  model.hidden = config.at("hidden_size").int32(1, kMostHidden);
  model.heads = config.at("num_attention_heads").int32(1, kMostHeads);
  const auto kv_heads = config.find("num_key_value_heads");
  model.kv_heads = kv_heads && !kv_heads->is_null() ? kv_heads->int32(1, kMostHeads) : model.heads;
  const auto head_dim = config.find("head_dim");
  model.head_dim =
      head_dim && !head_dim->is_null() ? head_dim->int32(1, kMostHeadDim) : std::max(1, model.hidden / model.heads);
  model.intermediate = config.at("intermediate_size").int32(1, kMostIntermediate);
  model.vocabulary = config.at("vocab_size").int32(1, kMostVocabulary);
  const auto tied = config.find("tie_word_embeddings");
  model.tied_head = tied && tied->boolean();
  model.bytes_per_element = hf_bytes_per_element(config);
  model.max_context = config.at("max_position_embeddings").int32(1, kMostContext);
  check_heads(model, json);
  return model;
}

}  // namespace

std::int64_t ModelSpec::weights_per_layer() const {
  const std::int64_t h = hidden;
  return h * (heads + 2 * std::int64_t{kv_heads}) * head_dim + std::int64_t{heads} * head_dim * h + 3 * h * intermediate;
}

std::int64_t ModelSpec::parameters() const {
  return layers * weights_per_layer() + (tied_head ? 1 : 2) * std::int64_t{vocabulary} * hidden;
}

std::int64_t ModelSpec::weight_bytes(std::int32_t tensor_parallel) const {
  const std::int64_t p = tensor_parallel;
  const std::int64_t kv = 2 * std::int64_t{hidden} * kv_heads * head_dim;
  const std::int64_t kv_here = 2 * std::int64_t{hidden} * kv_heads_per_gpu(tensor_parallel) * head_dim;
  const std::int64_t layer = (weights_per_layer() - kv + p - 1) / p + kv_here;
  const std::int64_t ends = ((tied_head ? 1 : 2) * std::int64_t{vocabulary} * hidden + p - 1) / p;
  return (layers * layer + ends) * bytes_per_element;
}

std::int64_t ModelSpec::kv_bytes_per_token(std::int32_t tensor_parallel) const {
  return std::int64_t{2} * layers * kv_heads_per_gpu(tensor_parallel) * head_dim * bytes_per_element;
}

std::vector<std::string> builtin_models() {
  std::vector<std::string> names;
  for (const ModelSpec& model : builtins()) names.push_back(model.name);
  return names;
}

ModelSpec find_model(const std::string& name_or_file) {
  std::string known;
  for (const ModelSpec& model : builtins()) {
    if (model.name == name_or_file) return model;
    known += (known.empty() ? "" : ", ") + model.name;
  }
  if (name_or_file.ends_with(".json")) return read_model(JsonValue::load(name_or_file, 1 << 20));
  throw InputError("model: expected one of " + known + ", or a .json file, found \"" + name_or_file + "\"");
}

ModelSpec read_model(const JsonValue& json) {
  JsonObject object = json.object();
  if (object.find("model_type") || object.find("architectures")) return read_hf_config(json);
  ModelSpec model;
  JsonObject fields = json.object();
  model.name = fields.at("name").string();
  model.layers = fields.at("layers").int32(1, kMostLayers);
  model.hidden = fields.at("hidden").int32(1, kMostHidden);
  model.heads = fields.at("heads").int32(1, kMostHeads);
  model.kv_heads = fields.at("kv_heads").int32(1, kMostHeads);
  model.head_dim = fields.at("head_dim").int32(1, kMostHeadDim);
  model.intermediate = fields.at("intermediate").int32(1, kMostIntermediate);
  model.vocabulary = fields.at("vocabulary").int32(1, kMostVocabulary);
  if (const auto v = fields.find("tied_head")) model.tied_head = v->boolean();
  if (const auto v = fields.find("bytes_per_element")) model.bytes_per_element = v->int32(1, 4);
  model.max_context = fields.at("max_context").int32(1, kMostContext);
  fields.done();
  check_heads(model, json);
  return model;
}

std::string to_json(const ModelSpec& model) {
  const Json json = Json::Object{{"name", model.name},
                                 {"layers", model.layers},
                                 {"hidden", model.hidden},
                                 {"heads", model.heads},
                                 {"kv_heads", model.kv_heads},
                                 {"head_dim", model.head_dim},
                                 {"intermediate", model.intermediate},
                                 {"vocabulary", model.vocabulary},
                                 {"tied_head", model.tied_head},
                                 {"bytes_per_element", model.bytes_per_element},
                                 {"max_context", model.max_context}};
  return json.dump();
}

}  // namespace tokenyard
