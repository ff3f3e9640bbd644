// The embedded storyteller as a server has it, without weights.
#pragma once

#include "backends/model/model_config.h"
#include "cli/serve/served_model.h"

inline const tokenyard::serve::ServedModel& story() {
  using namespace tokenyard;
  static const std::string folder = TOKENYARD_SOURCE_DIR "/scenarios/models/story";
  static const Tokenizer tokenizer = Tokenizer::load(folder + "/tokenizer.json");
  static const serve::ServedModel model = [] {
    const ModelConfig config = load_model_config(folder);
    serve::ServedModel out;
    out.name = "story";
    out.family = name_of(config.shape.family);
    out.fingerprint = "test";
    out.tokenizer = &tokenizer;
    out.eos_token_ids = config.eos_token_ids;
    out.defaults = default_sampling(config);
    out.max_model_len = 1024;
    out.num_ids = tokenizer.num_ids();
    out.created = 7;
    return out;
  }();
  return model;
}
