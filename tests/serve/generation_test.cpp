#include "cli/serve/generation.h"

#include <variant>

#include "catch.h"
#include "cli/serve/reply.h"
#include "cli/serve/routes.h"
#include "serve_support.h"

using namespace tokenyard;
using namespace tokenyard::serve;

namespace {

Generation chat(const std::string& fields) {
  return read_generation(Api::chat, R"({"messages": [{"role": "user", "content": "Hi"}])" + fields + "}", story());
}
Generation complete(const std::string& fields) { return read_generation(Api::completions, "{" + fields + "}", story()); }

// The status, the parameter and the message of the refusal.
template <typename Read>
std::string refusal_of(Read&& read) {
  try {
    read();
  } catch (const ApiError& error) {
    return std::to_string(error.status) + " " + error.param + ": " + error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("every supported field of a chat is read", "[serve]") {
  const Generation g = chat(
      R"(, "model": "story", "n": 3, "temperature": 0.5, "top_p": 0.9, "top_k": 7, "min_p": 0.1, "repetition_penalty": 1.2,
         "seed": -7, "stop": ["a", "b"], "stop_token_ids": [4, 5], "min_tokens": 2, "max_completion_tokens": 9, "ignore_eos": true,
         "logprobs": true, "top_logprobs": 4, "stream": true, "stream_options": {"include_usage": true}, "priority": -3,
         "skip_special_tokens": false, "user": "somebody", "something_new": {"x": 1})");
  CHECK(g.n == 3);
  CHECK(g.sampling.params.temperature == 0.5f);
  CHECK(g.sampling.params.top_p == 0.9f);
  CHECK(g.sampling.params.top_k == 7);
  CHECK(g.sampling.params.min_p == 0.1f);
  CHECK(g.sampling.params.repetition_penalty == 1.2f);
  CHECK(g.sampling.params.seed == static_cast<std::uint64_t>(-7));
  CHECK(g.sampling.params.logprobs == 4);
  CHECK(g.sampling.stop == std::vector<std::string>{"a", "b"});
  CHECK(g.sampling.stop_token_ids == std::vector<Token>{4, 5});
  CHECK(g.sampling.min_tokens == 2);
  CHECK(g.sampling.max_tokens == 9);
  CHECK(g.sampling.ignore_eos);
  CHECK(g.sampling.priority == -3);
  CHECK(g.stream);
  CHECK(g.include_usage);
  CHECK_FALSE(g.skip_special_tokens);
}

TEST_CASE("what is not said is the model's, and null says nothing", "[serve]") {
  for (const std::string& fields :
       {std::string(), std::string(R"(, "temperature": null, "max_tokens": null, "stop": null, "n": null,
           "seed": null, "stream_options": null, "logprobs": null, "tools": null, "response_format": null)")}) {
    const Generation g = chat(fields);
    CHECK(g.n == 1);
    CHECK(g.sampling.params.temperature == story().defaults.params.temperature);
    CHECK(g.sampling.params.logprobs == -1);
    CHECK(g.sampling.params.seed != kDrawSeed);
    CHECK(g.sampling.max_tokens == story().max_model_len - std::ssize(g.prompts.front().tokens));
  }
  CHECK(complete(R"("prompt": "Hi")").sampling.max_tokens == 16);
  CHECK(chat("").sampling.params.seed != chat("").sampling.params.seed);
}

TEST_CASE("a prompt is a text, texts, ids or lists of ids", "[serve]") {
  const std::vector<Token> ids = story().tokenizer->encode("Once upon");
  CHECK(complete(R"("prompt": "Once upon")").prompts.front().tokens == ids);
  const Json list = Json::list(ids);
  CHECK(complete(R"("prompt": )" + list.dump()).prompts.front().tokens == ids);
  const Generation two = complete(R"("prompt": [)" + list.dump() + ", [5]], \"n\": 2");
  REQUIRE(two.prompts.size() == 2);
  CHECK(two.prompts[0].tokens == ids);
  CHECK(two.prompts[1].tokens == std::vector<Token>{5});
  CHECK(complete(R"("prompt": ["Once upon", "The"])").prompts.size() == 2);
  CHECK(complete(R"("prompt": [5, 6], "echo": true)").prompts.front().text ==
        story().tokenizer->decode(std::vector<Token>{5, 6}, true));
}

TEST_CASE("choices have the seeds seed, seed + 1 ...", "[serve]") {
  const Generation g = complete(R"("prompt": "Hi", "n": 3, "seed": 41)");
  for (std::int32_t i = 0; i < 3; ++i) {
    CHECK(spec_of(g, g.prompts.front(), i, story()).sampling.seed == static_cast<std::uint64_t>(41 + i));
  }
}

TEST_CASE("what cannot be is refused with its field's name", "[serve]") {
  const auto of_chat = [](const std::string& fields) { return refusal_of([&] { chat(fields); }); };
  const auto of_text = [](const std::string& fields) { return refusal_of([&] { complete(fields); }); };
  CHECK_THAT(of_chat(R"(, "max_tokens": -1)"), has_text("400 max_tokens: request body: /max_tokens: expected an integer"));
  CHECK_THAT(of_chat(R"(, "max_tokens": "5")"), has_text("400 max_tokens:"));
  CHECK_THAT(of_chat(R"(, "max_tokens": 1.5)"), has_text("400 max_tokens:"));
  CHECK_THAT(of_chat(R"(, "max_tokens": 5000)"), has_text("maximum context length is 1024 tokens"));
  CHECK_THAT(of_chat(R"(, "max_tokens": 5000)"), has_text("max_tokens is 5000"));
  CHECK_THAT(of_chat(R"(, "temperature": -0.1)"), has_text("400 temperature:"));
  CHECK_THAT(of_chat(R"(, "top_p": 0)"), has_text("400 top_p:"));
  CHECK_THAT(of_chat(R"(, "temperature": 1e999)"), has_text("400"));
  CHECK_THAT(of_chat(R"(, "n": 0)"), has_text("400 n:"));
  CHECK_THAT(of_chat(R"(, "n": 129)"), has_text("400 n:"));
  CHECK_THAT(of_chat(R"(, "stop": [""])"), has_text("400 stop:"));
  CHECK_THAT(of_chat(R"(, "stop": 5)"), has_text("400 stop:"));
  CHECK_THAT(of_chat(R"(, "top_logprobs": 3)"), has_text("400 top_logprobs:"));
  CHECK_THAT(of_chat(R"(, "logprobs": true, "top_logprobs": 21)"), has_text("400 top_logprobs:"));
  CHECK_THAT(of_chat(R"(, "stream_options": {"include_usage": true})"), has_text("400 stream_options:"));
  CHECK_THAT(of_chat(R"(, "min_tokens": 9, "max_tokens": 8)"), has_text("400 min_tokens:"));
  CHECK_THAT(of_chat(R"(, "seed": 9223372036854775808)"), has_text("400 seed:"));
  CHECK_THAT(of_chat(R"(, "model": "gpt-9")"), has_text("404 model: the model \"gpt-9\" is not served here"));
  CHECK_THAT(of_chat(R"(, "user": 5)"), has_text("400 user:"));
  CHECK_THAT(of_chat(R"(, "n": 1, "n": 2)"), has_text("stands twice"));
  CHECK_THAT(of_text(R"("max_tokens": 5)"), has_text("400 prompt: prompt is missing"));
  CHECK_THAT(of_text(R"("prompt": [])"), has_text("400 prompt:"));
  CHECK_THAT(of_text(R"("prompt": [[]])"), has_text("400 prompt:"));
  CHECK_THAT(of_text(R"("prompt": "")"), has_text("400 prompt: the prompt is empty"));
  CHECK_THAT(of_text(R"("prompt": [1, "x"])"), has_text("400 prompt:"));
  CHECK_THAT(of_text(R"("prompt": [99999])"), has_text("400 prompt:"));
  CHECK_THAT(of_text(R"("prompt": "x", "echo": true, "logprobs": 1)"), has_text("400 echo:"));
  CHECK_THAT(refusal_of([] { read_generation(Api::chat, "[]", story()); }), has_text("400"));
  CHECK_THAT(refusal_of([] { read_generation(Api::chat, "{", story()); }), has_text("400"));
  CHECK_THAT(refusal_of([] { read_generation(Api::chat, std::string(300, '[') + std::string(300, ']'), story()); }),
             has_text("nested more than 200 levels deep"));
  CHECK_THAT(refusal_of([] { read_generation(Api::chat, R"({"messages": []})", story()); }), has_text("400 messages:"));
  CHECK_THAT(refusal_of([] { read_generation(Api::chat, R"({"messages": [{"role": "robot", "content": "x"}]})", story()); }),
             has_text("role \"robot\" is not supported"));
  CHECK_THAT(refusal_of([] {
               read_generation(Api::chat, R"({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]})", story());
             }),
             has_text("parts of type \"image_url\" are not supported"));
}

TEST_CASE("a field that would change the answer is refused, and not where it changes nothing", "[serve]") {
  for (const char* field : {R"("presence_penalty": 0.5)", R"("frequency_penalty": 1)", R"("logit_bias": {"5": 1})",
                            R"("response_format": {"type": "json_object"})", R"("tools": [{"type": "function"}])",
                            R"("guided_json": {"type": "object"})", R"("use_beam_search": true)", R"("best_of": 2)"}) {
    CAPTURE(field);
    CHECK_THAT(refusal_of([&] { chat(std::string(", ") + field); }), has_text("is not supported"));
  }
  chat(R"(, "presence_penalty": 0, "frequency_penalty": 0.0, "logit_bias": {}, "response_format": {"type": "text"}, "tools": [],
          "best_of": 1, "guided_json": null, "use_beam_search": false)");
  chat(R"(, "tools": [{"type": "function"}], "tool_choice": "none")");
  CHECK_THAT(
      refusal_of([] { read_generation(Api::responses, R"({"input": "x", "previous_response_id": "resp_1"})", story()); }),
      has_text("previous_response_id is not supported"));
  read_generation(Api::responses, R"({"input": "x", "tools": [{"type": "anything"}], "store": true, "include": []})", story());
}

TEST_CASE("a response's input becomes the conversation a chat would be", "[serve]") {
  const Generation response = read_generation(
      Api::responses,
      R"({"instructions": "Be kind.", "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
          {"type": "reasoning", "id": "x"}, {"role": "assistant", "content": [{"type": "output_text", "text": "Yes?"}]},
          {"role": "user", "content": "Go on."}]})",
      story());
  const Generation same =
      read_generation(Api::chat,
                      R"({"messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"},
          {"role": "assistant", "content": "Yes?"}, {"role": "user", "content": "Go on."}]})",
                      story());
  CHECK(response.prompts.front().tokens == same.prompts.front().tokens);
}

