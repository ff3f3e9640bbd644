// What a Hugging Face folder says about its model beside the weights: config.json and generation_config.json.
//
// Computed are dense decoders: LlamaForCausalLM (Llama 3.x, SmolLM2), Qwen2ForCausalLM (Qwen2, Qwen2.5) and Qwen3ForCausalLM.
// What would change the arithmetic and is not computed is refused by name: mixture of experts, sliding windows, RoPE scaling
// other than linear, llama3 and yarn, quantisation, other activations, biases where the family has none.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/model_shape.h"
#include "core/base/sampling_params.h"
#include "core/base/types.h"

namespace tokenyard {

struct ModelConfig {
  ModelShape shape;
  std::vector<Token> eos_token_ids;  // each ends a text; the first is the main one
  // What the model's makers recommend: the fields of generation_config.json that are there; greedy when it does not sample.
  SamplingParams sampling;
};

// Reads folder/config.json and, if it is there, folder/generation_config.json. Throws InputError.
ModelConfig load_model_config(const std::string& folder);
// The same from texts; `generation` may be empty. `config_file` and `generation_file` name them in messages.
ModelConfig parse_model_config(std::string_view config, const std::string& config_file, std::string_view generation = {},
                               const std::string& generation_file = {});

}  // namespace tokenyard
