#include "cli/serve/live_answer.h"

#include <algorithm>
#include <string>
#include <vector>

#include "catch.h"
#include "serve_support.h"

using namespace tokenyard;
using namespace tokenyard::serve;

namespace {

std::vector<Token> ids_of(const std::string& text) { return story().tokenizer->encode(text, false); }

Generation ask(Api api, const std::string& fields) {
  const std::string prompt = api == Api::chat          ? R"("messages": [{"role": "user", "content": "Hi"}])"
                             : api == Api::completions ? R"("prompt": "Hi")"
                                                       : R"("input": "Hi")";
  return read_generation(api, "{" + prompt + fields + "}", story());
}

// The data of every event, but for [DONE].
std::vector<Json> events_of(const std::string& output) {
  std::vector<Json> events;
  for (std::size_t at = 0; (at = output.find("data: ", at)) != std::string::npos;) {
    const std::size_t end = output.find("\n\n", at);
    const std::string data = output.substr(at + 6, end - at - 6);
    if (data != "[DONE]") events.push_back(Json::parse(data, "event"));
    at = end;
  }
  return events;
}

const Json& at(const Json& json, std::initializer_list<const char*> path) {
  const Json* value = &json;
  for (const char* key : path) {
    value = *key >= '0' && *key <= '9' ? &value->array().at(static_cast<std::size_t>(*key - '0')) : value->find(key);
    REQUIRE(value != nullptr);
  }
  return *value;
}

std::string say(LiveAnswer& answer, const std::string& text, FinishReason reason = FinishReason::length) {
  for (const Token token : ids_of(text)) {
    if (answer.on_token(0, token, nullptr, false)) answer.on_end(0, FinishReason::stop, "");
  }
  answer.on_end(0, reason, "");
  CHECK(answer.ended());
  return answer.output();
}

}  // namespace

TEST_CASE("a chat streams role, text, end, usage and DONE, in this order", "[serve]") {
  LiveAnswer answer(ask(Api::chat, R"(, "stream": true, "stream_options": {"include_usage": true})"), story(), "chatcmpl-1", 9);
  CHECK_FALSE(answer.begun());
  const std::string output = say(answer, "Once upon a time", FinishReason::stop);
  CHECK(output.ends_with("data: [DONE]\n\n"));
  const std::vector<Json> events = events_of(output);
  const std::size_t tokens = ids_of("Once upon a time").size();
  REQUIRE(events.size() == tokens + 3);  // one chunk a token
  CHECK(at(events.front(), {"choices", "0", "delta", "role"}) == Json("assistant"));
  std::string text;
  for (std::size_t i = 1; i <= tokens; ++i) {
    text += at(events[i], {"choices", "0", "delta", "content"}).string();
    CHECK(at(events[i], {"choices", "0", "finish_reason"}).is_null());
    CHECK(at(events[i], {"usage"}).is_null());
  }
  CHECK(text == "Once upon a time");
  CHECK(at(events[tokens + 1], {"choices", "0", "finish_reason"}) == Json("stop"));
  CHECK(at(events[tokens + 1], {"choices", "0", "delta"}).size() == 0);
  CHECK(at(events.back(), {"choices"}).size() == 0);
  CHECK(at(events.back(), {"usage", "completion_tokens"}) == Json(tokens));
}

TEST_CASE("usage is sent only when asked for", "[serve]") {
  LiveAnswer answer(ask(Api::chat, R"(, "stream": true)"), story(), "chatcmpl-1", 9);
  CHECK(say(answer, "Once").find("usage") == std::string::npos);
}

TEST_CASE("a stop string ends a choice at once, and nothing of it is sent", "[serve]") {
  for (const bool stream : {false, true}) {
    LiveAnswer answer(
        ask(Api::completions, R"(, "max_tokens": 50, "stop": ["upon a"])" + std::string(stream ? R"(, "stream": true)" : "")),
        story(), "cmpl-1", 9);
    const std::string output = say(answer, "Once upon a time");
    CHECK(output.find("upon") == std::string::npos);
    const Json last = stream ? events_of(output).back() : Json::parse(output, "answer");
    CHECK(at(last, {"choices", "0", "finish_reason"}) == Json("stop"));
    if (!stream) CHECK(at(last, {"choices", "0", "text"}) == Json("Once "));
  }
}

