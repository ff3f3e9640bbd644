#include "cli/serve/live_answer.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <utility>

#include "core/base/json_text.h"
#include "core/policy.h"

namespace tokenyard::serve {
namespace {

std::string text_of(const Tokenizer& tokenizer, Token token) {
  return tokenizer.decode(std::span(&token, 1), /*skip_special=*/false);
}

// Of well-formed UTF-8.
std::int64_t num_characters(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

// 0.7, not the 0.699999988079071 that a float of 0.7 is.
double as_written(float value) {
  char text[32];
  *std::to_chars(text, text + sizeof text - 1, value).ptr = '\0';
  return std::strtod(text, nullptr);
}

// {"token", "logprob", "bytes"} of a chat, with what follows inside the braces.
void append_candidate(std::string& out, const Tokenizer& tokenizer, const TokenLogprobs::Candidate& of) {
  out += R"({"token":)";
  append_json_string(out, text_of(tokenizer, of.token));
  out += R"(,"logprob":)";
  append_double(out, of.logprob);
  out += R"(,"bytes":[)";
  const char* separator = "";
  for (const char c : tokenizer.bytes(of.token)) {
    out += std::exchange(separator, ",");
    append_int(out, static_cast<unsigned char>(c));
  }
  out += ']';
}

// A completion's: {"text": logprob}. Of tokens with one text, such as parts of characters, the likeliest counts.
std::string top_of(const Tokenizer& tokenizer, const TokenLogprobs& of) {
  Json out = Json::Object();
  for (const TokenLogprobs::Candidate& candidate : of.top) {
    const std::string text = text_of(tokenizer, candidate.token);
    if (out.find(text) == nullptr) out[text] = static_cast<double>(candidate.logprob);
  }
  return out.dump(-1, /*sort_keys=*/false);
}

// One element of a chat's logprobs.content, or of a response's logprobs.
std::string chat_logprobs(const Tokenizer& tokenizer, const TokenLogprobs& of) {
  std::string out;
  append_candidate(out, tokenizer, of.chosen);
  out += R"(,"top_logprobs":[)";
  const char* separator = "";
  for (const TokenLogprobs::Candidate& candidate : of.top) {
    out += std::exchange(separator, ",");
    append_candidate(out, tokenizer, candidate);
    out += '}';
  }
  return out += "]}";
}

}  // namespace

struct LiveAnswer::State {
  State(const Tokenizer& tokenizer, const Generation& generation, std::int32_t number)
      : index(number),
        prompt(number / generation.n),
        stream(tokenizer, generation.skip_special_tokens),
        stops(generation.sampling.stop) {}

  std::int32_t index;              // among the request's choices: prompt by prompt
  std::int32_t prompt;             // number of its prompt
  std::shared_ptr<Choice> choice;  // while it is in the engine
  TextStream stream;
  StopStrings stops;
  std::string text;         // of an answer that does not stream, and of a response
  std::int32_t tokens = 0;  // generated
  std::int32_t cached = 0;
  FinishReason reason = FinishReason::none;
  bool ended = false;