TEST_CASE("paths, methods and keys", "[serve]") {
  CHECK(route("POST", "/v1/chat/completions").endpoint == Endpoint::chat);
  CHECK(route("GET", "/metrics?x=1").endpoint == Endpoint::metrics);
  CHECK(route("GET", "/v1/models/a%2Fb").name == "a%2Fb");
  CHECK_THAT(refusal_of([] { route("GET", "/v1/chat/completions"); }), has_text("405"));
  CHECK_THAT(refusal_of([] { route("POST", "/nothing"); }), has_text("404"));
  CHECK(has_key("Bearer abc", "abc"));
  CHECK_FALSE(has_key("Bearer abd", "abc"));
  CHECK_FALSE(has_key("Bearer ", "abc"));
  CHECK_FALSE(has_key("abc", "abc"));
  CHECK(is_open(Endpoint::health));
  CHECK_FALSE(is_open(Endpoint::live));
}

TEST_CASE("tokenize and detokenize are each other's opposite", "[serve]") {
  const Json tokens = Json::parse(tokenize(R"({"prompt": "Once upon a time"})", story()), "tokenize");
  CHECK(*tokens.find("count") == Json(tokens.find("tokens")->size()));
  const Json text = Json::parse(detokenize(R"({"tokens": )" + tokens.find("tokens")->dump() + "}", story()), "detokenize");
  CHECK(*text.find("prompt") == Json("Once upon a time"));
  CHECK_THAT(refusal_of([] { tokenize(R"({"prompt": "x", "messages": [{"role": "user", "content": "x"}]})", story()); }),
             has_text("give either prompt or messages"));
}