TEST_CASE("half a character is held back until the rest of it comes", "[serve]") {
  const std::vector<Token> ids = ids_of("\xF0\x9F\xA6\x8A!");
  REQUIRE(ids.size() > 2);  // the fox has several tokens
  LiveAnswer answer(ask(Api::chat, R"(, "stream": true)"), story(), "chatcmpl-1", 9);
  std::string text;
  for (const Json& event : events_of(say(answer, "\xF0\x9F\xA6\x8A!"))) {
    const Json* content = at(event, {"choices", "0", "delta"}).find("content");
    if (content == nullptr) continue;
    CHECK(content->string().find("\xEF\xBF\xBD") == std::string::npos);
    text += content->string();
  }
  CHECK(text == "\xF0\x9F\xA6\x8A!");
}

TEST_CASE("choices and prompts are numbered, and each ends for itself", "[serve]") {
  LiveAnswer answer(read_generation(Api::completions, R"({"prompt": ["Hi", "The fox"], "n": 2, "max_tokens": 5})", story()),
                    story(), "cmpl-1", 9);
  REQUIRE(answer.num_choices() == 4);
  for (std::int32_t i = 3; i >= 0; --i) {
    CHECK_FALSE(answer.ended());
    for (const Token token : ids_of("say " + std::to_string(i))) answer.on_token(i, token, nullptr, false);
    answer.on_end(i, i == 1 ? FinishReason::stop : FinishReason::kv_capacity, "");
  }
  CHECK(answer.ended());
  const Json whole = Json::parse(answer.output(), "answer");
  for (std::size_t i = 0; i < 4; ++i) {
    const Json& choice = at(whole, {"choices"}).array()[i];
    CHECK(*choice.find("index") == Json(i));
    CHECK(*choice.find("text") == Json("say " + std::to_string(i)));
    CHECK(*choice.find("finish_reason") == Json(i == 1 ? "stop" : "length"));
  }
  const std::size_t prompt = ids_of("Hi").size() + ids_of("The fox").size();
  CHECK(at(whole, {"usage", "prompt_tokens"}) == Json(prompt));
}

TEST_CASE("log probabilities have the shapes of a chat and of a completion", "[serve]") {
  const std::vector<Token> ids = ids_of("Once upon");
  const auto say_with = [&](LiveAnswer& answer) {
    for (const Token token : ids) {
      const TokenLogprobs logprobs{{token, -0.5f}, 2, {{ids.front(), -0.25f}, {token, -0.5f}}};
      answer.on_token(0, token, &logprobs, false);
    }
    answer.on_end(0, FinishReason::length, "");
    return answer.output();
  };
  LiveAnswer chat(ask(Api::chat, R"(, "logprobs": true, "top_logprobs": 2)"), story(), "chatcmpl-1", 9);
  const Json chat_json = Json::parse(say_with(chat), "answer");
  const Json& content = at(chat_json, {"choices", "0", "logprobs", "content"});
  REQUIRE(content.size() == ids.size());
  CHECK(at(content, {"0", "token"}) == Json("Once"));
  CHECK(at(content, {"0", "logprob"}) == Json(-0.5));
  CHECK(at(content, {"0", "bytes"}).dump() == "[79,110,99,101]");
  CHECK(at(content, {"1", "top_logprobs"}).size() == 2);
  CHECK(at(content, {"1", "top_logprobs", "0", "token"}) == Json("Once"));

  LiveAnswer text(ask(Api::completions, R"(, "logprobs": 2)"), story(), "cmpl-1", 9);
  const Json json = Json::parse(say_with(text), "answer");
  CHECK(at(json, {"choices", "0", "logprobs", "tokens"}).dump() == R"(["Once"," upon"])");
  CHECK(at(json, {"choices", "0", "logprobs", "token_logprobs"}).dump() == "[-0.5,-0.5]");
  CHECK(at(json, {"choices", "0", "logprobs", "text_offset"}).dump() == "[0,4]");
  CHECK(at(json, {"choices", "0", "logprobs", "top_logprobs", "1", "Once"}) == Json(-0.25));
  // Two tokens of one text: a JSON object has a key once, and the likelier one counts.
  CHECK(at(json, {"choices", "0", "logprobs", "top_logprobs", "0"}).dump() == R"({"Once":-0.25})");
}

TEST_CASE("a token's text_offset counts characters; the parts of one have its place", "[serve]") {
  const std::vector<Token> ids = ids_of("\xF0\x9F\xA6\x8A!?");
  REQUIRE(ids.size() > 3);
  LiveAnswer answer(ask(Api::completions, R"(, "logprobs": 0)"), story(), "cmpl-1", 9);
  for (const Token token : ids) {
    const TokenLogprobs logprobs{{token, -0.5f}, 0, {}};
    answer.on_token(0, token, &logprobs, false);
  }
  answer.on_end(0, FinishReason::length, "");
  const Json json = Json::parse(answer.output(), "answer");
  std::string expected;
  for (std::size_t i = 0; i < ids.size() - 2; ++i) expected += "0,";
  CHECK(at(json, {"choices", "0", "logprobs", "text_offset"}).dump() == "[" + expected + "1,2]");
}

