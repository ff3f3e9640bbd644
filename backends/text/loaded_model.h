// A Hugging Face folder that is ready to compute, for whoever runs an engine on it: TextEngine, or a server.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backends/model/tokenizer.h"
#include "backends/model/weights.h"
#include "backends/text/text_engine.h"
#include "core/backend.h"

namespace tokenyard {

struct LoadedModel {
  // Maps the weights and makes the backend. Throws as TextEngine's constructor does.
  LoadedModel(const std::string& folder, const TextOptions& options);

  Weights weights;
  Tokenizer tokenizer;
  std::vector<std::string> notes;  // what was passed over in the files, and why a GPU that is there computes nothing
  std::string backend_name;        // "cpu" or "cuda"
  std::string hardware;            // for a trace's header: what the steps' times depend on besides the engine's settings
  EngineConfig engine;             // as TextOptions::engine says, for this model and backend
  std::unique_ptr<Backend> backend;
};

// What an engine is asked for, but for its id: joins when it is submitted, ends at any of `eos_token_ids` unless they are
// ignored, and has a seed of its own where kDrawSeed is asked for.
RequestSpec request_spec(std::span<const Token> prompt, const Sampling& sampling, const std::vector<Token>& eos_token_ids);

}  // namespace tokenyard
