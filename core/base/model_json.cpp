#include "core/base/model_json.h"

#include <cmath>
#include <optional>
#include <utility>

#include "core/base/json_reader.h"
#include "core/base/json_text.h"
#include "core/base/portable_math.h"
#include "core/base/text_file.h"

namespace tokenyard {
namespace {

// Bounds that keep every product of a model's dimensions below 2^63; ten times what exists.
constexpr std::int32_t kMostLayers = 1000;
constexpr std::int32_t kMostHidden = 1 << 18;
constexpr std::int32_t kMostHeads = 1 << 12;
constexpr std::int32_t kMostHeadDim = 1 << 12;
constexpr std::int32_t kMostIntermediate = 1 << 20;
constexpr std::int32_t kMostExperts = 1 << 12;
constexpr std::int32_t kMostVocabulary = 1 << 24;
constexpr std::int32_t kMostContext = 1 << 30;
constexpr std::int32_t kMostPositions = 1 << 26;            // whose angles the RoPE table can tell apart
constexpr std::int64_t kMostBytes = std::int64_t{4} << 20;  // of a file
constexpr double kMostFactor = 1e6;
constexpr std::int32_t kLeastYarnTheta = 2;  // yarn divides by its logarithm

struct Family {
  ModelFamily family;
  const char* architecture;
  bool has_experts;
  double rope_theta;  // where config.json says none
};
constexpr Family kFamilies[] = {
    {ModelFamily::llama, "LlamaForCausalLM", false, 1e4},    {ModelFamily::qwen2, "Qwen2ForCausalLM", false, 1e4},
    {ModelFamily::qwen3, "Qwen3ForCausalLM", false, 1e4},    {ModelFamily::mistral, "MistralForCausalLM", false, 1e4},
    {ModelFamily::mixtral, "MixtralForCausalLM", true, 1e6}, {ModelFamily::qwen3_moe, "Qwen3MoeForCausalLM", true, 1e4},
};

bool is_qwen(ModelFamily family) {
  return family == ModelFamily::qwen2 || family == ModelFamily::qwen3 || family == ModelFamily::qwen3_moe;
}

// `architectures` names the class that computes; model_type, which not every file has, the family.
const Family& family_of(JsonObject& root) {
  std::string types, architectures;
  for (const Family& family : kFamilies) {
    types += (types.empty() ? "one of " : ", ") + std::string(name_of(family.family));
    architectures += (architectures.empty() ? "one of " : ", ") + std::string(family.architecture);
  }
  const auto classes = root.find_set("architectures");
  const std::vector<std::string> names = classes ? classes->strings() : std::vector<std::string>{};
  const auto type = root.find_set("model_type");
  const std::string type_name = type ? type->string() : "";
  for (const Family& family : kFamilies) {
    if (names.size() == 1 && names[0] == family.architecture) return family;
  }
  for (const Family& family : kFamilies) {
    if (type_name == name_of(family.family)) return family;
  }
  if (type) type->expected(types);
  if (names.size() == 1) classes->array()[0].expected(architectures);
  if (classes) classes->expected(architectures);
  root.at("model_type").expected(types);
}

void refuse_windows(JsonObject& root, ModelFamily family) {
  const auto use = root.find_set("use_sliding_window");
  if (use && use->boolean()) use->fail("a sliding window is not supported");
  // Qwen's classes heed sliding_window only where use_sliding_window is true.
  const auto window = root.find_set("sliding_window");
  if (window && !use && !is_qwen(family)) window->fail("a sliding window is not supported");
  if (const auto types = root.find_set("layer_types")) {
    for (const JsonValue& type : types->array()) type.choice({"full_attention"});
  }
}

std::optional<Experts> read_experts(JsonObject& root, const Family& family) {
  auto count = root.find_set("num_local_experts");
  if (!count) count = root.find_set("num_experts");
  if (!family.has_experts) {
    if (!count) count = root.find_set("n_routed_experts");
    if (!count) count = root.find_set("moe_intermediate_size");
    if (count) count->fail("mixture of experts is not supported in this family");
    return std::nullopt;
  }
  Experts experts;
  if (!count) count = root.at("num_experts");
  experts.count = count->int32(1, kMostExperts);
  experts.per_token = root.at("num_experts_per_tok").int32(1, experts.count);
  const char* const width = family.family == ModelFamily::mixtral ? "intermediate_size" : "moe_intermediate_size";
  experts.intermediate = root.at(width).int32(1, kMostIntermediate);
  const std::string dense = "dense layers among layers with experts are not supported";
  if (const auto step = root.find_set("decoder_sparse_step"); step && step->integer(0, kMostLayers) != 1) step->fail(dense);
  if (const auto layers = root.find_set("mlp_only_layers"); layers && !layers->array().empty()) layers->fail(dense);
  return experts;
}

void read_heads(JsonObject& root, ModelShape& model) {
  model.num_heads = root.at("num_attention_heads").int32(1, kMostHeads);
  // Null means as many as query heads to every class, no key only to Llama's: the others have numbers of their own.
  const auto kv_heads = model.family == ModelFamily::llama ? root.find("num_key_value_heads") : root.at("num_key_value_heads");
  model.num_kv_heads = kv_heads && !kv_heads->is_null() ? kv_heads->int32(1, kMostHeads) : model.num_heads;
  if (model.num_heads % model.num_kv_heads != 0) {
    kv_heads->expected("a divisor of num_attention_heads, " + std::to_string(model.num_heads));
  }
  if (const auto head_dim = root.find_set("head_dim")) {
    model.head_dim = head_dim->int32(2, kMostHeadDim);
    if (model.head_dim % 2 != 0) head_dim->expected("an even number");
    return;
  }
  if (model.family == ModelFamily::qwen3 || model.family == ModelFamily::qwen3_moe) root.at("head_dim").expected("an integer");
  if (model.hidden % (2 * model.num_heads) != 0) {
    root.at("hidden_size")
        .expected("an even multiple of num_attention_heads, " + std::to_string(model.num_heads) + ", as there is no head_dim");
  }
  model.head_dim = model.hidden / model.num_heads;
  if (model.head_dim > kMostHeadDim) {
    root.at("hidden_size").expected("at most " + std::to_string(kMostHeadDim) + " elements a head");
  }
}

// transformers' rule: 1 + log(factor) / 10, or the ratio of two such with factors of their own.
double yarn_attention_factor(JsonObject& object, double factor) {
  if (const auto given = object.find_set("attention_factor")) return given->number(0, kMostFactor);
  const auto scale = [&](double weight) { return factor <= 1 ? 1 : 0.1 * weight * portable_log(factor) + 1; };
  const auto above = object.find_set("mscale");
  const auto below = object.find_set("mscale_all_dim");
  const double over = above ? above->number(0, kMostFactor) : 0;
  const double under = below ? below->number(0, kMostFactor) : 0;
  return over != 0 && under != 0 ? scale(over) / scale(under) : scale(1);
}

std::optional<RopeScaling> read_rope_scaling(JsonObject& root, JsonObject& object, const JsonValue& type, double trained) {
  const std::string name = type.choice({"default", "linear", "dynamic", "llama3", "yarn", "longrope"});
  if (name == "default") return std::nullopt;
  RopeScaling scaling;
  for (const auto kind : {RopeScaling::Kind::linear, RopeScaling::Kind::dynamic, RopeScaling::Kind::llama3,
                          RopeScaling::Kind::yarn, RopeScaling::Kind::longrope}) {
    if (name == name_of(kind)) scaling.kind = kind;
  }
  if (scaling.kind == RopeScaling::Kind::longrope) return scaling;
  auto original = root.find_set("original_max_position_embeddings");
  if (!original) original = object.find_set("original_max_position_embeddings");
  scaling.original_context = original ? original->int32(1, kMostPositions) : trained;
  const bool ratio = scaling.kind == RopeScaling::Kind::yarn && original && !object.find_set("factor");
  scaling.factor = ratio ? trained / scaling.original_context : object.at("factor").number(1, kMostFactor);
  if (scaling.kind == RopeScaling::Kind::llama3) {
    if (!original) object.at("original_max_position_embeddings").expected("an integer");
    scaling.low_freq_factor = object.at("low_freq_factor").number(1e-6, kMostFactor);
    scaling.high_freq_factor = object.at("high_freq_factor").number(1e-6, kMostFactor);
    if (scaling.high_freq_factor <= scaling.low_freq_factor) {
      object.value().fail("expected high_freq_factor > low_freq_factor");
    }
  }
  if (scaling.kind == RopeScaling::Kind::yarn) {
    if (const auto v = object.find_set("beta_fast")) scaling.beta_fast = v->number(1e-6, kMostFactor);
    if (const auto v = object.find_set("beta_slow")) scaling.beta_slow = v->number(1e-6, kMostFactor);
    if (scaling.beta_fast < scaling.beta_slow) object.value().fail("expected beta_fast >= beta_slow");
    if (const auto v = object.find_set("truncate")) scaling.whole_pairs = v->boolean();
    scaling.attention_factor = yarn_attention_factor(object, scaling.factor);
  }
  return scaling;
}

// `rope_scaling` beside `rope_theta`, or `rope_parameters` with the theta inside, as transformers 5 writes it.
void read_rope(JsonObject& root, const Family& family, ModelShape& model) {
  const std::int32_t trained = root.at("max_position_embeddings").int32(1, kMostPositions);
  model.max_context = trained;
  auto theta = root.find_set("rope_theta");
  auto scaling = root.find_set("rope_scaling");
  if (const auto parameters = root.find_set("rope_parameters")) {
    if (scaling) scaling->fail("stands beside rope_parameters, which says the same");
    scaling = parameters;
  }
  if (scaling) {
    JsonObject object = scaling->object();
    if (const auto inner = object.find_set("rope_theta")) theta = inner;
    auto type = object.find_set("rope_type");
    if (!type) type = object.find_set("type");
    if (!type && object.find_set("factor")) scaling->fail("expected the key \"rope_type\", which is missing");
    if (type) model.rope_scaling = read_rope_scaling(root, object, *type, trained);  // without one, as transformers: default
  }
  model.rope_theta = theta ? theta->number(1, 1e12) : family.rope_theta;
  if (!model.rope_scaling) return;
  if (model.rope_theta < kLeastYarnTheta && model.rope_scaling->kind == RopeScaling::Kind::yarn) {
    theta->expected("a number of at least " + std::to_string(kLeastYarnTheta) + " with yarn");
  }
  const RopeScaling& rope = *model.rope_scaling;
  double context = trained;
  if (rope.kind == RopeScaling::Kind::yarn) context = rope.original_context * rope.factor;
  if (rope.kind == RopeScaling::Kind::linear || rope.kind == RopeScaling::Kind::dynamic) context = trained * rope.factor;
  if (context > kMostPositions) scaling->fail("expected a context of at most " + std::to_string(kMostPositions) + " tokens");
  model.max_context = static_cast<std::int32_t>(context);
}

std::int32_t stored_bytes(JsonObject& root) {
  auto dtype = root.find_set("torch_dtype");
  if (!dtype) dtype = root.find_set("dtype");
  return dtype && dtype->choice({"bfloat16", "float16", "float32"}) == "float32" ? 4 : 2;
}

ModelShape read_object(const JsonValue& json) {
  JsonObject fields = json.object();
  ModelShape model;
  const std::string name = fields.at("name").string();
  for (const ModelShape& known : builtin_models()) {
    if (known.name == name) model = known;
  }
  model.name = name;
  model.num_layers = fields.at("layers").int32(1, kMostLayers);
  model.hidden = fields.at("hidden").int32(1, kMostHidden);
  model.num_heads = fields.at("heads").int32(1, kMostHeads);
  model.num_kv_heads = fields.at("kv_heads").int32(1, kMostHeads);
  model.head_dim = fields.at("head_dim").int32(1, kMostHeadDim);
  model.intermediate = fields.at("intermediate").int32(1, kMostIntermediate);
  model.vocabulary = fields.at("vocabulary").int32(1, kMostVocabulary);
  const auto tied = fields.find("tied_head");
  model.tied_head = tied && tied->boolean();
  const auto bytes = fields.find("bytes_per_element");
  model.bytes_per_element = bytes ? bytes->int32(1, 4) : 2;
  model.max_context = fields.at("max_context").int32(1, kMostContext);
  if (const auto experts = fields.find("experts")) {
    JsonObject of = experts->object();
    model.experts.emplace();
    model.experts->count = of.at("count").int32(1, kMostExperts);
    model.experts->per_token = of.at("per_token").int32(1, model.experts->count);
    model.experts->intermediate = of.at("intermediate").int32(1, kMostIntermediate);
    of.done();
  }
  fields.done();
  if (model.num_heads % model.num_kv_heads != 0) {
    json.fail("expected kv_heads that divide heads, found " + std::to_string(model.num_heads) + " heads and " +
              std::to_string(model.num_kv_heads) + " K/V heads");
  }
  return model;
}

}  // namespace

ModelShape find_model(const std::string& name_or_file) {
  std::string known;
  for (const ModelShape& model : builtin_models()) {
    if (model.name == name_or_file) return model;
    known += (known.empty() ? "" : ", ") + model.name;
  }
  if (means_file(name_or_file)) return read_model(JsonValue::load(name_or_file, kMostBytes));
  throw InputError("model: expected one of " + known + ", or a .json file, found \"" + name_or_file + "\"");
}

ModelShape read_model(const JsonValue& json) {
  JsonObject object = json.object();
  return object.find("model_type") || object.find("architectures") ? read_hf_config(json) : read_object(json);
}

ModelShape read_hf_config(const JsonValue& json) {
  JsonObject root = json.object();
  const Family& family = family_of(root);
  ModelShape model;
  model.family = family.family;
  if (const auto q = root.find_set("quantization_config")) q->fail("quantisation is not supported");
  refuse_windows(root, family.family);
  model.experts = read_experts(root, family);
  model.name = name_of(family.family);
  if (const auto name = root.find_set("_name_or_path"); name && name->is_string() && !name->string().empty()) {
    model.name = name->string();
  }
  model.num_layers = root.at("num_hidden_layers").int32(1, kMostLayers);
  model.hidden = root.at("hidden_size").int32(1, kMostHidden);
  read_heads(root, model);
  model.intermediate = root.at("intermediate_size").int32(1, kMostIntermediate);
  model.vocabulary = root.at("vocab_size").int32(1, kMostVocabulary);
  if (const auto tied = root.find_set("tie_word_embeddings")) model.tied_head = tied->boolean();
  model.bytes_per_element = stored_bytes(root);
  if (const auto v = root.find_set("rms_norm_eps")) model.norm_epsilon = static_cast<float>(v->number(0, 1));
  read_rope(root, family, model);
  return model;
}

std::string to_json(const ModelShape& model) {
  std::string out;
  const auto number = [&](const char* key, std::int64_t value) {
    out += (out.empty() ? "{\"" : ",\"") + std::string(key) + "\":";
    append_int(out, value);
  };
  number("bytes_per_element", model.bytes_per_element);
  if (model.experts) {
    out += ",\"experts\":{\"count\":";
    append_int(out, model.experts->count);
    number("intermediate", model.experts->intermediate);
    number("per_token", model.experts->per_token);
    out += '}';
  }
  number("head_dim", model.head_dim);
  number("heads", model.num_heads);
  number("hidden", model.hidden);
  number("intermediate", model.intermediate);
  number("kv_heads", model.num_kv_heads);
  number("layers", model.num_layers);
  number("max_context", model.max_context);
  out += ",\"name\":";
  append_json_string(out, model.name);
  out += ",\"tied_head\":";
  out += model.tied_head ? "true" : "false";
  number("vocabulary", model.vocabulary);
  return out + "}";
}

}  // namespace tokenyard