  // Collected of an answer that does not stream: a chat's list, or the four of a completion.
  std::string logprobs, tokens_list, top_list, offsets;
  std::int64_t offset = 0;  // characters of the text before the next token
};

LiveAnswer::LiveAnswer(Generation generation, const ServedModel& model, std::string id, std::int64_t created)
    : generation_(std::move(generation)), model_(model), id_(std::move(id)), created_(created) {
  const auto number = static_cast<std::int32_t>(generation_.prompts.size()) * generation_.n;
  for (std::int32_t i = 0; i < number; ++i) choices_.push_back(std::make_unique<State>(*model_.tokenizer, generation_, i));
  open_ = num_choices();
  head_ = chunk_head();
}

LiveAnswer::~LiveAnswer() {
  for (const auto& state : choices_) {
    if (state->choice) state->choice->answer = nullptr;
  }
}

void LiveAnswer::submit(EngineThread& engine) {
  engine_ = &engine;
  // A prompt is computed once: the other answers find its blocks. Where these can be found only after the step that computes
  // them, the others wait for the first one's first token.
  waits_for_first_ = block_rules(engine.config()).findable == BlockRules::Findable::after_step;
  for (const auto& state : choices_) {
    if (state->index % generation_.n == 0 || !waits_for_first_) submit(*state);
  }
}

void LiveAnswer::submit(State& state) {
  const Prompt& prompt = generation_.prompts[static_cast<std::size_t>(state.prompt)];
  RequestSpec spec = spec_of(generation_, prompt, state.index % generation_.n, model_);
  spec.id = choices_.size() == 1 ? id_ : id_ + "-" + std::to_string(state.index);
  state.choice = std::make_shared<Choice>(*engine_, this, state.index);
  state.choice->ticket = engine_->submit(std::move(spec), state.choice);
}

void LiveAnswer::submit_siblings(const State& first) {
  if (!waits_for_first_ || first.index % generation_.n != 0) return;
  for (const auto& state : choices_) {
    if (state->prompt == first.prompt && state->index != first.index) submit(*state);
  }
}

void LiveAnswer::cancel(EngineThread& engine) {
  for (const auto& state : choices_) {
    if (state->choice) engine.cancel(state->choice->ticket, FinishReason::cancelled);
  }
}

std::string LiveAnswer::chunk_head() const {
  std::string out = R"(data: {"id":)";
  append_json_string(out, id_);
  out += generation_.api == Api::chat ? R"(,"object":"chat.completion.chunk","created":)"
                                      : R"(,"object":"text_completion","created":)";
  append_int(out, created_);
  out += R"(,"model":)";
  append_json_string(out, model_.name);
  out += R"(,"system_fingerprint":)";
  append_json_string(out, model_.fingerprint);
  return out += R"(,"choices":[)";
}

void LiveAnswer::begin() {
  if (std::exchange(begun_, true) || !generation_.stream) return;
  if (generation_.api == Api::responses) {
    event("response.created", Json::Object{{"response", response("in_progress")}});
    event("response.in_progress", Json::Object{{"response", response("in_progress")}});
    Json item = message_item("in_progress");
    item["content"] = Json::Array();
    event("response.output_item.added", Json::Object{{"output_index", 0}, {"item", std::move(item)}});
    event(
        "response.content_part.added",
        Json::Object{
            {"item_id", item_id()},
            {"output_index", 0},
            {"content_index", 0},
            {"part", Json::Object{
                         {"type", "output_text"}, {"text", ""}, {"annotations", Json::Array()}, {"logprobs", Json::Array()}}}});
    return;
  }
  for (std::int32_t i = 0; i < num_choices(); ++i) {
    if (generation_.api == Api::chat) {
      output_ += head_ + R"({"index":)" + std::to_string(i) +
                 R"(,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}])" +
                 (generation_.include_usage ? ",\"usage\":null}\n\n" : "}\n\n");
    } else if (generation_.echo) {
      State& state = *choices_[static_cast<std::size_t>(i)];
      emit(state, generation_.prompts[static_cast<std::size_t>(state.prompt)].text, "");
    }
  }
}

// A piece of a choice's text. `logprobs`: of a stream, the chunk's field.
void LiveAnswer::emit(State& state, std::string_view text, const std::string& logprobs) {
  if (!generation_.stream) {
    state.text += text;
    return;
  }
  if (generation_.api == Api::responses) {
    state.text += text;
    std::string& out = output_;
    out += R"(event: response.output_text.delta)"
           "\n"
           R"(data: {"type":"response.output_text.delta","sequence_number":)";
    append_int(out, sequence_++);
    out += R"(,"item_id":")" + item_id() + R"(","output_index":0,"content_index":0,"delta":)";
    append_json_string(out, text);
    out += R"(,"logprobs":[)" + logprobs + "]}\n\n";
    return;
  }
  std::string& out = output_;
  out += head_;
  out += R"({"index":)";
  const std::int64_t index = state.index;
  append_int(out, index);
  if (generation_.api == Api::chat) {
    out += R"(,"delta":{"content":)";
    append_json_string(out, text);
    out += R"(},"logprobs":)";
    out += logprobs.empty() ? "null" : R"({"content":[)" + logprobs + R"(],"refusal":null})";
  } else {
    out += R"(,"text":)";
    append_json_string(out, text);
    out += R"(,"logprobs":)";
    out += logprobs.empty() ? "null" : logprobs;
  }
  out += generation_.include_usage ? ",\"finish_reason\":null}],\"usage\":null}\n\n" : ",\"finish_reason\":null}]}\n\n";
}

bool LiveAnswer::on_token(std::int32_t index, Token token, const TokenLogprobs* logprobs, bool ends_text) {
  State& state = *choices_[static_cast<std::size_t>(index)];
  if (ended_ || state.ended || state.stops.found()) return false;
  if (state.tokens == 0 && state.choice) state.cached = state.choice->cached_tokens;
  begin();
  if (++state.tokens == 1) submit_siblings(state);
  if (ends_text) return false;
  const std::string piece = state.stream.push(token);
  // vLLM's rule: a stop string counts when it ends after the first min_tokens, wherever it began.
  const std::string text = state.tokens <= generation_.sampling.min_tokens ? state.stops.pass(piece) : state.stops.push(piece);
  std::string fields;
  if (logprobs != nullptr) {
    if (generation_.api == Api::completions) {
      std::string name;
      append_json_string(name, text_of(*model_.tokenizer, token));
      const std::string top = top_of(*model_.tokenizer, *logprobs);
      std::string number;
      append_double(number, logprobs->chosen.logprob);
      const std::string at = std::to_string(state.offset);
      state.offset += num_characters(piece);
      if (generation_.stream) {
        fields = R"({"text_offset":[)" + at + R"(],"token_logprobs":[)" + number + R"(],"tokens":[)" + name +
                 R"(],"top_logprobs":[)" + top + "]}";
      } else {
        const char* comma = state.offsets.empty() ? "" : ",";
        state.offsets += comma + at;
        state.logprobs += comma + number;
        state.tokens_list += comma + name;
        state.top_list += comma + top;
      }
    } else {
      fields = chat_logprobs(*model_.tokenizer, *logprobs);
      if (!generation_.stream || generation_.api == Api::responses) {
        state.logprobs += (state.logprobs.empty() ? "" : ",") + fields;
      }
    }
  }
  emit(state, text, fields);
  return state.stops.found();
}

void LiveAnswer::on_end(std::int32_t index, FinishReason reason, const std::string& why) {
  State& state = *choices_[static_cast<std::size_t>(index)];
  if (ended_ || state.ended) return;
  if (reason == FinishReason::refused) return fail(ApiError::invalid(why));
  if (reason == FinishReason::error) return fail(ApiError::failed(why));
  if (reason == FinishReason::cancelled && !state.stops.found()) return fail(ApiError::stopping());
  begin();
  if (!state.stops.found()) {
    std::string rest = state.stops.push(state.stream.finish());
    rest += state.stops.finish();
    if (!rest.empty()) emit(state, rest, "");
  }
  state.reason = state.stops.found() ? FinishReason::stop : reason;
  end_choice(state);
}

const char* LiveAnswer::finish_name(const State& state) const { return state.reason == FinishReason::stop ? "stop" : "length"; }

void LiveAnswer::end_choice(State& state) {
  state.ended = true;
  if (generation_.stream && generation_.api != Api::responses) {
    output_ += head_ + R"({"index":)" + std::to_string(state.index) +
               (generation_.api == Api::chat ? R"(,"delta":{},"logprobs":null,"finish_reason":")"
                                             : R"(,"text":"","logprobs":null,"finish_reason":")") +
               finish_name(state) + (generation_.include_usage ? "\"}],\"usage\":null}\n\n" : "\"}]}\n\n");
  }
  if (state.choice) state.choice->answer = nullptr;
  state.choice.reset();
  if (--open_ == 0) end();
}

void LiveAnswer::end() {
  ended_ = begun_ = true;
  if (!generation_.stream) {
    output_ = whole();
    return;
  }
  if (generation_.api == Api::responses) {
    const State& state = *choices_.front();
    const Json::Object at{{"item_id", item_id()}, {"output_index", 0}, {"content_index", 0}};
    const Json item = message_item(state.reason == FinishReason::stop ? "completed" : "incomplete");
    const Json part = item.find("content")->array().front();
    Json text = at;
    text["text"] = state.text;
    text["logprobs"] = *part.find("logprobs");
    event("response.output_text.done", std::move(text));
    Json whole_part = at;
    whole_part["part"] = part;
    event("response.content_part.done", std::move(whole_part));
    event("response.output_item.done", Json::Object{{"output_index", 0}, {"item", item}});
    const bool complete = state.reason == FinishReason::stop;
    event(complete ? "response.completed" : "response.incomplete",
          Json::Object{{"response", response(complete ? "completed" : "incomplete")}});
    return;
  }
  if (generation_.include_usage) {
    // The head ends with the list of choices, which is empty here.
    output_ += head_ + "],\"usage\":" + usage().dump(-1, /*sort_keys=*/false) + "}\n\n";
  }
  output_ += "data: [DONE]\n\n";
}

void LiveAnswer::fail(const ApiError& error) {
  if (ended_) return;
  ended_ = true;
  if (!generation_.stream || !begun_) {
    status_ = error.status;
    output_ = error_json(error);
  } else if (generation_.api == Api::responses) {
    Json failed = response("failed");
    failed["error"] = Json::Object{{"code", "server_error"}, {"message", error.what()}};
    event("response.failed", Json::Object{{"response", std::move(failed)}});
  } else {
    output_ += "data: " + error_json(error) + "\n\ndata: [DONE]\n\n";
  }
  begun_ = true;
}

void LiveAnswer::event(const char* type, Json data) {
  Json::Object ordered{{"type", type}, {"sequence_number", sequence_++}};
  for (Json::Member& member : data.object()) ordered.push_back(std::move(member));
  output_ += std::string("event: ") + type + "\ndata: " + Json(std::move(ordered)).dump(-1, /*sort_keys=*/false) + "\n\n";
}

std::string LiveAnswer::item_id() const { return "msg_" + id_.substr(id_.find('_') + 1); }

Json LiveAnswer::usage() const {
  std::int64_t prompt = 0, cached = 0, generated = 0;
  for (const Prompt& p : generation_.prompts) prompt += static_cast<std::int64_t>(p.tokens.size());
  for (std::size_t i = 0; i < choices_.size(); ++i) {
    generated += choices_[i]->tokens;
    // Of a prompt's first choice: the others share what that one computed.
    if (static_cast<std::int32_t>(i) % generation_.n == 0) cached += choices_[i]->cached;
  }
  if (generation_.api == Api::responses) {
    return Json::Object{{"input_tokens", prompt},
                        {"input_tokens_details", Json::Object{{"cached_tokens", cached}}},
                        {"output_tokens", generated},
                        {"output_tokens_details", Json::Object{{"reasoning_tokens", 0}}},
                        {"total_tokens", prompt + generated}};
  }
  return Json::Object{{"prompt_tokens", prompt},
                      {"completion_tokens", generated},
                      {"total_tokens", prompt + generated},
                      {"prompt_tokens_details", Json::Object{{"cached_tokens", cached}}}};
}

Json LiveAnswer::message_item(const char* status) const {
  const State& state = *choices_.front();
  Json::Array logprobs;
  if (!state.logprobs.empty()) logprobs = Json::parse("[" + state.logprobs + "]", "logprobs").array();
  return Json::Object{
      {"type", "message"},
      {"id", item_id()},
      {"status", status},
      {"role", "assistant"},
      {"content",
       Json::Array{Json::Object{
           {"type", "output_text"}, {"text", state.text}, {"annotations", Json::Array()}, {"logprobs", std::move(logprobs)}}}}};
}

// `status`: in_progress, completed, incomplete or failed.
Json LiveAnswer::response(const char* status) const {
  const auto asked = [&](const char* key, const Json& otherwise) {
    const Json* value = generation_.asked.find(key);
    return value != nullptr && !value->is_null() ? *value : otherwise;
  };
  const bool over = status != std::string("in_progress");
  const SamplingParams& params = generation_.sampling.params;
  Json::Array output;
  if (over) output.push_back(message_item(status == std::string("completed") ? "completed" : "incomplete"));
  return Json::Object{{"id", id_},
                      {"object", "response"},
                      {"created_at", created_},
                      {"status", status},
                      {"background", false},
                      {"error", Json()},
                      {"incomplete_details",
                       status == std::string("incomplete") ? Json(Json::Object{{"reason", "max_output_tokens"}}) : Json()},
                      {"instructions", asked("instructions", {})},
                      {"max_output_tokens", asked("max_output_tokens", {})},
                      {"model", model_.name},
                      {"output", std::move(output)},
                      {"parallel_tool_calls", asked("parallel_tool_calls", true)},
                      {"previous_response_id", Json()},
                      {"reasoning", Json::Object{{"effort", Json()}, {"summary", Json()}}},
                      {"service_tier", "default"},
                      {"store", false},
                      {"temperature", as_written(params.temperature)},
                      {"text", Json::Object{{"format", Json::Object{{"type", "text"}}}}},
                      {"tool_choice", asked("tool_choice", "auto")},
                      {"tools", asked("tools", Json::Array())},
                      {"top_p", as_written(params.top_p)},
                      {"truncation", "disabled"},
                      {"usage", over ? usage() : Json()},
                      {"user", asked("user", {})},
                      {"metadata", asked("metadata", Json::Object())}};
}

std::string LiveAnswer::whole() const {
  if (generation_.api == Api::responses) {
    return response(choices_.front()->reason == FinishReason::stop ? "completed" : "incomplete").dump(-1, /*sort_keys=*/false);
  }
  const bool chat = generation_.api == Api::chat;
  const bool logprobs = generation_.sampling.params.logprobs >= 0;
  std::string out = R"({"id":)";
  append_json_string(out, id_);
  out += chat ? R"(,"object":"chat.completion","created":)" : R"(,"object":"text_completion","created":)";
  append_int(out, created_);
  out += R"(,"model":)";
  append_json_string(out, model_.name);
  out += R"(,"system_fingerprint":)";
  append_json_string(out, model_.fingerprint);
  out += R"(,"choices":[)";
  for (std::size_t i = 0; i < choices_.size(); ++i) {
    const State& state = *choices_[i];
    out += i == 0 ? R"({"index":)" : R"(,{"index":)";
    append_int(out, static_cast<std::int64_t>(i));
    if (chat) {
      out += R"(,"message":{"role":"assistant","content":)";
      append_json_string(out, state.text);
      out += R"(,"refusal":null},"logprobs":)";
      out += logprobs ? R"({"content":[)" + state.logprobs + R"(],"refusal":null})" : "null";
    } else {
      out += R"(,"text":)";
      const std::string& prompt = generation_.prompts[static_cast<std::size_t>(state.prompt)].text;
      append_json_string(out, generation_.echo ? prompt + state.text : state.text);
      out += R"(,"logprobs":)";
      out += logprobs ? R"({"text_offset":[)" + state.offsets + R"(],"token_logprobs":[)" + state.logprobs + R"(],"tokens":[)" +
                            state.tokens_list + R"(],"top_logprobs":[)" + state.top_list + "]}"
                      : "null";
    }
    out += R"(,"finish_reason":")" + std::string(finish_name(state)) + "\"}";
  }
  out += R"(],"usage":)" + usage().dump(-1, /*sort_keys=*/false);
  return out += "}";
}

}  // namespace tokenyard::serve
