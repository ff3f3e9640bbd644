// What `generate` and `chat` share: options for the model, the engine and sampling.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "backends/text/text_engine.h"
#include "cli/options/command.h"

namespace tokenyard {
class JsonObject;
}

namespace tokenyard::cli {

// The options of one command.
class GenerationArguments {
 public:
  explicit GenerationArguments(Command& command);  // declares them there

  std::string model_folder() const;
  bool is_embedded() const { return model_.empty(); }
  const std::string& trace() const { return trace_; }
  // Throws InputError, naming the option.
  TextOptions text_options() const;
  std::vector<std::string> scenario_overrides() const;  // the engine's settings, for a scenario
  // The model's defaults, changed by what was given.
  Sampling sampling(const Sampling& defaults) const;

 private:
  std::string model_, policy_, trace_;
  std::vector<std::string> set_;
  int threads_ = 0;
  Sampling given_;
  // Left to the model where not given.
  std::optional<float> temperature_, top_p_, min_p_, repetition_penalty_;
  std::optional<int> top_k_;
};

// Sets what `object` has a key for: max_tokens, temperature, stop ... Throws InputError.
void read_sampling(JsonObject& object, Sampling& sampling);

}  // namespace tokenyard::cli
