#include "cli/commands/generation.h"

#include <cstdio>

#include "backends/model/rank_team.h"
#include "cli/output/say.h"
#include "cli/scenario_files.h"
#include "cli/version.h"
#include "core/base/input_error.h"
#include "core/base/json_reader.h"
#include "core/trace/config_json.h"

namespace tokenyard::cli {
namespace {

constexpr std::int32_t kMostTokens = 1 << 24;
constexpr std::int64_t kLeastSeed = -1;  // as an unsigned number kDrawSeed
static_assert(static_cast<std::uint64_t>(kLeastSeed) == kDrawSeed);

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

EngineArguments::EngineArguments(Command& command) {
  command.group("Model");
  command.option("--model", &model_, "FOLDER",
                 "A Hugging Face folder (config.json, *.safetensors, tokenizer.json); a small storyteller if none");
  command.option("--thinking", &thinking_, "ON", "The switch of the model's chat template, where it has one")
      .one_of({"on", "off"});
  command.option("--threads", &threads_, "N", "Of the CPU; 0: one a core").between(0, 1024);
  command
      .option("--tensor-parallel", &tensor_parallel_, "N", "Ranks that share the model: GPUs, or groups of threads; 1, 2, 4, 8")
      .between(1, kMostRanks);
  command
      .option("--kv-dtype", &kv_dtype_, "TYPE",
              "K and V in eight bits a number (docs/fp8.md): half the memory and, on a GPU, half the reading; auto if not said")
      .one_of({"auto", "fp8"});

  command.group("Engine");
  command.option("--policy", &policy_, "NAME", "The scheduler's; vllm_v1 unless said").one_of(all_names<Policy>());
  command.option("--set", &set_, "PATH=VALUE",
                 "engine.block_size, engine.num_blocks, engine.max_num_seqs ... (docs/scenarios.md)");
  command.option("--trace", &trace_, "FILE.trace", "Record every decision").writes();
}

GenerationArguments::GenerationArguments(Command& command) : EngineArguments(command) {
  command.group("Sampling (else as the model's makers recommend)");
  command.option("--max-tokens", &given_.max_tokens, "N", "Longest answer").between(1, kMostTokens);
  command.option("--min-tokens", &given_.min_tokens, "N", "No end before").between(0, kMostTokens);
  command
      .option("--temperature", &temperature_, "NUMBER",
              "0, and below 0.00001: always the most likely token; else 0.01 is the least")
      .between(0, 100);
  command.option("--top-k", &top_k_, "K", "Only the K most likely; 0: all").between(0, kMostTokens);
  command.option("--top-p", &top_p_, "P", "Only the most likely that make up this probability; above 0").between(0, 1);
  command.option("--min-p", &min_p_, "P", "Only those at least this share of the most likely one's probability").between(0, 1);
  command
      .option("--repetition-penalty", &repetition_penalty_, "NUMBER", "Above 1: tokens of the text so far become less likely")
      .between(0.01, 100);
  command.option("--seed", &seed_, "N", "The same seed gives the same text, whatever else runs; -1 draws one and prints it");
  command.option("--stop", &given_.stop, "TEXT", "End before this text; may be repeated").one_value_each();
  command.option("--stop-token", &given_.stop_token_ids, "ID", "End at this token; may be repeated").one_value_each();
  command.flag("--ignore-eos", given_.ignore_eos, "Go on when the model ends its text");
}

std::string EngineArguments::model_folder() const { return is_embedded() ? find_model_folder("story") : model_; }

std::optional<bool> EngineArguments::thinking() const {
  return thinking_.empty() ? std::nullopt : std::optional(thinking_ == "on");
}

TextOptions EngineArguments::text_options() const {
  TextOptions options;
  options.threads = threads_;
  options.tensor_parallel = tensor_parallel_;
  options.kv_dtype = kv_dtype_of(kv_dtype_);
  options.thinking = thinking();
  options.program = kProgram;
  if (!policy_.empty()) apply_setting("engine.policy=" + policy_, options.engine);
  for (const std::string& setting : set_) apply_setting(setting, options.engine);
  return options;
}

std::vector<std::string> EngineArguments::scenario_overrides() const {
  std::vector<std::string> out = set_;
  out.push_back("tensor_parallel=" + std::to_string(tensor_parallel_));
  if (!kv_dtype_.empty()) out.push_back("kv_dtype=" + kv_dtype_);
  if (!policy_.empty()) out.push_back("engine.policy=" + policy_);
  return out;
}

Sampling GenerationArguments::sampling(const Sampling& defaults) const {
  if (seed_ < kLeastSeed) {
    throw InputError("--seed: expected a whole number from 0, or -1 to draw one, found " + std::to_string(seed_));
  }
  Sampling s = given_;
  s.params.seed = static_cast<std::uint64_t>(seed_);
  s.params.temperature = temperature_.value_or(defaults.params.temperature);
  s.params.top_k = top_k_.value_or(defaults.params.top_k);
  s.params.top_p = top_p_.value_or(defaults.params.top_p);
  s.params.min_p = min_p_.value_or(defaults.params.min_p);
  s.params.repetition_penalty = repetition_penalty_.value_or(defaults.params.repetition_penalty);
  return s;
}

std::string grouped(std::int64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, ",");
  return digits;
}

void note_gpu(TextBackend backend) {
  if (backend == TextBackend::cpu) return;
  static const bool said = [] {
    if (const std::string note = gpu_note(); !note.empty()) warn("note: {}\n", note);
    return true;
  }();
  static_cast<void>(said);
}

std::string memory_in_words(const GpuFacts& facts) {
  const auto gigabytes = [](std::int64_t bytes) { return static_cast<double>(bytes) / 1e9; };
  return fmt::format("weights {:.1f} GB + activations {:.1f} GB of {:.1f} GB free leave K/V for {} tokens ({:.1f} GB)",
                     gigabytes(facts.weight_bytes), gigabytes(facts.activation_bytes), gigabytes(facts.free_bytes),
                     grouped(facts.kv_bytes / facts.kv_bytes_per_token), gigabytes(facts.kv_bytes));
}

void print_notes(const std::vector<std::string>& notes) {
  for (const std::string& note : notes) warn("note: {}\n", note);
}

bool note_temperature(float asked) {
  const float taken = taken_temperature(asked);
  if (taken > asked) warn("note: temperature {} is raised to {}, the least there is, as in vLLM\n", asked, taken);
  return taken > asked;
}

void print_seed(const Sampling& sampling, const Completion& completion) {
  if (sampling.params.seed == kDrawSeed) warn("seed {}\n", completion.seed);
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
  if (const auto v = object.find("seed")) s.params.seed = static_cast<std::uint64_t>(v->integer(kLeastSeed, INT64_MAX));
  if (const auto v = object.find("ignore_eos")) s.ignore_eos = v->boolean();
  if (const auto v = object.find("priority")) s.priority = v->int32(INT32_MIN, INT32_MAX);
  if (const auto v = object.find("stop")) s.stop = v->is_string() ? std::vector{v->string()} : v->strings();
  if (const auto v = object.find("stop_token_ids")) s.stop_token_ids = v->int32s(0, kMostTokens);
}

}  // namespace tokenyard::cli
