// Small models with random weights, as folders on disk.
#pragma once

#include <unistd.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "backends/model/weights.h"

namespace tokenyard::test {

// A directory that goes when the object goes.
class TempFolder {
 public:
  TempFolder() {
    static int count = 0;
    path_ = std::filesystem::temp_directory_path() / fmt::format("tokenyard-test-{}-{}", ::getpid(), count++);
    std::filesystem::create_directories(path_);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  ~TempFolder() { std::filesystem::remove_all(path_); }
  std::string path() const { return path_.string(); }
  void write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path_ / name, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }

 private:
  std::filesystem::path path_;
};

struct TinyTensor {
  std::string name;
  std::string dtype;
  std::vector<std::int64_t> shape;
  std::string bytes;
};

inline std::string with_length(const std::string& header) {
  std::string out;
  for (int i = 0; i < 8; ++i) out += static_cast<char>(header.size() >> (8 * i) & 0xff);
  return out + header;
}

// A safetensors file.
inline std::string safetensors(const std::vector<TinyTensor>& tensors) {
  std::string header;
  std::string data;
  for (const TinyTensor& tensor : tensors) {
    header +=
        fmt::format(R"({}"{}":{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})", header.empty() ? "" : ",", tensor.name,
                    tensor.dtype, fmt::join(tensor.shape, ","), data.size(), data.size() + tensor.bytes.size());
    data += tensor.bytes;
  }
  return with_length("{" + header + "}") + data;
}

struct TinyModel {
  ModelFamily family = ModelFamily::qwen3;
  DType dtype = DType::f32;
  int hidden = 32;
  int intermediate = 48;
  int layers = 2;
  int heads = 4;
  int kv_heads = 2;
  int head_dim = 8;
  int vocabulary = 100;
  int max_context = 1024;
  bool tied = false;
  std::string rope_scaling = "null";  // JSON
  std::string more = {};              // further members of config.json, each beginning with a comma

  std::string config() const {
    const char* const names[] = {"LlamaForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM"};
    return fmt::format(
        R"({{"architectures":["{}"],"hidden_size":{},"intermediate_size":{},"num_hidden_layers":{},"num_attention_heads":{},)"
        R"("num_key_value_heads":{},"head_dim":{},"vocab_size":{},"max_position_embeddings":{},"rms_norm_eps":1e-6,)"
        R"("rope_theta":10000.0,"rope_scaling":{},"tie_word_embeddings":{},"hidden_act":"silu","eos_token_id":7{}}})",
        names[static_cast<int>(family)], hidden, intermediate, layers, heads, kv_heads, head_dim, vocabulary, max_context,
        rope_scaling, tied, more);
  }

  std::vector<TinyTensor> tensors(std::uint64_t seed = 1) const {
    std::mt19937_64 random(seed);
    std::vector<TinyTensor> out;
    const auto add = [&](const std::string& name, std::vector<std::int64_t> shape) {
      const bool norm = name.find("norm") != std::string::npos;
      std::int64_t count = 1;
      for (const std::int64_t n : shape) count *= n;
      const float spread = 1.7f / std::sqrt(static_cast<float>(shape.size() > 1 ? shape.back() : 4));
      std::string bytes;
      for (std::int64_t i = 0; i < count; ++i) {
        const float unit = static_cast<float>(random() >> 40) / (1 << 23) - 1;  // -1 .. 1
        append(bytes, norm ? 1 + 0.5f * unit : spread * unit);
      }
      out.push_back({name, dtype == DType::bf16 ? "BF16" : dtype == DType::f16 ? "F16" : "F32", std::move(shape), bytes});
    };
    const int q = heads * head_dim;
    const int kv = kv_heads * head_dim;
    add("model.embed_tokens.weight", {vocabulary, hidden});
    for (int i = 0; i < layers; ++i) {
      const std::string layer = fmt::format("model.layers.{}.", i);
      add(layer + "input_layernorm.weight", {hidden});
      add(layer + "self_attn.q_proj.weight", {q, hidden});
      add(layer + "self_attn.k_proj.weight", {kv, hidden});
      add(layer + "self_attn.v_proj.weight", {kv, hidden});
      if (family == ModelFamily::qwen2) {
        add(layer + "self_attn.q_proj.bias", {q});
        add(layer + "self_attn.k_proj.bias", {kv});
        add(layer + "self_attn.v_proj.bias", {kv});
      }
      if (family == ModelFamily::qwen3) {
        add(layer + "self_attn.q_norm.weight", {head_dim});
        add(layer + "self_attn.k_norm.weight", {head_dim});
      }
      add(layer + "self_attn.o_proj.weight", {hidden, q});
      add(layer + "post_attention_layernorm.weight", {hidden});
      add(layer + "mlp.gate_proj.weight", {intermediate, hidden});
      add(layer + "mlp.up_proj.weight", {intermediate, hidden});
      add(layer + "mlp.down_proj.weight", {hidden, intermediate});
    }
    add("model.norm.weight", {hidden});
    if (!tied) add("lm_head.weight", {vocabulary, hidden});
    return out;
  }

  void write(const TempFolder& folder) const {
    folder.write("config.json", config());
    folder.write("model.safetensors", safetensors(tensors()));
  }

 private:
  // Cuts to the stored type, which is as good as rounding for random numbers. No number here is subnormal in fp16 or too large.
  void append(std::string& bytes, float value) const {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    std::uint32_t stored = bits;
    if (dtype == DType::bf16) stored = bits >> 16;
    if (dtype == DType::f16) {
      const std::uint32_t exponent = bits >> 23 & 0xff;
      stored = bits >> 16 & 0x8000;
      if (exponent > 112) stored |= (exponent - 112) << 10 | (bits >> 13 & 0x3ff);
    }
    bytes.append(reinterpret_cast<const char*>(&stored), static_cast<std::size_t>(bytes_of(dtype)));
  }
};

}  // namespace tokenyard::test
