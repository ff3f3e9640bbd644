#include "backends/model/chat_template.h"

#include <utility>

#include "backends/jinja/template.h"
#include "backends/model/unicode.h"
#include "core/base/json_reader.h"
#include "core/base/text_file.h"

namespace tokenyard {
namespace {

constexpr std::size_t kMostTemplateBytes = std::size_t{4} << 20;
constexpr std::size_t kMostSettingsBytes = std::size_t{64} << 20;  // tokenizer_config.json lists every added token

struct NamedText {
  std::string text, name;  // the name is for messages
};

// One text, {"name": text} or [{"name", "template"}].
NamedText chosen(const JsonValue& value) {
  if (value.is_string()) return {value.string(), value.place()};
  std::vector<std::pair<std::string, JsonValue>> named;
  if (value.is_object()) {
    named = value.object().members();
  } else {
    for (const JsonValue& entry : value.array()) {
      JsonObject object = entry.object();
      named.emplace_back(object.at("name").string(), object.at("template"));
    }
  }
  std::string names;
  for (const auto& [name, text] : named) {
    if (name == "default") return {text.string(), text.place()};
    names += (names.empty() ? "" : ", ") + name;
  }
  value.fail("expected a chat template named default, found " + (names.empty() ? "none" : names));
}

// A special token is a text or {"content": text}.
Json token_text(const JsonValue& value) { return value.is_string() ? value.string() : value.object().at("content").string(); }

// What transformers gives every template: bos_token, eos_token ... of those that are set.
void add_special_tokens(const JsonValue& json, Json& variables) {
  JsonObject settings = json.object();
  constexpr const char* kNames[] = {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};
  for (const char* name : kNames) {
    const auto token = settings.find_set(name);
    if (token && variables.find(name) == nullptr) variables[name] = token_text(*token);
  }
  if (const auto more = settings.find_set("additional_special_tokens")) {
    Json::Array tokens;
    for (const JsonValue& token : more->array()) tokens.push_back(token_text(token));
    if (variables.find("additional_special_tokens") == nullptr) variables["additional_special_tokens"] = std::move(tokens);
  }
  if (const auto named = settings.find_set("extra_special_tokens"); named && named->is_object()) {
    for (const auto& [name, token] : named->object().members()) {
      if (variables.find(name) == nullptr) variables[name] = token_text(token);
    }
  }
}

}  // namespace

struct ChatTemplate::State {
  jinja::Template source;
  Json::Object variables;  // all but the messages
};

ChatTemplate ChatTemplate::load(const std::string& folder, std::optional<bool> thinking) {
  const std::string settings_file = folder + "/tokenizer_config.json";
  const std::string template_file = folder + "/chat_template.jinja";
  const std::string map_file = folder + "/special_tokens_map.json";
  std::optional<NamedText> found;
  if (is_there(template_file)) found = NamedText{read_text_file(template_file, kMostTemplateBytes), template_file};
  Json variables = Json::Object();
  bool lists_added_tokens = false;
  if (is_there(settings_file)) {
    JsonObject settings = JsonValue::load(settings_file, kMostSettingsBytes).object();
    const auto text = settings.find_set("chat_template");
    if (text && !found) found = chosen(*text);
    add_special_tokens(settings.value(), variables);
    lists_added_tokens = settings.find("added_tokens_decoder").has_value();
  }
  // Older folders name their tokens here; transformers looks only where the settings list none.
  if (!lists_added_tokens && is_there(map_file)) {
    add_special_tokens(JsonValue::load(map_file, kMostSettingsBytes), variables);
  }
  if (!found) {
    throw InputError(folder + ": this model has no chat template: expected chat_template.jinja, or chat_template in " +
                     "tokenizer_config.json; without one it can only go on from a text");
  }
  jinja::Template source = jinja::Template::parse(found->text, found->name);
  variables["add_generation_prompt"] = true;
  variables["tools"] = nullptr;
  variables["documents"] = nullptr;
  if (thinking) {
    bool has_switch = false;
    for (const char* name : {"enable_thinking", "thinking"}) {
      if (!source.reads(name)) continue;
      variables[name] = *thinking;
      has_switch = true;
    }
    if (!has_switch) {
      throw InputError(found->name +
                       ": thinking cannot be switched: this chat template reads neither enable_thinking nor thinking");
    }
  }
  return ChatTemplate(std::make_shared<const State>(State{std::move(source), std::move(variables.object())}));
}

void check_messages(const std::vector<ChatMessage>& messages) {
  if (messages.empty()) throw InputError("chat: expected a message, found none");
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const auto& [role, content] = messages[i];
    const auto refuse = [&](const std::string& what) {
      throw InputError("chat: message " + std::to_string(i + 1) + ": expected " + what);
    };
    if (role != "system" && role != "user" && role != "assistant") refuse("the role system, user or assistant");
    if (!is_utf8(content)) refuse("UTF-8");
  }
}

std::string ChatTemplate::prompt(const std::vector<ChatMessage>& messages, std::time_t now) const {
  check_messages(messages);
  Json::Array list;
  for (const auto& [role, content] : messages) list.push_back(Json::Object{{"role", role}, {"content", content}});
  Json::Object variables = state_->variables;
  variables.push_back({"messages", std::move(list)});
  return state_->source.render(variables, now);
}

}  // namespace tokenyard
