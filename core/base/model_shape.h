// What a decoder-only transformer is, apart from the values of its weights: one type for the cost model, the CPU and the GPU,
// and one rule how it is cut over ranks. model_json.h reads it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tokenyard {

// The families of Hugging Face's transformers. mixtral and qwen3_moe have experts.
enum class ModelFamily { llama, qwen2, qwen3, mistral, mixtral, qwen3_moe };
const char* name_of(ModelFamily);  // as model_type in config.json spells it

// How RoPE reaches a longer context than the model was trained on. `dynamic` and `longrope` are known by name only.
struct RopeScaling {
  enum class Kind { linear, dynamic, llama3, yarn, longrope };
  Kind kind = Kind::linear;
  double factor = 1;            // frequencies are divided by it: all (linear), or the low ones (llama3, yarn)
  double original_context = 0;  // tokens the model was trained on; llama3 and yarn

  // llama3: a frequency is kept when it turns more than high_freq_factor times over the original context, divided when fewer
  // than low_freq_factor times, blended between.
  double low_freq_factor = 1;
  double high_freq_factor = 4;

  // yarn: the same with beta_fast and beta_slow turns, blended linearly over the pairs of a head between the two.
  double beta_fast = 32;
  double beta_slow = 1;
  bool whole_pairs = true;      // the blend begins and ends at whole pairs ("truncate" in config.json)
  double attention_factor = 1;  // multiplies cos and sin
};
const char* name_of(RopeScaling::Kind);  // as rope_type spells it

// A feed-forward of which each token takes a few of many.
struct Experts {
  std::int32_t count = 0;
  std::int32_t per_token = 0;
  std::int32_t intermediate = 0;  // of each
};

// In what numbers K and V are kept. automatic: in the model's on a GPU, in single precision on a CPU. fp8: core/base/fp8.h.
enum class KvDtype { automatic, fp8 };
const char* name_of(KvDtype);  // "auto", "fp8"
// REQUIRES: one of the names.
KvDtype kv_dtype_of(const std::string& name);

struct ModelShape {
  std::string name;
  ModelFamily family = ModelFamily::llama;
  std::int32_t num_layers = 0;
  std::int32_t hidden = 0;
  std::int32_t num_heads = 0;     // query heads
  std::int32_t num_kv_heads = 0;  // divides num_heads
  std::int32_t head_dim = 0;
  std::int32_t intermediate = 0;   // one of the feed-forward's three matrices is hidden x intermediate
  std::optional<Experts> experts;  // in every layer, in place of the one feed-forward
  std::int32_t vocabulary = 0;     // rows of the embedding; a tokenizer may know fewer
  bool tied_head = false;          // the LM head is the embedding, stored once
  std::int32_t bytes_per_element = 2;
  std::int32_t max_context = 0;  // tokens, what RoPE scaling adds included
  float norm_epsilon = 1e-6f;
  double rope_theta = 10000;
  std::optional<RopeScaling> rope_scaling;

  bool qkv_bias() const { return family == ModelFamily::qwen2; }
  bool qk_norm() const { return family == ModelFamily::qwen3 || family == ModelFamily::qwen3_moe; }
  std::int32_t group() const { return num_heads / num_kv_heads; }  // query heads that share a K/V head

  // Elements of all matrices, the embedding and an untied head too. Norm weights and biases (< 0.1 %) are left out.
  std::int64_t parameters() const;
  // Bytes of them that one of `ranks` holds, its rows of the embedding included. Throws InputError as share_of() does.
  std::int64_t weight_bytes(std::int32_t ranks = 1) const;
  // Bytes of K and V one token leaves on one of `ranks`. Throws InputError as share_of() does.
  std::int64_t kv_bytes_per_token(std::int32_t ranks = 1, KvDtype kv_dtype = KvDtype::automatic) const;
  // Bytes of a K or V vector of one token and head; in fp8 its scale too.
  std::int64_t kv_vector_bytes(KvDtype kv_dtype) const;
};

// What rank r of N computes under tensor parallelism. Each part is an N-th of the whole, in the order of the ranks. Where there
// are fewer K/V heads than ranks, each is held by N / num_kv_heads ranks in a row: those whose query heads share it.
struct RankShare {
  struct Part {
    std::int32_t first = 0;
    std::int32_t count = 0;
  };
  Part heads;
  Part kv_heads;
  Part intermediate;  // units of the feed-forward, or of every expert
  Part vocabulary;    // rows of the LM head, and of the embedding where it is cut
};

// REQUIRES: 0 <= rank < ranks. Throws InputError, one sentence with the numbers, when `ranks` does not divide the query heads,
// the intermediate size and the vocabulary, or neither divides the K/V heads nor is a multiple of them.
RankShare share_of(const ModelShape& model, std::int32_t rank, std::int32_t ranks);
// The dense model that a rank computes by itself, with the whole vocabulary.
ModelShape shape_of(ModelShape model, const RankShare& share);

// Models known by name, from their config.json on Hugging Face.
const std::vector<ModelShape>& builtin_models();

}  // namespace tokenyard
