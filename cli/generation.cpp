#include "cli/generation.h"

#include <CLI/CLI.hpp>

#include "cli/scenario_files.h"
#include "core/base/json_reader.h"
#include "core/trace/config_json.h"

namespace tokenyard::cli {
namespace {

constexpr std::int32_t kMostTokens = 1 << 24;

// `--set engine.KEY=VALUE`.
void apply_setting(const std::string& setting, EngineConfig& config) {
  const std::string option = "--set " + setting.substr(0, 200);
  const std::size_t equals = setting.find('=');
  if (!setting.starts_with("engine.") || equals == std::string::npos) {
    throw InputError(option + ": expected engine.KEY=VALUE, such as engine.block_size=32");
  }
  const std::string key = setting.substr(7, equals - 7);
  const std::string value = setting.substr(equals + 1);
  JsonObject object = JsonValue(Json::Object{{key, json_or_string(value)}}, option).object();
  read_engine_config(object, config);
  object.done();
}

}  // namespace

GenerationArguments::GenerationArguments(CLI::App& command) : command_(&command) {
  const char* model = "Model";
  command
      .add_option("--model", model_,
                  "A Hugging Face folder (config.json, *.safetensors, tokenizer.json); a small storyteller if none")
      ->group(model);
  command.add_option("--threads", threads_, "Of the CPU; 0: one a core")->check(CLI::Range(0, 1024))->group(model);

  const char* sampling = "Sampling (else as the model's makers recommend)";
  command.add_option("--max-tokens", given_.max_tokens, "Longest answer")->check(CLI::Range(1, kMostTokens))->group(sampling);
  command.add_option("--min-tokens", given_.min_tokens, "No end before")->check(CLI::Range(0, kMostTokens))->group(sampling);
  command.add_option("--temperature", given_.params.temperature, "0: always the most likely token")
      ->check(CLI::Range(0.0, 100.0))
      ->group(sampling);
  command.add_option("--top-k", given_.params.top_k, "Only the k most likely; 0: all")
      ->check(CLI::Range(0, kMostTokens))
      ->group(sampling);
  command.add_option("--top-p", given_.params.top_p, "Only the most likely that make up this probability")
      ->check(CLI::Range(0.0, 1.0))
      ->group(sampling);
  command.add_option("--min-p", given_.params.min_p, "Only those at least this share of the most likely one's probability")
      ->check(CLI::Range(0.0, 1.0))
      ->group(sampling);
  command.add_option("--repetition-penalty", given_.params.repetition_penalty, "Above 1: what was said is less likely")
      ->check(CLI::Range(0.01, 100.0))
      ->group(sampling);
  command.add_option("--seed", given_.params.seed, "The same seed says the same, whatever else runs")->group(sampling);
  command.add_option("--stop", given_.stop, "End before this text; may be repeated")->group(sampling);
  command.add_option("--stop-token", given_.stop_token_ids, "End at this token id; may be repeated")->group(sampling);
  command.add_flag("--ignore-eos", given_.ignore_eos, "Go on when the model ends its text")->group(sampling);

  const char* engine = "Engine";
  command.add_option("--policy", policy_, "static, orca, nano_vllm or vllm_v1 (default)")->group(engine);
  command.add_option("--set", set_, "engine.KEY=VALUE: block_size, num_blocks, max_num_seqs ... (docs/scenarios.md)")
      ->type_name("KEY=VALUE")
      ->group(engine);
  command.add_option("--trace", trace_, "Record every decision")->type_name("FILE")->group(engine);
}

std::string GenerationArguments::model_folder() const { return is_embedded() ? find_model_folder("story") : model_; }

TextOptions GenerationArguments::text_options() const {
  TextOptions options;
  options.threads = threads_;
  options.program = "tokenyard " TOKENYARD_VERSION;
  if (!policy_.empty()) apply_setting("engine.policy=" + policy_, options.engine);
  for (const std::string& setting : set_) apply_setting(setting, options.engine);
  return options;
}

std::vector<std::string> GenerationArguments::scenario_overrides() const {
  std::vector<std::string> out = set_;
  if (!policy_.empty()) out.push_back("engine.policy=" + policy_);
  return out;
}

Sampling GenerationArguments::sampling(const Sampling& defaults) const {
  Sampling s = given_;
  const auto keep = [&](const char* option, auto& field, const auto& value) {
    if (command_->count(option) == 0) field = value;
  };
  keep("--temperature", s.params.temperature, defaults.params.temperature);
  keep("--top-k", s.params.top_k, defaults.params.top_k);
  keep("--top-p", s.params.top_p, defaults.params.top_p);
  keep("--min-p", s.params.min_p, defaults.params.min_p);
  keep("--repetition-penalty", s.params.repetition_penalty, defaults.params.repetition_penalty);
  return s;
}

void read_sampling(JsonObject& object, Sampling& s) {
  const auto number = [&](const char* key, float& field, double least, double most) {
    if (const auto v = object.find(key)) field = static_cast<float>(v->number(least, most));
  };
  const auto count = [&](const char* key, std::int32_t& field, std::int32_t least) {
    if (const auto v = object.find(key)) field = v->int32(least, kMostTokens);
  };
  count("max_tokens", s.max_tokens, 1);
  count("min_tokens", s.min_tokens, 0);
  count("top_k", s.params.top_k, 0);
  number("temperature", s.params.temperature, 0, 100);
  number("top_p", s.params.top_p, 0, 1);
  number("min_p", s.params.min_p, 0, 1);
  number("repetition_penalty", s.params.repetition_penalty, 0.01, 100);
  if (const auto v = object.find("logprobs")) s.params.logprobs = v->int32(0, 1000);
  if (const auto v = object.find("seed")) s.params.seed = static_cast<std::uint64_t>(v->integer(0, std::int64_t{1} << 53));
  if (const auto v = object.find("ignore_eos")) s.ignore_eos = v->boolean();
  if (const auto v = object.find("priority")) s.priority = v->int32(INT32_MIN, INT32_MAX);
  if (const auto v = object.find("stop")) s.stop = v->is_string() ? std::vector{v->string()} : v->strings();
  if (const auto v = object.find("stop_token_ids")) s.stop_token_ids = v->int32s(0, kMostTokens);
}

}  // namespace tokenyard::cli
