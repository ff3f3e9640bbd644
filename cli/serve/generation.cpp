#include "cli/serve/generation.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "backends/model/sampler.h"
#include "backends/text/loaded_model.h"
#include "cli/serve/reply.h"
#include "core/base/json_reader.h"

namespace tokenyard::serve {
namespace {

constexpr std::int32_t kMostTokens = 1 << 24;
constexpr std::int32_t kMostChoices = 128;  // OpenAI's limit of n
constexpr std::size_t kMostPrompts = 1024;
constexpr std::int32_t kMostLogprobs = 20;  // vLLM's default
constexpr std::size_t kMostStops = 64, kLongestStop = 4096;

// The body of a request, field by field; what is wrong with one is told with its name.
class Body {
 public:
  explicit Body(std::string_view text) : object_(parse(text)) {}

  // Null counts as absent, as everywhere in OpenAI's interface.
  template <typename Read>
  bool read(const char* key, Read&& how) {
    try {
      const auto value = object_.find_set(key);
      if (!value) return false;
      how(*value);
      return true;
    } catch (const InputError& error) {
      throw ApiError::invalid(error.what(), key);
    }
  }
  bool has(const char* key) { return object_.find_set(key).has_value(); }
  bool flag(const char* key, bool otherwise = false) {
    read(key, [&](const JsonValue& value) { otherwise = value.boolean(); });
    return otherwise;
  }
  const Json& json() const { return object_.value().json(); }

