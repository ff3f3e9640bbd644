// A conversation as the text a chat model was trained on, written by the template that the model brings.
#pragma once

#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tokenyard {

struct ChatMessage {
  std::string role;  // system, user or assistant
  std::string content;
};

// Immutable, so that several threads may use one.
class ChatTemplate {
 public:
  // What transformers takes from a Hugging Face folder: chat_template.jinja, else `chat_template` of tokenizer_config.json, a
  // text or texts with names, of which "default" counts; and the special tokens of tokenizer_config.json, or of
  // special_tokens_map.json where that is all there is. `thinking` turns the template's switch, which is the variable
  // enable_thinking or thinking. Throws InputError when the folder has no template, when it is none, or has no such switch.
  static ChatTemplate load(const std::string& folder, std::optional<bool> thinking = {});

  // The conversation and the opening of the assistant's answer. To be encoded without the tokenizer's own template: this one
  // writes the tokens at the beginning, too. Contents are not escaped: tokens written out in them become tokens, as in
  // transformers. `now` is for templates that name the day. Throws InputError for no message, for other roles, for what is no
  // UTF-8, and for what the template refuses.
  std::string prompt(const std::vector<ChatMessage>& messages, std::time_t now = std::time(nullptr)) const;

 private:
  struct State;
  explicit ChatTemplate(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

// Throws InputError for no message, for other roles and for what is no UTF-8.
void check_messages(const std::vector<ChatMessage>& messages);

}  // namespace tokenyard
