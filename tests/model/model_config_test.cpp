#include "backends/model/model_config.h"

#include <filesystem>
#include <string>

#include "catch.h"
#include "core/base/input_error.h"
#include "tiny_model.h"

namespace tokenyard {
namespace {

ModelConfig parse(const std::string& text, const std::string& generation = "") {
  return parse_model_config(text, "config.json", generation, "generation_config.json");
}

std::string config_error(const std::string& text, const std::string& generation = "") {
  try {
    parse(text, generation);
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

std::string with(const std::string& member) {
  test::TinyModel tiny;
  tiny.more = "," + member;
  return tiny.config();
}

TEST_CASE("model_config: the fields of a Qwen3 model") {
  const ModelConfig config = parse(test::TinyModel{.tied = true}.config());
  const ModelShape& shape = config.shape;
  CHECK(shape.family == ModelFamily::qwen3);
  CHECK(shape.qk_norm());
  CHECK_FALSE(shape.qkv_bias());
  CHECK(shape.hidden == 32);
  CHECK(shape.intermediate == 48);
  CHECK(shape.num_layers == 2);
  CHECK(shape.group() == 2);
  CHECK(shape.head_dim == 8);
  CHECK(shape.vocabulary == 100);
  CHECK(shape.max_context == 1024);
  CHECK(shape.norm_epsilon == 1e-6f);
  CHECK(shape.rope_theta == 10000);
  CHECK_FALSE(shape.rope_scaling);
  CHECK(shape.tied_head);
  CHECK(config.eos_token_ids == std::vector<Token>{7});
}

TEST_CASE("model_config: the embedded model's folder") {
  const ModelConfig config = load_model_config(TOKENYARD_SOURCE_DIR "/scenarios/models/story");
  CHECK(config.shape.num_layers == 6);
  CHECK(config.shape.vocabulary == 2048);
  CHECK(config.eos_token_ids == std::vector<Token>{2, 0});  // generation_config.json goes first
  CHECK(config.sampling.temperature == 0.7f);
  CHECK(config.sampling.top_k == 20);
  CHECK(config.sampling.top_p == 0.95f);
}

TEST_CASE("model_config: what Llama's class takes where a key is missing") {
  test::TinyModel tiny{.family = ModelFamily::llama};
  std::string text = replaced(tiny.config(), R"("head_dim":8,)", "");
  text = replaced(text, R"("num_key_value_heads":2,)", "");
  text = replaced(text, R"("rope_theta":10000.0,)", "");
  const ModelShape shape = parse(text).shape;
  CHECK(shape.head_dim == 8);
  CHECK(shape.num_kv_heads == 4);
  CHECK(shape.rope_theta == 10000);
  CHECK_THAT(config_error(replaced(test::TinyModel{}.config(), R"("num_key_value_heads":2,)", "")),
             has_text("the key \"num_key_value_heads\", which is missing"));
  CHECK_THAT(config_error(replaced(test::TinyModel{}.config(), R"("head_dim":8,)", "")),
             has_text("the key \"head_dim\", which is missing"));
}

TEST_CASE("model_config: RoPE scaling that is computed, and what is not") {
  const auto scaled = [](const std::string& members) { return test::TinyModel{.rope_scaling = "{" + members + "}"}.config(); };
  const std::string yarn = R"("type":"yarn","factor":4,"original_max_position_embeddings":512)";
  CHECK(parse(scaled(yarn)).shape.rope_scaling->kind == RopeScaling::Kind::yarn);
  CHECK(parse(scaled(yarn)).shape.max_context == 2048);
  CHECK(parse(scaled(R"("rope_type":"linear","factor":2)")).shape.max_context == 2048);
  CHECK_FALSE(parse(scaled(R"("type":"default")")).shape.rope_scaling);
  CHECK_THAT(config_error(scaled(R"("type":"dynamic","factor":2)")),
             has_text("config.json: /rope_scaling: RoPE scaling \"dynamic\" is not supported; linear, llama3 and yarn are"));
  CHECK_THAT(config_error(scaled(R"("type":"longrope","short_factor":[],"long_factor":[])")),
             has_text("RoPE scaling \"longrope\" is not supported"));
}

TEST_CASE("model_config: what is not supported is refused by name") {
  const auto [member, message] = GENERATE(table<std::string, std::string>({
      {R"("use_sliding_window":true)", "/use_sliding_window: a sliding window is not supported"},
      {R"("layer_types":["full_attention","sliding_attention"])", "/layer_types/1: expected one of full_attention"},
      {R"("quantization_config":{"bits":4})", "/quantization_config: quantisation is not supported"},
      {R"("num_experts":8)", "/num_experts: mixture of experts is not supported"},
      {R"("num_local_experts":8)", "/num_local_experts: mixture of experts is not supported"},
      {R"("attention_bias":true)", "/attention_bias: a bias in attention"},
      {R"("mlp_bias":true)", "/mlp_bias: a bias in the MLP is not supported"},
      {R"("rope_interleaved":true)", "/rope_interleaved: rotating neighbouring elements is not supported"},
      {R"("partial_rotary_factor":0.5)", "/partial_rotary_factor: rotating a part of a head is not supported"},
      {R"("rope_parameters":{"rope_type":"default","partial_rotary_factor":0.5})",
       "/rope_parameters/partial_rotary_factor: rotating a part of a head is not supported"},
  }));
  CHECK_THAT(config_error(with(member)), has_text("config.json: " + message));
}

TEST_CASE("model_config: what has no effect is no reason to refuse") {
  const auto member = GENERATE(R"("use_sliding_window":false,"sliding_window":32768,"max_window_layers":28)",
                               R"("layer_types":["full_attention","full_attention"])", R"("quantization_config":null)",
                               R"("attention_bias":false,"attention_dropout":0.0,"torch_dtype":"bfloat16","anything":[{}])");
  CHECK(config_error(with(member)) == "accepted");
}

TEST_CASE("model_config: values out of range or of another kind") {
  const std::string good = test::TinyModel{}.config();
  const auto [from, to, message] = GENERATE(table<std::string, std::string, std::string>({
      {R"("silu")", R"("gelu")", "/hidden_act: expected one of silu, found \"gelu\""},
      {"Qwen3ForCausalLM", "MixtralForCausalLM", "/architectures/0: expected one of LlamaForCausalLM, Qwen2ForCausalLM"},
      {R"(["Qwen3ForCausalLM"])", "[]", "/architectures: expected one of"},
      {R"("hidden_size":32)", R"("hidden_size":0)", "/hidden_size: expected an integer between 1"},
      {R"("hidden_size":32)", R"("hidden_size":18446744073709551615)", "/hidden_size: expected an integer"},
      {R"("num_key_value_heads":2)", R"("num_key_value_heads":3)", "expected a divisor of num_attention_heads, 4, found 3"},
      {R"("head_dim":8)", R"("head_dim":7)", "/head_dim: expected an even number, found 7"},
      {R"("rms_norm_eps":1e-6)", R"("rms_norm_eps":"x")", "/rms_norm_eps: expected a number"},
      {R"("vocab_size":100)", R"("vocab_size":99999999999)", "/vocab_size: expected an integer"},
      {R"("num_attention_heads":4)", R"("num_attention_heads":1000000)", "/num_attention_heads: expected an integer between 1"},
      {R"("eos_token_id":7)", R"("eos_token_id":[7,-1])", "/eos_token_id/1: expected an integer"},
      {R"("vocab_size":100)", R"("vocab_size":100,"vocab_size":100)", "stands twice"},
  }));
  CHECK_THAT(config_error(replaced(good, from, to)), has_text(message));
}

TEST_CASE("model_config: a class that is not named is that of the family") {
  const std::string good = test::TinyModel{}.config();
  const std::string null = replaced(good, R"(["Qwen3ForCausalLM"])", R"(null,"model_type":"qwen3")");
  CHECK(parse(null).shape.family == ModelFamily::qwen3);
  CHECK_THAT(config_error(replaced(null, R"("qwen3")", R"("mixtral")")),
             has_text("/model_type: expected one of llama, qwen2, qwen3, found"));
}

TEST_CASE("model_config: generation_config.json") {
  const std::string good = test::TinyModel{}.config();
  const ModelConfig sampled = parse(good, R"({"do_sample":true,"top_p":0.8,"eos_token_id":[3,4],"repetition_penalty":1.1})");
  CHECK(sampled.eos_token_ids == std::vector<Token>{3, 4});
  CHECK(sampled.sampling.temperature == 1);
  CHECK(sampled.sampling.top_p == 0.8f);
  CHECK(sampled.sampling.top_k == 0);
  CHECK(sampled.sampling.repetition_penalty == 1.1f);
  CHECK(parse(good, R"({"temperature":0.6})").sampling == SamplingParams{});
  CHECK_THAT(config_error(good, R"({"do_sample":true,"top_p":2})"),
             has_text("generation_config.json: /top_p: expected a number"));
  CHECK_THAT(config_error(good, "{"), has_text("generation_config.json: line 1"));
}

TEST_CASE("model_config: folders that are none") {
  CHECK_THROWS_WITH(load_model_config("/nowhere"), has_text("/nowhere/config.json: cannot be read: No such file or directory"));
  const test::TempFolder folder;
  folder.write("config.json", "");
  CHECK_THROWS_WITH(load_model_config(folder.path()), has_text("config.json: line 1, column 1: expected JSON"));
  folder.write("config.json", std::string(5 << 20, ' '));
  CHECK_THROWS_WITH(load_model_config(folder.path()), has_text("expected at most 4194304 bytes"));
  folder.write("config.json", test::TinyModel{}.config());
  std::filesystem::create_symlink("not fetched", folder.path() + "/generation_config.json");
  CHECK_THROWS_WITH(load_model_config(folder.path()), has_text("/generation_config.json: cannot be read: No such file"));
  std::filesystem::create_symlink("loop", folder.path() + "/loop");
  CHECK_THROWS_WITH(load_model_config(folder.path() + "/loop"),
                    has_text("/loop/generation_config.json: cannot be read: Too many levels of symbolic links"));
}

}  // namespace
}  // namespace tokenyard