 private:
  static JsonObject parse(std::string_view text) {
    try {
      return JsonValue(Json::parse(text, "request body", {}, std::size_t{256} << 20), "request body").object();
    } catch (const InputError& error) {
      throw ApiError::invalid(error.what());
    }
  }
  JsonObject object_;
};

bool is_nothing(const Json& json) {
  switch (json.type()) {
    case Json::Type::null: return true;
    case Json::Type::boolean: return !json.boolean();
    case Json::Type::string: return json.string().empty();
    case Json::Type::array:
    case Json::Type::object: return json.size() == 0;
    default: return json.number() == 0;
  }
}

// Fields that would change the answer.
void refuse_unsupported(const Json& body, Api api) {
  static const char* const everywhere[] = {"presence_penalty", "frequency_penalty",      "logit_bias",
                                           "use_beam_search",  "structured_outputs",     "guided_json",
                                           "guided_regex",     "guided_choice",          "guided_grammar",
                                           "prompt_logprobs",  "truncate_prompt_tokens", "audio",
                                           "functions",        "continue_final_message", "include_stop_str_in_output",
                                           "bad_words",        "allowed_token_ids",      "prompt_embeds",
                                           "suffix",           "chat_template",          "web_search_options"};
  const auto refuse = [](const std::string& name, const std::string& instead = {}) {
    throw ApiError::invalid(name + " is not supported" + instead, name, "unsupported_parameter");
  };
  for (const char* name : everywhere) {
    if (const Json* value = body.find(name); value != nullptr && !is_nothing(*value)) refuse(name);
  }
  if (const Json* value = body.find("best_of"); value != nullptr && !is_nothing(*value) && *value != Json(1)) {
    refuse("best_of", "; ask for n answers and choose among them");
  }
  if (const Json* format = body.find("response_format"); format != nullptr && !is_nothing(*format)) {
    const Json* type = format->find("type");
    if (type == nullptr || *type != Json("text")) refuse("response_format", " but for {\"type\": \"text\"}");
  }
  const Json* choice = body.find("tool_choice");
  const bool tools_off = choice != nullptr && *choice == Json("none");
  if (const Json* tools = body.find("tools"); api == Api::chat && tools != nullptr && !is_nothing(*tools) && !tools_off) {
    refuse("tools", "; leave them out, or set tool_choice to \"none\"");
  }
  if (const Json* modalities = body.find("modalities"); modalities != nullptr && modalities->is_array()) {
    for (const Json& one : modalities->array()) {
      if (one != Json("text")) refuse("modalities", " but for [\"text\"]");
    }
  }
  if (api == Api::responses) {
    for (const char* name : {"previous_response_id", "conversation", "prompt", "background"}) {
      if (const Json* value = body.find(name); value != nullptr && !is_nothing(*value)) {
        refuse(name, "; this server keeps no conversations, so send the whole of it as input");
      }
    }
    if (const Json* text = body.find("text"); text != nullptr) {
      const Json* format = text->find("format");
      const Json* type = format != nullptr ? format->find("type") : nullptr;
      if (type != nullptr && *type != Json("text")) refuse("text.format", " but for {\"type\": \"text\"}");
    }
  }
}

// "text", or parts of which all are text.
std::string content_of(const JsonValue& content) {
  if (content.is_string()) return content.string();
  if (!content.is_array()) content.expected("a string, or a list of parts");
  std::string out;
  for (const JsonValue& entry : content.array()) {
    JsonObject part = entry.object();
    const std::string type = part.at("type").string();
    if (type == "refusal") {
      out += part.at("refusal").string();
    } else if (type == "text" || type == "input_text" || type == "output_text") {
      out += part.at("text").string();
    } else {
      entry.fail("parts of type \"" + shown(type) + "\" are not supported; text is");
    }
  }
  return out;
}

ChatMessage message_of(const JsonValue& entry) {
  JsonObject message = entry.object();
  std::string role = message.at("role").string();
  if (role == "developer") role = "system";  // OpenAI's newer name
  if (const auto calls = message.find_set("tool_calls"); calls && calls->size() > 0) calls->fail("tools are not supported");
  if (role != "system" && role != "user" && role != "assistant") {
    entry.fail("role \"" + shown(role) + "\" is not supported; system, user and assistant are");
  }
  return {std::move(role), content_of(message.at("content"))};
}

std::vector<ChatMessage> messages_of(const JsonValue& list) {
  std::vector<ChatMessage> messages;
  for (const JsonValue& entry : list.array()) messages.push_back(message_of(entry));
  if (messages.empty()) list.expected("a message");
  return messages;
}

std::vector<Token> chat_tokens(const std::vector<ChatMessage>& messages, const char* param, const ServedModel& model) {
  if (!model.chat_template) throw ApiError::invalid("this model has no conversations: " + model.no_chat, param);
  try {
    return model.tokenizer->encode(model.chat_template->prompt(messages), /*with_template=*/false);
  } catch (const InputError& error) {
    throw ApiError::invalid(error.what(), param);
  }
}

std::vector<ChatMessage> input_of(Body& body) {
  std::vector<ChatMessage> messages;
  body.read("instructions", [&](const JsonValue& value) { messages.push_back({"system", value.string()}); });
  const bool given = body.read("input", [&](const JsonValue& input) {
    if (input.is_string()) {
      messages.push_back({"user", input.string()});
      return;
    }
    if (!input.is_array() || input.size() == 0) input.expected("a string, or a list of items");
    for (const JsonValue& entry : input.array()) {
      const auto type = entry.object().find_set("type");
      if (type && type->string() == "reasoning") continue;  // thoughts of an answer before; models leave them out
      if (type && type->string() != "message") {
        type->fail("items of type \"" + shown(type->string()) + "\" are not supported; messages are");
      }
      messages.push_back(message_of(entry));
    }
  });
  if (!given) throw ApiError::invalid("input is missing: a string, or a list of messages", "input");
  if (messages.empty()) throw ApiError::invalid("input is empty", "input");
  // A chat format has one system message, which comes first.
  std::string system;
  for (const ChatMessage& message : messages) {
    if (message.role == "system") system += (system.empty() ? "" : "\n\n") + message.content;
  }
  if (!system.empty()) {
    std::erase_if(messages, [](const ChatMessage& message) { return message.role == "system"; });
    messages.insert(messages.begin(), {"system", system});
  }
  return messages;
}

void read_prompts(Body& body, Generation& to, const ServedModel& model) {
  const auto add_text = [&](const JsonValue& value) {
    Prompt& prompt = to.prompts.emplace_back();
    prompt.text = value.string();
    prompt.tokens = model.tokenizer->encode(prompt.text);
  };
  const auto add_ids = [&](const JsonValue& value) {
    Prompt& prompt = to.prompts.emplace_back();
    prompt.tokens = value.int32s(0, model.num_ids - 1);
    if (to.echo) prompt.text = model.tokenizer->decode(prompt.tokens, to.skip_special_tokens);
  };
  const bool given = body.read("prompt", [&](const JsonValue& prompt) {
    if (prompt.is_string()) return add_text(prompt);
    if (!prompt.is_array() || prompt.size() == 0) prompt.expected("a text, a list of texts, token ids, or a list of those");
    const std::vector<JsonValue> items = prompt.json().array().front().is_number() ? std::vector<JsonValue>() : prompt.array();
    if (items.empty()) return add_ids(prompt);
    if (items.size() > kMostPrompts) prompt.expected("at most " + std::to_string(kMostPrompts) + " prompts");
    for (const JsonValue& item : items) item.is_array() ? add_ids(item) : add_text(item);
  });
  if (!given) throw ApiError::invalid("prompt is missing", "prompt");
}

void read_stops(Body& body, Sampling& sampling) {
  body.read("stop", [&](const JsonValue& value) {
    sampling.stop = value.is_string() ? std::vector{value.string()} : value.strings();
    if (sampling.stop.size() > kMostStops) value.expected("at most " + std::to_string(kMostStops) + " texts");
    for (const std::string& stop : sampling.stop) {
      if (stop.empty() || stop.size() > kLongestStop)
        value.expected("texts of 1 to " + std::to_string(kLongestStop) + " bytes");
    }
  });
  body.read("stop_token_ids", [&](const JsonValue& value) {
    sampling.stop_token_ids = value.int32s(0, kMostTokens);
    if (sampling.stop_token_ids.size() > kLongestStop) value.expected("at most " + std::to_string(kLongestStop) + " ids");
  });
}

void read_logprobs(Body& body, Api api, Sampling& sampling) {
  if (api == Api::completions) {
    body.read("logprobs", [&](const JsonValue& value) {
      // OpenAI's has a number here; some clients send what a chat takes.
      if (value.json().type() == Json::Type::boolean) {
        if (value.boolean()) sampling.params.logprobs = 0;
      } else {
        sampling.params.logprobs = value.int32(0, kMostLogprobs);
      }
    });
    return;
  }
  const bool asked = body.flag("logprobs");
  if (asked) sampling.params.logprobs = 0;
  body.read("top_logprobs", [&](const JsonValue& value) {
    const std::int32_t top = value.int32(0, kMostLogprobs);
    if (top > 0 && !asked && api == Api::chat) value.fail("needs logprobs to be true");
    if (asked) sampling.params.logprobs = top;
  });
  if (api == Api::responses) {
    body.read("include", [&](const JsonValue& value) {
      for (const std::string& name : value.strings()) {
        if (name == "message.output_text.logprobs") sampling.params.logprobs = std::max(sampling.params.logprobs, 0);
      }
    });
    body.read("top_logprobs", [&](const JsonValue& value) {
      if (sampling.params.logprobs >= 0) sampling.params.logprobs = value.int32(0, kMostLogprobs);
    });
  }
}

void read_sampling(Body& body, Api api, Sampling& sampling) {
  const auto number = [&](const char* key, float& field, double least, double most) {
    body.read(key, [&](const JsonValue& value) {
      const double given = value.number(least, most);
      field = static_cast<float>(given);
      // What is above 0 stays so: 0 means something else.
      if (given > 0) field = std::max(field, std::numeric_limits<float>::denorm_min());
    });
  };
  number("temperature", sampling.params.temperature, 0, 100);
  number("top_p", sampling.params.top_p, 0, 1);
  number("min_p", sampling.params.min_p, 0, 1);
  number("repetition_penalty", sampling.params.repetition_penalty, 0.01, 100);
  body.read("top_k", [&](const JsonValue& value) {
    sampling.params.top_k = std::max(0, value.int32(-1, kMostTokens));  // -1 is vLLM's word for all
  });
  body.read("min_tokens", [&](const JsonValue& value) { sampling.min_tokens = value.int32(0, kMostTokens); });
  body.read("priority", [&](const JsonValue& value) { sampling.priority = value.int32(INT32_MIN, INT32_MAX); });
  sampling.ignore_eos = body.flag("ignore_eos");
  sampling.params.seed = kDrawSeed;
  body.read("seed", [&](const JsonValue& value) {
    sampling.params.seed = static_cast<std::uint64_t>(value.integer(INT64_MIN, INT64_MAX));
  });
  read_stops(body, sampling);
  read_logprobs(body, api, sampling);
}

void read_model(Body& body, const ServedModel& model) {
  body.read("model", [&](const JsonValue& value) {
    const std::string name = value.string();
    if (name == model.name) return;
    throw ApiError(404, "the model \"" + shown(name) + "\" is not served here; \"" + model.name + "\" is",
                   "invalid_request_error", "model", "model_not_found");
  });
}

// The longest answer: as asked for, and within the context whatever the prompt.
void read_length(Body& body, Api api, Generation& to, const ServedModel& model) {
  const char* given = nullptr;
  const auto read = [&](const char* key) {
    const bool found = body.read(key, [&](const JsonValue& value) { to.sampling.max_tokens = value.int32(1, kMostTokens); });
    if (found) given = key;
  };
  std::size_t longest = 0;
  for (const Prompt& prompt : to.prompts) longest = std::max(longest, prompt.tokens.size());
  const auto prompt_tokens = static_cast<std::int64_t>(longest);
  to.sampling.max_tokens =
      static_cast<std::int32_t>(std::max<std::int64_t>(1, std::int64_t{model.max_model_len} - prompt_tokens));
  if (api == Api::completions) to.sampling.max_tokens = std::min(to.sampling.max_tokens, 16);  // OpenAI's
  if (api == Api::responses) {
    read("max_output_tokens");
  } else {
    read("max_tokens");
    if (api == Api::chat) read("max_completion_tokens");
  }
  const std::int64_t asked = given != nullptr ? to.sampling.max_tokens : 1;
  if (prompt_tokens + asked > model.max_model_len) {
    // Clients that shorten their prompt and ask again know the case by its first words, which are OpenAI's.
    throw ApiError::invalid("this model's maximum context length is " + std::to_string(model.max_model_len) +
                                " tokens; the prompt has " + std::to_string(prompt_tokens) + ", and " +
                                (given != nullptr ? std::string(given) + " is " + std::to_string(asked)
                                                  : std::string("an answer needs at least 1")),
                            given != nullptr          ? given
                            : api == Api::completions ? "prompt"
                            : api == Api::chat        ? "messages"
                                                      : "input",
                            "context_length_exceeded");
  }
}

}  // namespace

Generation read_generation(Api api, std::string_view text, const ServedModel& model) {
  Body body(text);
  Generation out;
  out.api = api;
  out.sampling = model.defaults;
  read_model(body, model);
  refuse_unsupported(body.json(), api);
  read_sampling(body, api, out.sampling);
  if (model.words && out.sampling.params.logprobs >= 0) {
    throw ApiError::invalid("logprobs: a simulated GPU computes no probabilities", "logprobs", "unsupported_parameter");
  }
  out.stream = body.flag("stream");
  out.skip_special_tokens = body.flag("skip_special_tokens", true);
  body.read("stream_options", [&](const JsonValue& value) {
    if (!out.stream && api != Api::responses) value.fail("stream_options need stream to be true");
    JsonObject options = value.object();
    if (const auto usage = options.find_set("include_usage")) out.include_usage = usage->boolean();
  });
  if (api == Api::completions) {
    out.echo = body.flag("echo");
    if (out.echo && out.sampling.params.logprobs >= 0) {
      throw ApiError::invalid("echo with logprobs is not supported: no probabilities of a prompt are computed", "echo",
                              "unsupported_parameter");
    }
    read_prompts(body, out, model);
  } else if (api == Api::chat) {
    const bool given = body.read("messages", [&](const JsonValue& value) {
      out.prompts.push_back({chat_tokens(messages_of(value), "messages", model), {}});
    });
    if (!given) throw ApiError::invalid("messages is missing", "messages");
  } else {
    out.prompts.push_back({chat_tokens(input_of(body), "input", model), {}});
    out.asked = body.json();
    // What comes back in the answer must be what clients expect there.
    body.read("metadata", [](const JsonValue& value) { value.object(); });
    body.read("tools", [](const JsonValue& value) { value.array(); });
    body.read("tool_choice",
              [](const JsonValue& value) { return value.is_string() ? void(value.string()) : void(value.object()); });
    body.read("parallel_tool_calls", [](const JsonValue& value) { value.boolean(); });
  }
  if (api != Api::responses) {
    body.read("n", [&](const JsonValue& value) { out.n = value.int32(1, kMostChoices); });
  }
  body.read("user", [](const JsonValue& value) { value.string(); });
  read_length(body, api, out, model);
  for (const Prompt& prompt : out.prompts) {
    if (prompt.tokens.empty()) throw ApiError::invalid("the prompt is empty", api == Api::completions ? "prompt" : "messages");
  }
  if (out.sampling.min_tokens > out.sampling.max_tokens) {
    throw ApiError::invalid("min_tokens is " + std::to_string(out.sampling.min_tokens) + ", more than the " +
                                std::to_string(out.sampling.max_tokens) + " of the longest answer",
                            "min_tokens");
  }
  for (const Prompt& prompt : out.prompts) {
    RequestSpec spec = request_spec(prompt.tokens, out.sampling, model.eos_token_ids);
    if (const auto why = refusal(spec, model.num_ids)) {
      const std::string name = why->substr(0, why->find(' '));  // a field's, where the message is about one
      throw ApiError::invalid(*why, body.json().find(name) != nullptr ? name : "");
    }
    if (out.sampling.params.seed == kDrawSeed) out.sampling.params.seed = spec.sampling.seed;
  }
  return out;
}

RequestSpec spec_of(const Generation& generation, const Prompt& prompt, std::int32_t choice, const ServedModel& model) {
  RequestSpec spec = request_spec(prompt.tokens, generation.sampling, model.eos_token_ids);
  spec.sampling.seed = generation.sampling.params.seed + static_cast<std::uint64_t>(choice);
  if (model.words) model.words->script(spec);
  return spec;
}

std::string tokenize(std::string_view text, const ServedModel& model) {
  Body body(text);
  read_model(body, model);
  std::vector<Token> tokens;
  const bool with_template = body.flag("add_special_tokens", true);
  const bool chat =
      body.read("messages", [&](const JsonValue& value) { tokens = chat_tokens(messages_of(value), "messages", model); });
  const bool given = body.read("prompt", [&](const JsonValue& value) {
    if (chat) value.fail("give either prompt or messages");
    tokens = model.tokenizer->encode(value.string(), with_template);
  });
  if (!chat && !given) throw ApiError::invalid("prompt is missing", "prompt");
  Json out = Json::Object{{"count", tokens.size()}, {"max_model_len", model.max_model_len}, {"tokens", Json::list(tokens)}};
  Json::Array words;
  if (body.flag("return_token_strs")) {
    for (const Token& token : tokens) words.push_back(model.tokenizer->decode(std::span(&token, 1), /*skip_special=*/false));
    out["token_strs"] = std::move(words);
  } else {
    out["token_strs"] = Json();
  }
  return out.dump(-1, /*sort_keys=*/false);
}

std::string detokenize(std::string_view text, const ServedModel& model) {
  Body body(text);
  read_model(body, model);
  std::vector<Token> tokens;
  const bool given = body.read("tokens", [&](const JsonValue& value) { tokens = value.int32s(0, model.num_ids - 1); });
  if (!given) throw ApiError::invalid("tokens is missing", "tokens");
  return Json(Json::Object{{"prompt", model.tokenizer->decode(tokens, /*skip_special=*/false)}}).dump();
}

}  // namespace tokenyard::serve
