#include "backends/model/chat_template.h"

#include <cstdint>

#include "backends/model/tokenizer.h"
#include "backends/model/unicode.h"
#include "core/base/input_error.h"

namespace tokenyard {
namespace {

constexpr std::string_view kThink = "<think>";
constexpr std::string_view kEndThink = "</think>";

// As Python's str.strip: white space and the four information separators.
std::string_view trim(std::string_view text) {
  const std::uint8_t* const classes = char_classes();
  const auto blank = [&](char32_t c) { return (classes[c] & kSpace) != 0 || (c >= 0x1C && c <= 0x1F); };
  for (std::size_t at = 0; !text.empty() && blank(next_char(text, at)); at = 0) text.remove_prefix(at);
  for (std::size_t at = text.size(); !text.empty() && blank(previous_char(text, at)); at = text.size())
    text = text.substr(0, at);
  return text;
}

std::string_view trim_left(std::string_view text, char c) {
  while (text.starts_with(c)) text.remove_prefix(1);
  return text;
}

std::string_view trim_right(std::string_view text, char c) {
  while (text.ends_with(c)) text.remove_suffix(1);
  return text;
}

void add_chatml(std::string& out, std::string_view role, std::string_view content) {
  out.append("<|im_start|>").append(role).append("\n").append(content).append("<|im_end|>\n");
}

// Qwen3: an answer before the last question is shown without its thoughts, one after it with them.
std::string qwen3_answer(const std::string& message, bool after_question, bool last) {
  std::string_view content = message;
  std::string_view thoughts;
  if (const std::size_t end = content.rfind(kEndThink); end != content.npos) {
    thoughts = trim_right(content.substr(0, content.find(kEndThink)), '\n');
    content = trim_left(content.substr(end + kEndThink.size()), '\n');
    if (const std::size_t start = thoughts.rfind(kThink); start != thoughts.npos)
      thoughts = thoughts.substr(start + kThink.size());
    thoughts = trim_left(thoughts, '\n');
  }
  if (!after_question || (!last && thoughts.empty())) return std::string(content);
  return std::string(kThink) + "\n" + std::string(trim_right(thoughts, '\n')) + "\n" + std::string(kEndThink) + "\n\n" +
         std::string(trim_left(content, '\n'));
}

std::string chatml(ChatFormat format, const std::vector<ChatMessage>& messages) {
  std::string out;
  if (messages.front().role != "system") {
    if (format == ChatFormat::qwen2) add_chatml(out, "system", "You are a helpful assistant.");
    if (format == ChatFormat::qwen2_5) {
      add_chatml(out, "system", "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.");
    }
    if (format == ChatFormat::smollm2) {
      add_chatml(out, "system", "You are a helpful AI assistant named SmolLM, trained by Hugging Face");
    }
  }
  // A user message that is all tool response is no question.
  std::size_t question = messages.size() - 1;
  for (std::size_t i = messages.size(); i-- > 0;) {
    const std::string_view content = messages[i].content;
    if (messages[i].role == "user" && !(content.starts_with("<tool_response>") && content.ends_with("</tool_response>"))) {
      question = i;
      break;
    }
  }
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const auto& [role, content] = messages[i];
    const bool answer = format == ChatFormat::qwen3 && role == "assistant";
    add_chatml(out, role, answer ? qwen3_answer(content, i > question, i + 1 == messages.size()) : content);
  }
  return out + "<|im_start|>assistant\n";
}

void add_llama(std::string& out, std::string_view role, std::string_view content) {
  out.append("<|start_header_id|>").append(role).append("<|end_header_id|>\n\n").append(content).append("<|eot_id|>");
}

std::string llama(ChatFormat format, const std::vector<ChatMessage>& messages) {
  std::string out = "<|begin_of_text|>";
  std::size_t first = 0;
  if (format == ChatFormat::llama3_1) {
    // The dates are the format's own: a prompt does not depend on the day it is made.
    std::string system = "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n";
    if (messages.front().role == "system") system += trim(messages[first++].content);
    add_llama(out, "system", system);
  }
  for (; first < messages.size(); ++first) add_llama(out, messages[first].role, trim(messages[first].content));
  return out + "<|start_header_id|>assistant<|end_header_id|>\n\n";
}

}  // namespace

ChatFormat chat_format(std::string_view model_type, const Tokenizer& tokenizer) {
  const auto has = [&](std::string_view content) { return tokenizer.added_token(content).has_value(); };
  const bool is_chatml = has("<|im_start|>") && has("<|im_end|>");
  if (model_type == "qwen3" && is_chatml) return ChatFormat::qwen3;
  if (model_type == "qwen2" && is_chatml) return has("<tool_call>") ? ChatFormat::qwen2_5 : ChatFormat::qwen2;
  if (model_type == "llama" && is_chatml) return ChatFormat::smollm2;
  if (model_type == "llama" && has("<|start_header_id|>") && has("<|eot_id|>")) {
    return has("<|python_tag|>") ? ChatFormat::llama3_1 : ChatFormat::llama3;
  }
  throw InputError("chat: expected a model of type qwen2, qwen3 or llama with the tokens of ChatML or Llama 3, found \"" +
                   std::string(model_type.substr(0, 40)) + "\"");
}

std::string chat_prompt(ChatFormat format, const std::vector<ChatMessage>& messages) {
  if (messages.empty()) throw InputError("chat: expected a message, found none");
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const auto& [role, content] = messages[i];
    const auto refuse = [&](const std::string& what) {
      throw InputError("chat: message " + std::to_string(i + 1) + ": expected " + what);
    };
    if (role != "system" && role != "user" && role != "assistant") refuse("the role system, user or assistant");
    if (!is_utf8(content)) refuse("UTF-8");
  }
  const bool is_llama = format == ChatFormat::llama3 || format == ChatFormat::llama3_1;
  return is_llama ? llama(format, messages) : chatml(format, messages);
}

}  // namespace tokenyard
