// The embedded storyteller as a server has it, without weights.
#pragma once

#include "cli/serve/served_model.h"

inline const tokenyard::serve::ServedModel& story() {
  using namespace tokenyard;
  static const std::string folder = TOKENYARD_SOURCE_DIR "/scenarios/models/story";
  static const Tokenizer tokenizer = Tokenizer::load(folder + "/tokenizer.json");
  static const serve::ServedModel model = [] {
    serve::ServedModel out = serve::read_served_model(folder, load_model_config(folder), tokenizer);
    out.fingerprint = "test";
    out.created = 7;
    return out;
  }();
  return model;
}
