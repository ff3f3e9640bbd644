#include "core/base/model_json.h"

#include <string>

#include "catch.h"
#include "core/base/input_error.h"
#include "core/base/json_reader.h"

using namespace tokenyard;

namespace {

ModelShape model_of(const std::string& json) { return read_model(JsonValue::parse(json, "m.json")); }

std::string model_error(const std::string& json) {
  try {
    model_of(json);
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

// A config.json of SmolLM2's shape, in which `more` follows.
std::string config(const std::string& more = "") {
  return R"({"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":576,"intermediate_size":1536,)"
         R"("num_attention_heads":9,"num_hidden_layers":30,"num_key_value_heads":3,"vocab_size":49152,)"
         R"("tie_word_embeddings":true,"torch_dtype":"bfloat16","max_position_embeddings":8192,"rms_norm_eps":1e-5)" +
         more + "}";
}

// Qwen3-8B's config.json, in which `more` follows.
std::string qwen(const std::string& more = "") {
  return R"({"architectures":["Qwen3ForCausalLM"],"model_type":"qwen3","hidden_size":4096,"intermediate_size":12288,)"
         R"("num_hidden_layers":36,"num_attention_heads":32,"num_key_value_heads":8,"head_dim":128,"vocab_size":151936,)"
         R"("max_position_embeddings":40960,"rms_norm_eps":1e-6)" +
         more + "}";
}

}  // namespace

TEST_CASE("models survive their JSON") {
  for (const ModelShape& m : builtin_models()) {
    const ModelShape again = model_of(to_json(m));
    CHECK(to_json(again) == to_json(m));
    CHECK(again.family == m.family);  // a built-in model's, though its JSON does not say it
    CHECK(again.rope_theta == m.rope_theta);
    CHECK(again.rope_scaling.has_value() == m.rope_scaling.has_value());
  }
  CHECK(to_json(find_model("qwen3-0.6b")) ==
        R"({"bytes_per_element":2,"head_dim":128,"heads":16,"hidden":1024,"intermediate":3072,"kv_heads":8,"layers":28,)"
        R"("max_context":40960,"name":"qwen3-0.6b","tied_head":true,"vocabulary":151936})");
  ModelShape experts = find_model("llama-3.1-8b");
  experts.experts = Experts{8, 2, 14336};
  CHECK(to_json(model_of(to_json(experts))) == to_json(experts));
  CHECK(model_of(to_json(experts)).experts->count == 8);
}

TEST_CASE("a model object refuses what cannot be") {
  const std::string good = to_json(find_model("qwen3-0.6b"));
  CHECK_THAT(model_error(replaced(good, R"("layers":28)", R"("layers":0)")), has_text("m.json: /layers: expected an integer"));
  CHECK_THAT(model_error(replaced(good, R"("layers":28)", R"("layers":1e300)")), has_text("/layers"));
  CHECK_THAT(model_error(replaced(good, R"("hidden":1024)", R"("hidden":"big")")), has_text("/hidden"));
  CHECK_THAT(model_error(replaced(good, R"("kv_heads":8)", R"("kv_heads":5)")), has_text("16 heads and 5 K/V heads"));
  CHECK_THAT(model_error(replaced(good, "{", R"({"colour":1,)")), has_text("unknown key \"colour\""));
  CHECK_THROWS_WITH(find_model("gpt-5"), has_text("qwen3-0.6b"));
}

TEST_CASE("a Hugging Face config is a model") {
  const ModelShape m = model_of(config());
  const ModelShape known = find_model("smollm2-135m");
  CHECK(m.name == "llama");
  CHECK(m.family == ModelFamily::llama);
  CHECK(m.parameters() == known.parameters());
  CHECK(m.kv_bytes_per_token() == known.kv_bytes_per_token());
  CHECK(m.head_dim == 64);
  CHECK(m.max_context == 8192);
  CHECK(m.norm_epsilon == 1e-5f);
  CHECK(m.tied_head);
  CHECK(model_of(config(R"(,"_name_or_path":"me/mine")")).name == "me/mine");
  CHECK(model_of(replaced(config(), "bfloat16", "float32")).bytes_per_element == 4);
}

TEST_CASE("the class, or else model_type, says the family") {
  CHECK(model_of(replaced(qwen(), R"("model_type":"qwen3",)", "")).family == ModelFamily::qwen3);
  CHECK(model_of(replaced(qwen(), R"("architectures":["Qwen3ForCausalLM"],)", "")).family == ModelFamily::qwen3);
  CHECK(model_of(replaced(qwen(), "Qwen3ForCausalLM", "Qwen3ForSequenceClassification")).family == ModelFamily::qwen3);
  CHECK(model_of(replaced(qwen(), R"(["Qwen3ForCausalLM"])", "null")).family == ModelFamily::qwen3);
  CHECK_THAT(model_error(R"({"model_type":"mamba"})"), has_text("/model_type: expected one of llama, qwen2, qwen3, mistral, "));
  CHECK_THAT(model_error(R"({"model_type":null,"architectures":["GPT2LMHeadModel"]})"),
             has_text("/architectures/0: expected one of LlamaForCausalLM, Qwen2ForCausalLM"));
}

TEST_CASE("null counts as absent") {
  const std::string nulls =
      R"(,"_name_or_path":null,"num_experts":null,"quantization_config":null,"sliding_window":null,"use_sliding_window":null,)"
      R"("layer_types":null,"head_dim":null,"rope_theta":null,"rope_scaling":null,"rope_parameters":null,"dtype":null)";
  std::string text = replaced(config(nulls), R"("tie_word_embeddings":true,"torch_dtype":"bfloat16")",
                              R"("tie_word_embeddings":null,"torch_dtype":null)");
  const ModelShape m = model_of(replaced(text, R"("rms_norm_eps":1e-5)", R"("rms_norm_eps":null)"));
  CHECK(m.name == "llama");
  CHECK(m.head_dim == 64);
  CHECK(m.rope_theta == 10000);
  CHECK_FALSE(m.rope_scaling);
  CHECK_FALSE(m.experts);
  CHECK_FALSE(m.tied_head);
  CHECK(m.bytes_per_element == 2);
  CHECK(m.norm_epsilon == 1e-6f);
}

TEST_CASE("K/V heads that config.json does not count") {
  CHECK(model_of(replaced(config(), R"("num_key_value_heads":3,)", "")).num_kv_heads == 9);
  CHECK(model_of(replaced(qwen(), R"("num_key_value_heads":8)", R"("num_key_value_heads":null)")).num_kv_heads == 32);
  CHECK_THAT(model_error(replaced(qwen(), R"("num_key_value_heads":8,)", "")),
             has_text("the key \"num_key_value_heads\", which is missing"));
}

TEST_CASE("a rope_theta that is missing is the family's") {
  CHECK(model_of(qwen()).rope_theta == 10000);
  CHECK(model_of(qwen(R"(,"rope_theta":1000000)")).rope_theta == 1e6);
  CHECK(model_of(qwen(R"(,"rope_parameters":{"rope_type":"default","rope_theta":5000000.0})")).rope_theta == 5e6);
  CHECK(model_of(qwen(R"(,"rope_parameters":{"rope_type":"default","rope_theta":null})")).rope_theta == 10000);
  CHECK(model_of(qwen(R"(,"rope_parameters":{"rope_theta":5000000.0})")).rope_theta == 5e6);
  CHECK_FALSE(model_of(qwen(R"(,"rope_scaling":{})")).rope_scaling);
  CHECK_THAT(model_error(qwen(R"(,"rope_scaling":{"factor":2})")),
             has_text("expected the key \"rope_type\", which is missing"));
  CHECK_THAT(model_error(qwen(R"(,"rope_theta":0.5)")), has_text("/rope_theta: expected a number between 1"));
  CHECK_THAT(model_error(qwen(R"(,"rope_theta":1,"rope_scaling":{"type":"yarn","factor":2})")),
             has_text("/rope_theta: expected a number of at least 2 with yarn, found 1"));
}

TEST_CASE("RoPE scaling makes the context, in every spelling") {
  const std::string where = GENERATE("rope_scaling", "rope_parameters");
  const std::string type = GENERATE("type", "rope_type");
  const auto scaled = [&](const std::string& members) {
    return model_of(qwen(",\"" + where + "\":{\"" + type + "\":" + members + "}"));
  };
  const auto error = [&](const std::string& members) {
    return model_error(qwen(",\"" + where + "\":{\"" + type + "\":" + members + "}"));
  };

  const ModelShape yarn = scaled(R"("yarn","factor":4.0,"original_max_position_embeddings":32768)");
  CHECK(yarn.max_context == 131072);
  CHECK(yarn.rope_scaling->kind == RopeScaling::Kind::yarn);
  CHECK(yarn.rope_scaling->original_context == 32768);
  CHECK(yarn.rope_scaling->attention_factor == Approx(1.1386294361119891).epsilon(1e-14));
  CHECK(scaled(R"("yarn","factor":2.5)").max_context == 102400);                                 // of max_position_embeddings
  CHECK(scaled(R"("yarn","original_max_position_embeddings":8192)").rope_scaling->factor == 5);  // how often it goes into them
  CHECK(scaled(R"("yarn","factor":null,"original_max_position_embeddings":8192)").max_context == 40960);

  CHECK(scaled(R"("linear","factor":2)").max_context == 81920);
  CHECK(scaled(R"("dynamic","factor":3.0)").max_context == 122880);
  CHECK(scaled(R"("longrope","short_factor":[1],"long_factor":[1])").max_context == 40960);
  const ModelShape llama3 =
      scaled(R"("llama3","factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,"original_max_position_embeddings":8192)");
  CHECK(llama3.max_context == 40960);
  CHECK(llama3.rope_scaling->high_freq_factor == 4);
  CHECK_THAT(error(R"("llama3","factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0)"),
             has_text("the key \"original_max_position_embeddings\", which is missing"));
  CHECK_FALSE(scaled(R"("default")").rope_scaling);

  CHECK_THAT(error(R"("ntk","factor":2)"),
             has_text("/" + where + "/" + type + ": expected one of default, linear, dynamic, llama3"));
  CHECK_THAT(error(R"("linear")"), has_text("the key \"factor\", which is missing"));
  CHECK_THAT(error(R"("linear","factor":0.5)"), has_text("/factor: expected a number between 1"));
  CHECK_THAT(error(R"("linear","factor":1000000)"), has_text("expected a context of at most"));
  CHECK_THAT(error(R"("yarn","factor":2,"beta_fast":1,"beta_slow":2)"), has_text("expected beta_fast >= beta_slow"));
}

TEST_CASE("yarn's constants") {
  const auto yarn = [](const std::string& more) {
    return *model_of(
                qwen(R"(,"rope_scaling":{"rope_type":"yarn","factor":40,"original_max_position_embeddings":4096)" + more + "}"))
                .rope_scaling;
  };
  CHECK(yarn("").beta_fast == 32);
  CHECK(yarn(R"(,"beta_fast":null,"beta_slow":2)").beta_slow == 2);
  CHECK(yarn("").whole_pairs);
  CHECK_FALSE(yarn(R"(,"truncate":false)").whole_pairs);
  CHECK(yarn(R"(,"attention_factor":1.5)").attention_factor == 1.5);
  CHECK(yarn(R"(,"mscale":0.707)").attention_factor == yarn("").attention_factor);  // one of two is none
  CHECK(yarn(R"(,"mscale":1,"mscale_all_dim":1)").attention_factor == 1);
  CHECK(yarn(R"(,"mscale":1,"mscale_all_dim":0.707)").attention_factor == Approx(1.0857263992561355).epsilon(1e-14));
}

TEST_CASE("experts in both spellings") {
  const std::string mixtral =
      R"({"architectures":["MixtralForCausalLM"],"model_type":"mixtral","hidden_size":4096,"intermediate_size":14336,)"
      R"("num_hidden_layers":32,"num_attention_heads":32,"num_key_value_heads":8,"vocab_size":32000,"sliding_window":null,)"
      R"("max_position_embeddings":32768,"num_local_experts":8,"num_experts_per_tok":2,"rms_norm_eps":1e-5})";
  const ModelShape a = model_of(mixtral);
  REQUIRE(a.experts);
  CHECK(a.experts->count == 8);
  CHECK(a.experts->per_token == 2);
  CHECK(a.experts->intermediate == 14336);
  CHECK(a.rope_theta == 1e6);
  const std::string qwen3_moe =
      R"({"architectures":["Qwen3MoeForCausalLM"],"model_type":"qwen3_moe","hidden_size":2048,"intermediate_size":6144,)"
      R"("num_hidden_layers":48,"num_attention_heads":32,"num_key_value_heads":4,"head_dim":128,"vocab_size":151936,)"
      R"("max_position_embeddings":40960,"num_experts":128,"num_experts_per_tok":8,"moe_intermediate_size":768,)"
      R"("decoder_sparse_step":1,"mlp_only_layers":[],"norm_topk_prob":true,"rms_norm_eps":1e-6,"rope_theta":1000000.0})";
  const ModelShape b = model_of(qwen3_moe);
  REQUIRE(b.experts);
  CHECK(b.experts->count == 128);
  CHECK(b.experts->per_token == 8);
  CHECK(b.experts->intermediate == 768);
  CHECK(b.qk_norm());
  CHECK(static_cast<double>(b.parameters()) / 1e9 == Approx(30.532).epsilon(0.001));
  CHECK_THAT(model_error(replaced(qwen3_moe, R"("mlp_only_layers":[])", R"("mlp_only_layers":[0])")),
             has_text("/mlp_only_layers: dense layers among layers with experts are not supported"));
  CHECK_THAT(model_error(replaced(qwen3_moe, R"("num_experts_per_tok":8)", R"("num_experts_per_tok":129)")),
             has_text("/num_experts_per_tok: expected an integer between 1 and 128"));
  CHECK_THAT(model_error(replaced(qwen3_moe, R"("num_experts":128,)", "")),
             has_text("the key \"num_experts\", which is missing"));
}

TEST_CASE("what changes shapes or times and is not known is refused by name") {
  const auto [text, message] = GENERATE(table<std::string, std::string>({
      {config(R"(,"num_experts":8)"), "/num_experts: mixture of experts is not supported"},
      {config(R"(,"num_local_experts":8)"), "/num_local_experts: mixture of experts is not supported"},
      {config(R"(,"n_routed_experts":64)"), "/n_routed_experts: mixture of experts is not supported"},
      {config(R"(,"quantization_config":{"bits":4})"), "/quantization_config: quantisation is not supported"},
      {config(R"(,"sliding_window":4096)"), "/sliding_window: a sliding window is not supported"},
      {config(R"(,"use_sliding_window":true)"), "/use_sliding_window: a sliding window is not supported"},
      {qwen(R"(,"layer_types":["full_attention","sliding_attention"])"), "/layer_types/1: expected one of full_attention"},
      {config(R"(,"rope_scaling":{"rope_type":"linear","factor":2},"rope_parameters":{"rope_type":"default"})"),
       "/rope_scaling: stands beside rope_parameters"},
      {config(R"(,"rope_scaling":{"factor":2})"), "/rope_scaling: expected the key \"rope_type\", which is missing"},
  }));
  CHECK_THAT(model_error(text), has_text("m.json: " + message));
}

TEST_CASE("a sliding window that is not used is no reason to refuse") {
  CHECK(model_error(qwen(R"(,"sliding_window":4096,"max_window_layers":36)")) == "accepted");
  CHECK(model_error(qwen(R"(,"use_sliding_window":false,"sliding_window":32768)")) == "accepted");
  CHECK(model_error(qwen(R"(,"layer_types":["full_attention","full_attention"])")) == "accepted");
}
