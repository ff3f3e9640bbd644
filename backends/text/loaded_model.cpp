#include "backends/text/loaded_model.h"

#include <algorithm>
#include <cstdint>
#include <random>
#include <utility>

#include "backends/cpu/cpu_backend.h"
#include "backends/gpu/gpu.h"
#include "core/policy.h"

namespace tokenyard {
namespace {

constexpr std::int64_t kKvBytes = std::int64_t{1} << 30;

bool takes_cuda(const TextOptions& options, const ModelShape& model) {
  const TextBackend wanted = options.backend;
  if (wanted == TextBackend::cpu) return false;
  const std::string why = why_not_on_gpu(model, options.engine, options.tensor_parallel);
  if (wanted == TextBackend::cuda && !why.empty()) throw BackendError(why);
  return why.empty();
}

EngineConfig resolve(EngineConfig config, const ModelConfig& folder, bool cuda) {
  const ModelShape& model = folder.shape;
  if (config.max_model_len == 0) config.max_model_len = model.max_context;
  config.async_scheduling = config.async_scheduling && cuda && config.policy->plans_ahead;
  if (!folder.eos_token_ids.empty()) config.eos_token_id = folder.eos_token_ids.front();
  if (config.policy->whole_prompts(config)) {
    config.max_num_batched_tokens = std::max(config.max_num_batched_tokens, config.max_model_len);
  }
  if (config.num_blocks == 0 && config.block_size > 0 && !cuda) {
    const std::int64_t token_bytes = std::int64_t{8} * model.num_layers * model.num_kv_heads * model.head_dim;
    const std::int64_t context_blocks = (config.max_model_len + config.block_size - 1) / config.block_size;
    const std::int64_t fit = std::max(kKvBytes / (token_bytes * config.block_size), context_blocks);
    const std::int64_t wanted = std::min(fit, context_blocks * config.max_num_seqs);
    config.num_blocks = static_cast<std::int32_t>(wanted + (block_rules(config).null_block ? 1 : 0));
  }
  return config;
}

std::unique_ptr<Backend> make_backend(bool on_card, const Weights& weights, const EngineConfig& config, const TextOptions& text,
                                      std::int32_t num_ids) {
  if (on_card) {
    GpuOptions options;
    options.tensor_parallel = text.tensor_parallel;
    options.kv_dtype = text.kv_dtype;
    options.num_ids = num_ids;
    return make_gpu_backend(weights, config, std::move(options));
  }
  CpuOptions options;
  options.threads = text.threads;
  options.tensor_parallel = text.tensor_parallel;
  options.kv_dtype = text.kv_dtype;
  options.num_ids = num_ids;
  return std::make_unique<CpuBackend>(weights, config, std::move(options));
}

// One that JSON's readers keep exactly, as they hold numbers in 53 bits.
std::uint64_t draw_seed() {
  std::random_device device;
  return std::uniform_int_distribution<std::uint64_t>(0, (std::uint64_t{1} << 53) - 1)(device);
}

std::vector<std::string> joined(std::vector<std::string> notes, const std::vector<std::string>& more) {
  notes.insert(notes.end(), more.begin(), more.end());
  return notes;
}

// What the steps' times depend on besides the engine's settings, as a trace's header has it.
std::string hardware_of(const TextOptions& options) {
  std::string out;
  if (options.tensor_parallel > 1) out = "\"tensor_parallel\":" + std::to_string(options.tensor_parallel);
  if (options.kv_dtype != KvDtype::automatic) {
    out += std::string(out.empty() ? "" : ",") + "\"kv_dtype\":\"" + name_of(options.kv_dtype) + "\"";
  }
  return out.empty() ? "" : "{" + out + "}";
}

}  // namespace

Sampling default_sampling(const ModelConfig& model) {
  Sampling sampling;
  sampling.params = model.sampling;
  return sampling;
}

LoadedModel::LoadedModel(const std::string& folder, const TextOptions& options)
    : weights(folder),
      tokenizer(Tokenizer::load(folder + "/tokenizer.json")),
      notes(joined(weights.notes(), tokenizer.notes())),
      backend_name(takes_cuda(options, weights.config().shape) ? "cuda" : "cpu"),
      hardware(hardware_of(options)),
      engine(resolve(options.engine, weights.config(), backend_name == "cuda")),
      backend(make_backend(backend_name == "cuda", weights, engine, options, tokenizer.num_ids())) {
  if (options.backend != TextBackend::automatic || backend_name == "cuda" || !why_no_gpu().empty()) return;
  notes.push_back("computed on the CPU: " + why_not_on_gpu(weights.config().shape, options.engine, options.tensor_parallel));
}

RequestSpec request_spec(std::span<const Token> prompt, const Sampling& sampling, const std::vector<Token>& eos_token_ids) {
  RequestSpec spec;
  spec.arrival = -1;
  spec.prompt.append(prompt);
  spec.max_tokens = sampling.max_tokens;
  spec.min_tokens = sampling.min_tokens;
  spec.priority = sampling.priority;
  spec.ignore_eos = sampling.ignore_eos;
  spec.stop_token_ids = sampling.stop_token_ids;
  if (!sampling.ignore_eos && eos_token_ids.size() > 1) {
    spec.stop_token_ids.insert(spec.stop_token_ids.end(), eos_token_ids.begin() + 1, eos_token_ids.end());
  }
  spec.sampling = sampling.params;
  if (spec.sampling.seed == kDrawSeed) spec.sampling.seed = draw_seed();
  return spec;
}

}  // namespace tokenyard
