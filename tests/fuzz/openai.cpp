#include <string>
#include <variant>

#include "cli/serve/live_answer.h"
#include "cli/serve/routes.h"
#include "core/base/json.h"
#include "fuzz.h"

namespace tokenyard {
namespace {

using serve::Generation;
using serve::LiveAnswer;

// What a client of a stream or of a whole answer reads, of choice 0. Every event must be JSON.
std::string read_answer(const Generation& generation, const std::string& output) {
  const auto text_of = [](const Json& json) {
    const Json* choices = json.find("choices");
    if (choices == nullptr || choices->size() == 0) return std::string();
    const Json& choice = choices->array().front();
    if (*choice.find("index") != Json(0)) return std::string();
    const Json* holder = choice.find("text") != nullptr    ? &choice
                         : choice.find("delta") != nullptr ? choice.find("delta")
                                                           : choice.find("message");
    const Json* text = holder->find(holder == &choice ? "text" : "content");
    return text != nullptr ? text->string() : std::string();
  };
  if (!generation.stream) return text_of(Json::parse(output, "answer"));
  std::string text;
  for (std::size_t at = 0; (at = output.find("data: ", at)) != std::string::npos;) {
    at += 6;
    const std::size_t end = output.find("\n\n", at);
    if (end == std::string::npos) __builtin_trap();
    const std::string event = output.substr(at, end - at);
    if (event != "[DONE]") text += text_of(Json::parse(event, "event"));
    at = end;
  }
  return text;
}

std::string answer_of(Generation generation, bool stream, const serve::ServedModel& model) {
  generation.stream = stream;
  const std::vector<Token> said = generation.prompts.front().tokens;
  const std::size_t choices = generation.prompts.size() * static_cast<std::size_t>(generation.n);
  LiveAnswer answer(generation, model, "id_1", 1);
  for (std::size_t choice = 0; choice < choices; ++choice) {
    const auto index = static_cast<std::int32_t>(choice);
    const TokenLogprobs logprobs{{said.front(), -0.5f}, 1, {{said.back(), -0.5f}}};
    for (const Token token : said) {
      answer.on_token(index, token, generation.sampling.params.logprobs >= 0 ? &logprobs : nullptr, false);
    }
    answer.on_end(index, FinishReason::length, "");
  }
  if (!answer.ended() || !answer.begun() || answer.status() != 200) __builtin_trap();
  return read_answer(generation, answer.output());
}

}  // namespace

// A path and a body, "/v1/completions {...}". Where it asks for a text, a model that repeats the prompt answers, and a stream
// must say what the whole answer says.
void fuzz(std::string_view text) {
  static const std::string folder = TOKENYARD_SOURCE_DIR "/scenarios/models/story";
  static const Tokenizer tokenizer = Tokenizer::load(folder + "/tokenizer.json");
  static const serve::ServedModel model = serve::read_served_model(folder, load_model_config(folder), tokenizer);
  const std::size_t space = std::min(text.find(' '), text.size());
  try {
    const serve::Route route = serve::route("POST", text.substr(0, space));
    const auto read = serve::read_request(route.endpoint, text.substr(space), model);
    const auto* generation = std::get_if<Generation>(&read);
    if (generation == nullptr || generation->n > 4 || generation->prompts.size() > 4) return;
    const std::string streamed = answer_of(*generation, true, model);
    if (generation->api != serve::Api::responses && streamed != answer_of(*generation, false, model)) __builtin_trap();
  } catch (const serve::ApiError& error) {
    if (error.status < 400 || error.status > 499) __builtin_trap();
    Json::parse(serve::error_json(error), "error");
  }
}

}  // namespace tokenyard
