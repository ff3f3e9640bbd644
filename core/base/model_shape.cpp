#include "core/base/model_shape.h"

#include "core/base/input_error.h"

namespace tokenyard {
namespace {

// Of one rank's matrices.
std::int64_t elements(const ModelShape& model, const RankShare& share) {
  const std::int64_t h = model.hidden;
  const std::int64_t attention = 2 * h * (share.heads.count + share.kv_heads.count) * model.head_dim;  // Q, O and K, V
  std::int64_t feed_forward = 3 * h * share.intermediate.count;                                        // gate, up, down
  if (model.experts) feed_forward = model.experts->count * (feed_forward + h);  // a router's row for each expert, on every rank
  return model.num_layers * (attention + feed_forward) + (model.tied_head ? 1 : 2) * h * share.vocabulary.count;
}

RankShare::Part even_part(std::int32_t whole, const std::string& named, std::int32_t rank, std::int32_t ranks) {
  if (whole % ranks != 0) {
    throw InputError("tensor_parallel: " + std::to_string(ranks) + " ranks do not divide the model's " + named);
  }
  return {whole / ranks * rank, whole / ranks};
}

RankShare::Part kv_part(std::int32_t heads, std::int32_t rank, std::int32_t ranks) {
  if (heads % ranks != 0 && ranks % heads != 0) {
    throw InputError("tensor_parallel: " + std::to_string(ranks) + " ranks neither divide the model's " +
                     std::to_string(heads) + " K/V heads nor are a multiple of them");
  }
  if (heads >= ranks) return {heads / ranks * rank, heads / ranks};
  return {rank / (ranks / heads), 1};
}

ModelShape qwen3(const char* name, std::int32_t layers, std::int32_t hidden, std::int32_t heads, std::int32_t intermediate,
                 bool tied) {
  ModelShape model;
  model.name = name;
  model.family = ModelFamily::qwen3;
  model.num_layers = layers;
  model.hidden = hidden;
  model.num_heads = heads;
  model.num_kv_heads = 8;
  model.head_dim = 128;
  model.intermediate = intermediate;
  model.vocabulary = 151936;
  model.tied_head = tied;
  model.max_context = 40960;
  model.rope_theta = 1e6;
  return model;
}

ModelShape llama31(const char* name, std::int32_t layers, std::int32_t hidden, std::int32_t heads, std::int32_t intermediate) {
  ModelShape model;
  model.name = name;
  model.num_layers = layers;
  model.hidden = hidden;
  model.num_heads = heads;
  model.num_kv_heads = 8;
  model.head_dim = 128;
  model.intermediate = intermediate;
  model.vocabulary = 128256;
  model.max_context = 131072;
  model.norm_epsilon = 1e-5f;
  model.rope_theta = 5e5;
  model.rope_scaling = RopeScaling{.kind = RopeScaling::Kind::llama3, .factor = 8, .original_context = 8192};
  return model;
}

ModelShape smollm2_135m() {
  ModelShape model;
  model.name = "smollm2-135m";
  model.num_layers = 30;
  model.hidden = 576;
  model.num_heads = 9;
  model.num_kv_heads = 3;
  model.head_dim = 64;
  model.intermediate = 1536;
  model.vocabulary = 49152;
  model.tied_head = true;
  model.max_context = 8192;
  model.norm_epsilon = 1e-5f;
  model.rope_theta = 1e5;
  return model;
}

}  // namespace

const char* name_of(ModelFamily family) {
  switch (family) {
    case ModelFamily::llama: return "llama";
    case ModelFamily::qwen2: return "qwen2";
    case ModelFamily::qwen3: return "qwen3";
    case ModelFamily::mistral: return "mistral";
    case ModelFamily::mixtral: return "mixtral";
    case ModelFamily::qwen3_moe: return "qwen3_moe";
  }
  return "?";
}

const char* name_of(RopeScaling::Kind kind) {
  switch (kind) {
    case RopeScaling::Kind::linear: return "linear";
    case RopeScaling::Kind::dynamic: return "dynamic";
    case RopeScaling::Kind::llama3: return "llama3";
    case RopeScaling::Kind::yarn: return "yarn";
    case RopeScaling::Kind::longrope: return "longrope";
  }
  return "?";
}

const char* name_of(KvDtype kv_dtype) { return kv_dtype == KvDtype::fp8 ? "fp8" : "auto"; }

KvDtype kv_dtype_of(const std::string& name) { return name == "fp8" ? KvDtype::fp8 : KvDtype::automatic; }

std::int64_t ModelShape::parameters() const { return elements(*this, share_of(*this, 0, 1)); }

std::int64_t ModelShape::weight_bytes(std::int32_t ranks) const {
  return elements(*this, share_of(*this, 0, ranks)) * bytes_per_element;
}

std::int64_t ModelShape::kv_bytes_per_token(std::int32_t ranks, KvDtype kv_dtype) const {
  return 2 * num_layers * share_of(*this, 0, ranks).kv_heads.count * kv_vector_bytes(kv_dtype);
}

std::int64_t ModelShape::kv_vector_bytes(KvDtype kv_dtype) const {
  return kv_dtype == KvDtype::fp8 ? head_dim + 1 : std::int64_t{head_dim} * bytes_per_element;
}

RankShare share_of(const ModelShape& model, std::int32_t rank, std::int32_t ranks) {
  const std::int32_t width = model.experts ? model.experts->intermediate : model.intermediate;
  RankShare share;
  share.heads = even_part(model.num_heads, std::to_string(model.num_heads) + " query heads", rank, ranks);
  share.kv_heads = kv_part(model.num_kv_heads, rank, ranks);
  share.intermediate = even_part(width, "intermediate size of " + std::to_string(width), rank, ranks);
  share.vocabulary = even_part(model.vocabulary, "vocabulary of " + std::to_string(model.vocabulary), rank, ranks);
  return share;
}

ModelShape shape_of(ModelShape model, const RankShare& share) {
  model.num_heads = share.heads.count;
  model.num_kv_heads = share.kv_heads.count;
  model.intermediate = share.intermediate.count;
  return model;
}

const std::vector<ModelShape>& builtin_models() {
  static const std::vector<ModelShape> all = {
      qwen3("qwen3-0.6b", 28, 1024, 16, 3072, true),  qwen3("qwen3-4b", 36, 2560, 32, 9728, true),
      qwen3("qwen3-8b", 36, 4096, 32, 12288, false),  qwen3("qwen3-14b", 40, 5120, 40, 17408, false),
      qwen3("qwen3-32b", 64, 5120, 64, 25600, false), llama31("llama-3.1-8b", 32, 4096, 32, 14336),
      llama31("llama-3.1-70b", 80, 8192, 64, 28672),  smollm2_135m(),
  };
  return all;
}

}  // namespace tokenyard
