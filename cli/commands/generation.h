// What the commands that compute share: options for the model, the engine and sampling, and what is said on stderr.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "backends/gpu/gpu.h"
#include "backends/text/text_engine.h"
#include "cli/options/command.h"

namespace tokenyard {
class JsonObject;
}

namespace tokenyard::cli {

// What computes and what decides: the options of one command.
class EngineArguments {
 public:
  explicit EngineArguments(Command& command);  // declares them there

  std::string model_folder() const;
  bool is_embedded() const { return model_.empty(); }
  std::optional<bool> thinking() const;
  const std::string& trace() const { return trace_; }
  // Throws InputError, naming the option.
  TextOptions text_options() const;
  std::vector<std::string> scenario_overrides() const;  // the engine's settings, for a scenario

 private:
  std::string model_, policy_, trace_, thinking_;
  std::vector<std::string> set_;
  int threads_ = 0;
  int tensor_parallel_ = 1;
  std::string kv_dtype_;
};

// And how an answer is chosen.
class GenerationArguments : public EngineArguments {
 public:
  explicit GenerationArguments(Command& command);

  // The model's defaults, changed by what was given.
  Sampling sampling(const Sampling& defaults) const;

 private:
  Sampling given_;
  std::int64_t seed_ = 0;
  // Left to the model where not given.
  std::optional<float> temperature_, top_p_, min_p_, repetition_penalty_;
  std::optional<int> top_k_;
};

// On stderr, once: what is worth knowing before waiting for the GPU, if there is one.
void note_gpu(TextBackend backend = TextBackend::cuda);
std::string grouped(std::int64_t number);  // 38,000
// "weights 1.2 GB + activations 0.3 GB of 5.6 GB free leave K/V for 38,000 tokens".
std::string memory_in_words(const GpuFacts& facts);
// A line each on stderr.
void print_notes(const std::vector<std::string>& notes);
// That the temperature asked for is not the one taken, if so. True where it says so.
bool note_temperature(float asked);
// The seed of an answer that was asked to draw one, so that the same can be had again.
void print_seed(const Sampling& sampling, const Completion& completion);

// Sets what `object` has a key for: max_tokens, temperature, stop ... Throws InputError.
void read_sampling(JsonObject& object, Sampling& sampling);

}  // namespace tokenyard::cli
