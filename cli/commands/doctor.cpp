#include <fmt/core.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "backends/gpu/gpu.h"
#include "cli/commands.h"
#include "cli/commands/generation.h"
#include "cli/known_cards.h"
#include "cli/output/say.h"
#include "cli/scenario_files.h"
#include "core/base/input_error.h"
#include "core/base/model_json.h"
#include "sim/run.h"
#include "sim/scenario.h"

namespace tokenyard::cli {
namespace {

struct DoctorOptions {
  std::string shape = "qwen3-0.6b";
  double gpu_memory_utilization = 0.9;
  bool cards = false;
};

constexpr const char* kScenario = "nano-vllm-bench";

// The benchmark on this card, by the simulator.
struct Prediction {
  double tokens_per_s = 0;
  std::int64_t kv_tokens = 0;
  std::int64_t preemptions = 0;
};
Prediction predict(const KnownCard& card, const std::string& shape) {
  const HardwareSpec hardware = hardware_of(card);
  const std::vector<std::string> overrides = {"model=" + shape,
                                              std::string("hardware=") + card.hardware,
                                              fmt::format("hardware.bf16_tflops={}", hardware.bf16_tflops),
                                              fmt::format("hardware.memory_gb_per_s={}", hardware.memory_gb_per_s),
                                              fmt::format("hardware.memory_bytes={}", hardware.memory_bytes),
                                              "engine.async_scheduling=true"};
  const Scenario scenario = load_scenario(find_scenario(kScenario), overrides);
  const RunResult result = run_scenario(scenario);
  const double seconds = static_cast<double>(result.metrics.duration()) / 1e9;
  return {static_cast<double>(result.metrics.output_tokens) / seconds,
          std::int64_t{result.engine.num_blocks} * result.engine.block_size, result.metrics.preemptions};
}

void line(const char* what, const std::string& text) { say("{:<16}{}\n", what, text); }

double gigabytes(std::int64_t bytes) { return static_cast<double>(bytes) / 1e9; }

std::string decimal(int capability) { return fmt::format("{}.{}", capability / 10, capability % 10); }

// What a model leaves of the card, without trying: weights and K/V are exact, the rest is what `facts`' model took.
std::string fits(const ModelShape& model, const GpuFacts& facts, double utilization) {
  const auto usable =
      static_cast<std::int64_t>(static_cast<double>(facts.total_bytes) * utilization) - (facts.total_bytes - facts.free_bytes);
  const std::int64_t left = usable - model.weight_bytes() - facts.activation_bytes;
  const std::int64_t tokens = std::max<std::int64_t>(0, left) / model.kv_bytes_per_token();
  return fmt::format("{:<18} weights {:>6.1f} GB, {}", model.name, gigabytes(model.weight_bytes()),
                     tokens == 0 ? std::string("does not fit") : "K/V for " + grouped(tokens) + " tokens");
}

void examine_gpu(const DoctorOptions& options, const ModelShape& model) {
  note_gpu();
  EngineConfig config;
  config.policy = Policy::nano_vllm;
  config.block_size = 256;
  config.max_num_seqs = 256;
  config.max_num_batched_tokens = 8192;
  config.max_model_len = std::min(4096, model.max_context);
  GpuOptions gpu;
  gpu.gpu_memory_utilization = options.gpu_memory_utilization;
  const std::unique_ptr<GpuBackend> backend = make_gpu_backend(model, 1, config, gpu);
  const GpuFacts facts = backend->facts();
  line("card", fmt::format("{}, compute capability {}, {} multiprocessors, {} KiB of shared memory for a block", facts.device,
                           decimal(facts.capability), facts.multiprocessors, facts.shared_bytes / 1024));
  line("driver", fmt::format("knows CUDA up to {}.{}", facts.driver_cuda / 1000, facts.driver_cuda % 1000 / 10));
  line("kernels", fmt::format("compiled for {}; this card runs that for {}{}", gpu_code(), decimal(facts.compiled_for),
                              facts.by_driver ? ", whose PTX the driver has compiled" : ""));
  line("attention", facts.compiled_for >= 90 ? "tiles of K/V come by the copy engine (TMA)"
                                             : "tiles of K/V come by cp.async, 16 bytes a thread");
  line("sampling", facts.clusters ? "clusters of blocks share a row of logits, where it fits their shared memory"
                                  : "a block a row of logits");
  line("launches", facts.early_start ? "a kernel starts before its predecessor has ended"
                                     : "a kernel starts when its predecessor has ended");
  line("products", facts.slow_products == 0
                       ? fmt::format("cuBLASLt or small_gemm passed the gate for all {} sizes", facts.products)
                       : fmt::format("for {} of {} sizes nothing of cuBLASLt passed the gate: these take a slow kernel",
                                     facts.slow_products, facts.products));
  const double bandwidth = backend->measure_read_bandwidth();
  line("reads at", fmt::format("{:.2f} TB/s, measured", bandwidth / 1e12));
  line("memory", fmt::format("{}: {}", model.name, memory_in_words(facts)));
  for (const ModelShape& other : builtin_models()) {
    if (!other.experts && other.name != model.name) line("", fits(other, facts, options.gpu_memory_utilization));
  }
  // Reading alone: 133,966 tokens, each step its weights and the K/V of its requests (docs/measurements.md).
  if (const KnownCard* const card = find_card(facts.device)) {
    const Prediction prediction = predict(*card, model.name);
    line("predicted", fmt::format("{} output tokens/s on nano-vLLM's benchmark, by the simulator; tokenyard bench measures",
                                  grouped(static_cast<std::int64_t>(prediction.tokens_per_s))));
  } else {
    line("predicted", "nothing: the simulator does not know this card; tokenyard calibrate makes a profile of it");
  }
  line("missing", "nothing for one card; several need access to each other's memory (NVLink or one PCIe switch)");
}

void list_cards(const std::string& shape) {
  say("\nWhat the simulator predicts of nano-vLLM's benchmark ({}), by datasheet and fitted or assumed shares of it. "
      "Predictions, not\n"
      "measurements: 30 % off is possible where nothing was fitted.\n\n",
      shape);
  say("{:<18} {:>18} {:>14} {:>12}   {}\n", "card", "output tokens/s", "K/V tokens", "preemptions", "nano-vLLM, published");
  for (const KnownCard& card : known_cards()) {
    try {
      const Prediction prediction = predict(card, shape);
      say("{:<18} {:>18} {:>14} {:>12}   {}\n", card.words, grouped(static_cast<std::int64_t>(prediction.tokens_per_s)),
          grouped(prediction.kv_tokens), prediction.preemptions, card.published);
    } catch (const InputError& error) {
      say("{:<18} {:>18}   {}\n", card.words, "does not fit", error.what());
    }
  }
}

int doctor(const DoctorOptions& options) {
  ModelShape model;
  try {
    model = find_model(options.shape);
  } catch (const InputError& error) {
    throw InputError(std::string("--shape: ") + error.what());
  }
  if (const std::string& why = why_no_gpu(); !why.empty()) {
    line("card", "none that computes: " + why);
    const std::string code = gpu_code();
    line("kernels", code.empty() ? "not looked at: they are loaded where there is a driver" : "compiled for " + code);
    line("works", fmt::format("simulate, explain, view, sweep and all that reads traces; generate, chat and serve with "
                              "--backend cpu ({} threads)",
                              std::max(1u, std::thread::hardware_concurrency())));
    line("missing", "bench, and --backend cuda: a card of compute capability 8.0 (Ampere) or newer, its driver, cuBLASLt");
    list_cards(model.name);
    return 0;
  }
  examine_gpu(options, model);
  if (options.cards) list_cards(model.name);
  return 0;
}

}  // namespace

Command doctor_command() {
  Command command("doctor", "Say what this machine's GPU is, what runs on it and how fast, and what is missing");
  auto options = std::make_shared<DoctorOptions>();
  command.option("--shape", &options->shape, "MODEL", "The model to try, with random weights").shows_default();
  command.option("--gpu-memory-utilization", &options->gpu_memory_utilization, "SHARE", "Share of the card's memory to use")
      .between(0.05, 1)
      .shows_default();
  command.flag("--cards", options->cards, "Also what the simulator predicts of other cards; without a GPU it always does");
  command.notes(
      "Takes a few seconds: it loads the model's shape with random weights, prepares every product and reads the memory. "
      "Without a GPU it says why there is none and what works all the same.");
  command.examples({{"tokenyard doctor", ""}, {"tokenyard doctor --shape qwen3-4b", ""}});
  command.run([options] { return doctor(*options); });
  return command;
}

}  // namespace tokenyard::cli
