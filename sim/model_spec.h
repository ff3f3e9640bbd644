// What the cost model and the KV pool need to know of a dense decoder (Llama, Qwen, Mistral families).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tokenyard {

class JsonValue;

struct ModelSpec {
  std::string name;
  std::int32_t layers = 0;
  std::int32_t hidden = 0;
  std::int32_t heads = 0;     // query heads
  std::int32_t kv_heads = 0;  // divides heads
  std::int32_t head_dim = 0;
  std::int32_t intermediate = 0;  // one of the feed-forward's three matrices is hidden x intermediate
  std::int32_t vocabulary = 0;
  bool tied_head = false;  // the LM head is the embedding, stored once
  std::int32_t bytes_per_element = 2;
  std::int32_t max_context = 0;  // tokens

  // Matrix elements of one layer: Q, K, V, O projections and gate, up, down. Norm weights and biases (< 0.1 %) are left out.
  std::int64_t weights_per_layer() const;
  // All parameters, the embedding and an untied head too.
  std::int64_t parameters() const;
  // Bytes one of `tensor_parallel` GPUs holds of them.
  std::int64_t weight_bytes(std::int32_t tensor_parallel = 1) const;
  // Bytes of K and V one token leaves on one of `tensor_parallel` GPUs. K/V heads are split, and copied when there are fewer.
  std::int64_t kv_bytes_per_token(std::int32_t tensor_parallel = 1) const;
  std::int32_t kv_heads_per_gpu(std::int32_t tensor_parallel) const {
    return kv_heads > tensor_parallel ? kv_heads / tensor_parallel : 1;
  }
};

std::vector<std::string> builtin_models();

// A built-in name, or a .json file: a model object or a Hugging Face config.json. Throws InputError.
ModelSpec find_model(const std::string& name_or_file);

// A model object (the fields above), or a Hugging Face config of a dense decoder; other kinds are refused by name.
ModelSpec read_model(const JsonValue& json);

std::string to_json(const ModelSpec& model);

}  // namespace tokenyard