TEST_CASE("a response's events are those a client parses, numbered without a gap", "[serve]") {
  LiveAnswer answer(ask(Api::responses, R"(, "stream": true, "instructions": "Be kind.")"), story(), "resp_1", 9);
  const std::string output = say(answer, "Once upon", FinishReason::stop);
  CHECK(output.find("[DONE]") == std::string::npos);
  const std::vector<Json> events = events_of(output);
  std::vector<std::string> types;
  std::string text;
  for (std::size_t i = 0; i < events.size(); ++i) {
    types.push_back(at(events[i], {"type"}).string());
    CHECK(output.find("event: " + types.back() + "\ndata: ") != std::string::npos);
    CHECK(at(events[i], {"sequence_number"}) == Json(i));
    if (types.back() != "response.output_text.delta") continue;
    text += at(events[i], {"delta"}).string();
    CHECK(at(events[i], {"logprobs"}).is_array());
    CHECK(at(events[i], {"item_id"}) == Json("msg_1"));
  }
  CHECK(types == std::vector<std::string>{"response.created", "response.in_progress", "response.output_item.added",
                                          "response.content_part.added", "response.output_text.delta",
                                          "response.output_text.delta", "response.output_text.done",
                                          "response.content_part.done", "response.output_item.done", "response.completed"});
  CHECK(text == "Once upon");
  const Json& response = at(events.back(), {"response"});
  CHECK(at(response, {"status"}) == Json("completed"));
  CHECK(at(response, {"output", "0", "content", "0", "text"}) == Json("Once upon"));
  CHECK(at(response, {"usage", "output_tokens"}) == Json(2));
  CHECK(at(response, {"instructions"}) == Json("Be kind."));
}

TEST_CASE("an answer that is cut off is incomplete and says why", "[serve]") {
  LiveAnswer answer(ask(Api::responses, ""), story(), "resp_1", 9);
  const Json response = Json::parse(say(answer, "Once", FinishReason::length), "answer");
  CHECK(at(response, {"status"}) == Json("incomplete"));
  CHECK(at(response, {"incomplete_details", "reason"}) == Json("max_output_tokens"));
}

TEST_CASE("a failure before the first token is a status, later an event", "[serve]") {
  LiveAnswer refused(ask(Api::chat, R"(, "stream": true)"), story(), "chatcmpl-1", 9);
  refused.on_end(0, FinishReason::refused, "the prompt needs 9 blocks");
  CHECK(refused.status() == 400);
  CHECK_FALSE(refused.is_event_stream());
  CHECK(at(Json::parse(refused.output(), "answer"), {"error", "message"}) == Json("the prompt needs 9 blocks"));

  LiveAnswer broken(ask(Api::chat, R"(, "stream": true)"), story(), "chatcmpl-1", 9);
  broken.on_token(0, ids_of("Once").front(), nullptr, false);
  broken.on_end(0, FinishReason::error, "the device failed");
  CHECK(broken.is_event_stream());
  CHECK(broken.ended());
  CHECK(at(events_of(broken.output()).back(), {"error", "message"}) == Json("the device failed"));
  CHECK(broken.output().ends_with("data: [DONE]\n\n"));

  LiveAnswer response(ask(Api::responses, R"(, "stream": true)"), story(), "resp_1", 9);
  response.on_token(0, ids_of("Once").front(), nullptr, false);
  response.fail(ApiError::stopping());
  const Json last = events_of(response.output()).back();
  CHECK(at(last, {"type"}) == Json("response.failed"));
  CHECK(at(last, {"response", "status"}) == Json("failed"));
  CHECK(at(last, {"response", "error", "message"}) == Json("the server is shutting down"));
}

TEST_CASE("the token that ends a text counts and is not said", "[serve]") {
  LiveAnswer answer(ask(Api::completions, R"(, "max_tokens": 9)"), story(), "cmpl-1", 9);
  answer.on_token(0, ids_of("Once").front(), nullptr, false);
  answer.on_token(0, story().eos_token_ids.front(), nullptr, true);
  answer.on_end(0, FinishReason::stop, "");
  const Json json = Json::parse(answer.output(), "answer");
  CHECK(at(json, {"choices", "0", "text"}) == Json("Once"));
  CHECK(at(json, {"usage", "completion_tokens"}) == Json(2));
}
