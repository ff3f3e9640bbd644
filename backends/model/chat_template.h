// A conversation as the text a chat model was trained on. The models bring Jinja programs; these are the same formats written
// out.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tokenyard {

class Tokenizer;

struct ChatMessage {
  std::string role;  // system, user or assistant
  std::string content;
};

enum class ChatFormat {
  qwen2,     // ChatML, "You are a helpful assistant." unless a system message comes first
  qwen2_5,   // ChatML, its own system message
  qwen3,     // ChatML, no system message of its own; thoughts of earlier answers are left out
  smollm2,   // ChatML, its own system message
  llama3,    // header and end-of-turn tokens
  llama3_1,  // and a system message with dates
};

// By the `model_type` of config.json (qwen2, qwen3, llama) and, where that does not decide, by which added tokens exist. Throws
// InputError for any other, or if the tokens the format needs are missing.
ChatFormat chat_format(std::string_view model_type, const Tokenizer& tokenizer);

// The conversation and the opening of the assistant's answer. To be encoded without template: Llama's begins with
// <|begin_of_text|>. Throws InputError for no message and for roles the format does not know. Contents are not escaped: tokens
// written out in them become tokens, as with the models' own programs. O(n).
std::string chat_prompt(ChatFormat format, const std::vector<ChatMessage>& messages);

}  // namespace tokenyard
