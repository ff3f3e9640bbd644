// What a server answers with. Immutable once it serves, so that several threads may read a request at once.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "backends/model/chat_template.h"
#include "backends/model/model_config.h"
#include "backends/model/tokenizer.h"
#include "backends/text/text_engine.h"
#include "cli/serve/invented_words.h"

namespace tokenyard::serve {

struct ServedModel {
  std::string name;         // as clients call it: the folder's
  std::string fingerprint;  // what computes: "tokenyard-0.2.0-cpu"
  std::optional<ChatTemplate> chat_template;
  std::string no_chat;  // why there is none
  const Tokenizer* tokenizer = nullptr;
  std::vector<Token> eos_token_ids;
  Sampling defaults;               // what a request that says nothing gets
  std::int32_t max_model_len = 0;  // tokens of prompt and answer
  std::int32_t num_ids = 0;        // token ids a prompt may have
  std::int64_t created = 0;        // seconds since 1970
  // Of a simulated GPU, which computes no text.
  std::optional<InventedWords> words;
};

// What a folder says of the model in it. `tokenizer` is borrowed. A model without a chat template can be served: only
// conversations are refused. Throws InputError where `thinking` is given and its template has no such switch.
ServedModel read_served_model(const std::string& folder, const ModelConfig& config, const Tokenizer& tokenizer,
                              std::optional<bool> thinking = {});

}  // namespace tokenyard::serve
