#include <fstream>
#include <set>

#include "core/base/json_reader.h"
#include "sim/hardware_spec.h"
#include "sim/model_spec.h"
#include "support.h"

using namespace tokenyard;

namespace {

ModelSpec model_of(const std::string& json) { return read_model(JsonValue::parse(json, "m.json")); }

const std::string kConfig = R"({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 576,
  "intermediate_size": 1536, "num_attention_heads": 9, "num_hidden_layers": 30, "num_key_value_heads": 3,
  "vocab_size": 49152, "tie_word_embeddings": true, "torch_dtype": "bfloat16", "max_position_embeddings": 8192)";

}  // namespace

TEST_CASE("parameters are those the models' cards name") {
  // Within 0.1 %: norm weights are left out.
  const auto billions = [](const char* name) { return static_cast<double>(find_model(name).parameters()) / 1e9; };
  CHECK(billions("llama-3.1-8b") == Approx(8.030).epsilon(0.001));
  CHECK(billions("llama-3.1-70b") == Approx(70.554).epsilon(0.001));
  CHECK(billions("qwen3-0.6b") == Approx(0.596).epsilon(0.001));
  CHECK(billions("qwen3-4b") == Approx(4.022).epsilon(0.001));
  CHECK(billions("qwen3-8b") == Approx(8.191).epsilon(0.001));
  CHECK(billions("qwen3-14b") == Approx(14.768).epsilon(0.001));
  CHECK(billions("qwen3-32b") == Approx(32.762).epsilon(0.001));
  CHECK(billions("smollm2-135m") == Approx(0.1345).epsilon(0.001));
}

TEST_CASE("K/V bytes of a token") {
  CHECK(find_model("qwen3-0.6b").kv_bytes_per_token() == 114688);
  CHECK(find_model("llama-3.1-8b").kv_bytes_per_token() == 131072);
  CHECK(find_model("llama-3.1-70b").kv_bytes_per_token(4) == 2 * 80 * 2 * 128 * 2);
  CHECK(find_model("llama-3.1-70b").kv_bytes_per_token(16) == 2 * 80 * 1 * 128 * 2);  // K/V heads are copied
}

TEST_CASE("weights are split over GPUs, but for copied K/V projections") {
  const ModelSpec m = find_model("llama-3.1-70b");
  CHECK(m.weight_bytes(1) == 2 * m.parameters());
  CHECK(m.weight_bytes(8) * 8 == m.weight_bytes(1));
  const std::int64_t copied = 2 * std::int64_t{8192} * 128 * 8 * 80 * 2;  // each of 16 GPUs keeps one of 8 heads' K and V
  CHECK(m.weight_bytes(16) * 16 == m.weight_bytes(1) + copied);
}

TEST_CASE("specs survive their JSON") {
  for (const std::string& name : builtin_models()) {
    const ModelSpec m = find_model(name);
    CHECK(to_json(model_of(to_json(m))) == to_json(m));
  }
  for (const std::string& name : builtin_hardware()) {
    const HardwareSpec h = find_hardware(name);
    CHECK(read_hardware(JsonValue::parse(to_json(h), "h.json")) == h);
    CHECK_FALSE(h.known_error.empty());
    CHECK_FALSE(h.source.empty());
  }
}

TEST_CASE("a Hugging Face config is a model") {
  const ModelSpec m = model_of(kConfig + "}");
  const ModelSpec known = find_model("smollm2-135m");
  CHECK(m.parameters() == known.parameters());
  CHECK(m.kv_bytes_per_token() == known.kv_bytes_per_token());
  CHECK(m.head_dim == 64);
  CHECK(m.max_context == 8192);
  const TemporaryFile file("config.json", kConfig + "}");
  CHECK(find_model(file.path()).parameters() == known.parameters());
}

TEST_CASE("models of other kinds are refused by name") {
  CHECK_THAT(error_of([&] { model_of(kConfig + R"(, "num_experts": 8})"); }), has_text("mixture of experts"));
  CHECK_THAT(error_of([&] { model_of(kConfig + R"(, "quantization_config": {"bits": 4}})"); }), has_text("unquantised"));
  CHECK_THAT(error_of([&] { model_of(kConfig + R"(, "sliding_window": 4096})"); }), has_text("/sliding_window"));
  CHECK_THAT(error_of([&] { model_of(R"({"model_type": "mamba"})"); }), has_text("\"mamba\""));
  CHECK_THAT(error_of([&] { find_model("gpt-5"); }), has_text("qwen3-0.6b"));
  CHECK_THAT(error_of([&] { find_hardware("tpu"); }), has_text("a100-80gb"));
}

TEST_CASE("specs refuse what cannot be") {
  const std::string good = to_json(find_model("qwen3-0.6b"));
  const auto with = [&](const std::string& key, const Json& value) {
    Json json = Json::parse(good, "m.json");
    json[key] = value;
    return error_of([&] { model_of(json.dump()); });
  };
  CHECK_THAT(with("layers", 0), has_text("m.json: /layers: expected an integer"));
  CHECK_THAT(with("layers", 1e300), has_text("/layers"));
  CHECK_THAT(with("hidden", "big"), has_text("/hidden"));
  CHECK_THAT(with("kv_heads", 5), has_text("kv_heads"));
  CHECK_THAT(with("colour", 1), has_text("unknown key \"colour\""));

  Json h = Json::parse(to_json(find_hardware("h100-sxm")), "h.json");
  h["gemm"]["flops_efficiency"] = 0;
  CHECK_THAT(error_of([&] { read_hardware(JsonValue::parse(h.dump(), "h.json")); }), has_text("/gemm/flops_efficiency"));
  h["gemm"].erase("flops_efficiency");
  CHECK_THAT(error_of([&] { read_hardware(JsonValue::parse(h.dump(), "h.json")); }), has_text("flops_efficiency"));
}
