// What a Hugging Face folder says about its model: config.json and generation_config.json.
//
// Supported are dense decoders: LlamaForCausalLM (Llama 3.x, SmolLM2), Qwen2ForCausalLM (Qwen2, Qwen2.5) and Qwen3ForCausalLM.
// What would change the arithmetic and is not supported is refused by name: mixture of experts, sliding windows, RoPE scaling
// other than llama3's, quantisation, other activations, biases where the family has none.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/sampling_params.h"
#include "core/base/types.h"

namespace tokenyard {

enum class ModelFamily { llama, qwen2, qwen3 };
const char* name_of(ModelFamily);

// Llama 3's way to a longer context: low frequencies are divided by `factor`, high ones kept, those between blended.
struct RopeScaling {
  double factor;
  double low_freq_factor;
  double high_freq_factor;
  double original_context;  // tokens
};

struct ModelConfig {
  ModelFamily family = ModelFamily::llama;
  std::int32_t hidden = 0;
  std::int32_t intermediate = 0;
  std::int32_t num_layers = 0;
  std::int32_t num_heads = 0;
  std::int32_t num_kv_heads = 0;  // divides num_heads
  std::int32_t head_dim = 0;      // even
  std::int32_t vocabulary = 0;    // rows of the embedding; a tokenizer may know fewer
  std::int32_t max_context = 0;   // tokens
  float norm_epsilon = 0;
  double rope_theta = 0;
  std::optional<RopeScaling> rope_scaling;
  bool tied_head = false;  // the LM head is the embedding

  std::vector<Token> eos_token_ids;  // each ends a text; the first is the main one
  // What the model's makers recommend: the fields of generation_config.json that are there; greedy when it does not sample.
  SamplingParams sampling;

  bool qkv_bias() const { return family == ModelFamily::qwen2; }
  bool qk_norm() const { return family == ModelFamily::qwen3; }
  std::int32_t group() const { return num_heads / num_kv_heads; }
};

// Reads folder/config.json and, if it is there, folder/generation_config.json. Throws InputError.
ModelConfig load_model_config(const std::string& folder);
// The same from texts; `generation` may be empty. `config_file` and `generation_file` name them in messages.
ModelConfig parse_model_config(std::string_view config, const std::string& config_file, std::string_view generation = {},
                               const std::string& generation_file = {});

}  // namespace tokenyard
