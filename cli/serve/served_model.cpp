#include "cli/serve/served_model.h"

#include <filesystem>

#include "core/base/input_error.h"

namespace tokenyard::serve {

ServedModel read_served_model(const std::string& folder, const ModelConfig& config, const Tokenizer& tokenizer,
                              std::optional<bool> thinking) {
  ServedModel model;
  model.name = std::filesystem::absolute(folder + "/.").lexically_normal().parent_path().filename().string();
  try {
    model.chat_template = ChatTemplate::load(folder, thinking);
  } catch (const InputError& error) {
    if (thinking) throw;
    model.no_chat = error.what();
  }
  model.tokenizer = &tokenizer;
  model.eos_token_ids = config.eos_token_ids;
  model.defaults = default_sampling(config);
  model.max_model_len = config.shape.max_context;
  model.num_ids = tokenizer.num_ids();
  return model;
}

}  // namespace tokenyard::serve
