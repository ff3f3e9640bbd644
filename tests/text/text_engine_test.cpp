#include "backends/text/text_engine.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>
#include <tuple>

#include "backends/text/stop_strings.h"
#include "catch.h"
#include "core/base/input_error.h"
#include "core/trace/reader.h"
#include "core/trace/replay.h"
#include "core/trace/writer.h"

using namespace tokenyard;

namespace {

const std::string kStory = TOKENYARD_SOURCE_DIR "/scenarios/models/story";

Sampling short_answer(std::int32_t tokens, std::uint64_t seed = 0) {
  Sampling sampling;
  sampling.max_tokens = tokens;
  sampling.params.temperature = 0.7f;
  sampling.params.seed = seed;
  return sampling;
}

}  // namespace

TEST_CASE("A stop string is found wherever the pieces end, and the text is cut before it", "[text]") {
  const std::string text = "one, two, three. END and more";
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    StopStrings stops({"END", "", ". ENX"});
    std::string out;
    for (std::size_t at = 0; at < text.size(); at += piece) out += stops.push(text.substr(at, piece));
    CHECK(stops.found());
    CHECK(out + stops.finish() == "one, two, three. ");
  }
  StopStrings overlapping({"abc", "bca"});
  CHECK(overlapping.push("xab").append(overlapping.push("ca")) == "x");
  CHECK(overlapping.found());
  StopStrings nearly({"stop"});
  CHECK(nearly.push("to sto") == "to ");
  CHECK(nearly.push("re") == "store");
  CHECK(nearly.push(" s") == " ");
  CHECK(nearly.finish() == "s");
  CHECK_FALSE(nearly.found());
}

TEST_CASE("A stop string that may end only after some text counts wherever it begins", "[text]") {
  // Against the definition: the first occurrence that ends after `passed` bytes.
  const std::string text = "abcabxabcabyabc";
  for (const char* stop : {"abc", "cab", "b", "xabcabyab", "abcaby", "y", "zz", "bcabx"}) {
    for (std::size_t passed = 0; passed <= text.size(); ++passed) {
      for (std::size_t piece = 1; piece <= 4; ++piece) {
        StopStrings stops({stop});
        std::string out;
        for (std::size_t at = 0; at < passed; at += piece) out += stops.pass(text.substr(at, std::min(piece, passed - at)));
        for (std::size_t at = passed; at < text.size(); at += piece) out += stops.push(text.substr(at, piece));
        out += stops.finish();
        std::size_t cut = text.find(stop);
        while (cut != std::string::npos && cut + std::string(stop).size() <= passed) cut = text.find(stop, cut + 1);
        CAPTURE(stop, passed, piece);
        CHECK(out == text.substr(0, cut));
        CHECK(stops.found() == (cut != std::string::npos));
      }
    }
  }
}

TEST_CASE("A stop string ends the text when it ends after min_tokens, also where it begins before", "[text]") {
  TextEngine engine(kStory);
  const auto ask = [&](std::int32_t min_tokens, const std::string& stop) {
    Sampling sampling;
    sampling.max_tokens = 60;
    sampling.min_tokens = min_tokens;
    sampling.stop = {stop};
    std::string streamed;
    const Completion out =
        engine.submit("Once upon a time", sampling, [&](std::string_view text) { streamed += text; }).completion.get();
    CHECK(streamed == out.text);
    return std::tuple(out.text, out.tokens.size(), out.finish_reason);
  };
  // ", there was a young giant named Mia ...": tokens end at ",", " the", "re" and so on.
  CHECK(ask(1, ", t") == std::tuple("", 2u, FinishReason::stop));
  CHECK(ask(2, "re w") == std::tuple(", the", 3u, FinishReason::stop));
  CHECK(ask(3, "e was a ") == std::tuple(", ther", 5u, FinishReason::stop));
  CHECK(std::get<0>(ask(2, ", t")) != "");  // it ended within them
}

TEST_CASE("A temperature that only means greedy is greedy, and a seed of -1 is drawn and told", "[text]") {
  TextEngine engine(kStory);
  CHECK(engine.notes().empty());
  const auto ask = [&](float temperature, std::uint64_t seed) {
    Sampling sampling = short_answer(40, seed);
    sampling.params.temperature = temperature;
    return engine.submit("Once upon a time", sampling).completion.get();
  };
  CHECK(ask(1e-8f, 3).text == ask(0, 1).text);
  const Completion drawn = ask(1, kDrawSeed);
  CHECK(drawn.seed != kDrawSeed);
  CHECK(drawn.seed != ask(1, kDrawSeed).seed);
  CHECK(ask(1, drawn.seed).text == drawn.text);
  CHECK(ask(1, drawn.seed).seed == drawn.seed);
}

TEST_CASE("The embedded model tells a story, streamed and whole", "[text]") {
  TextEngine engine(kStory);
  std::string streamed;
  Answer answer = engine.submit("Once upon a time", short_answer(400), [&](std::string_view text) { streamed += text; });
  const Completion story = answer.completion.get();
  CHECK(story.finish_reason == FinishReason::stop);  // it ends by itself
  CHECK(story.text == streamed);
  CHECK(story.text.size() > 200);
  CHECK(story.text.find("<|") == std::string::npos);
  CHECK(story.ttft > 0);
  CHECK(story.e2el > story.ttft);
  CHECK(std::ssize(story.tokens) == engine.finish().output_tokens);
}

TEST_CASE("The same seed says the same alone, in company and in conversation", "[text]") {
  std::string alone, other;
  {
    TextEngine engine(kStory);
    alone = engine.submit("Once upon a time", short_answer(60, 7)).completion.get().text;
    other = engine.submit("Once upon a time", short_answer(60, 8)).completion.get().text;
    CHECK(alone != other);
  }
  TextOptions small;
  small.engine.block_size = 4;
  small.engine.num_blocks = 60;
  small.engine.max_model_len = 160;
  small.engine.max_num_batched_tokens = 32;
  small.engine.max_num_seqs = 8;
  TextEngine engine(kStory, small);
  std::vector<Answer> answers;
  for (std::uint64_t seed = 0; seed < 12; ++seed) answers.push_back(engine.submit("Once upon a time", short_answer(60, seed)));
  std::vector<std::string> texts;
  for (Answer& answer : answers) texts.push_back(answer.completion.get().text);
  CHECK(texts[7] == alone);
  CHECK(texts[8] == other);
  CHECK(engine.finish().preemptions > 0);
}

TEST_CASE("A text stops before its stop string, at its stop id, or after its tokens", "[text]") {
  TextEngine engine(kStory);
  Sampling sampling = short_answer(100);
  sampling.params.logprobs = 2;
  const Completion whole = engine.submit("Once upon a time", sampling).completion.get();
  REQUIRE(whole.tokens.size() > 20);
  REQUIRE(whole.logprobs.size() == whole.tokens.size());
  for (const TokenLogprobs& l : whole.logprobs) {
    REQUIRE(l.top.size() == 2);
    CHECK(l.chosen.logprob <= l.top[0].logprob);
    CHECK(l.top[0].logprob <= 0);
    CHECK((l.rank == 1) == (l.chosen.token == l.top[0].token));
  }

  const std::string stop = whole.text.substr(whole.text.size() / 2, 6);
  sampling.stop = {stop};
  const Completion cut = engine.submit("Once upon a time", sampling).completion.get();
  CHECK(cut.finish_reason == FinishReason::stop);
  CHECK(cut.text == whole.text.substr(0, whole.text.find(stop)));

  sampling.stop.clear();
  sampling.stop_token_ids = {whole.tokens[10]};
  const Completion at_id = engine.submit("Once upon a time", sampling).completion.get();
  CHECK(at_id.finish_reason == FinishReason::stop);
  CHECK(at_id.text == whole.text.substr(0, at_id.text.size()));
  CHECK(at_id.tokens.size() <= 11);

  sampling.min_tokens = 30;  // the id is not sampled before
  const Completion later = engine.submit("Once upon a time", sampling).completion.get();
  CHECK(later.tokens.size() >= 30);

  const Completion three = engine.submit("Once upon a time", short_answer(3)).completion.get();
  CHECK(three.finish_reason == FinishReason::length);
  CHECK(three.tokens.size() == 3);
}

TEST_CASE("What cannot be answered is refused with a reason, and the others are not harmed", "[text]") {
  TextOptions options;
  options.engine.max_model_len = 64;
  TextEngine engine(kStory, options);
  std::string long_prompt;
  for (int i = 0; i < 100; ++i) long_prompt += "and then ";
  Answer refused = engine.submit(long_prompt, short_answer(5));
  Answer fine = engine.submit("Once", short_answer(5));
  const Completion why = refused.completion.get();
  CHECK(why.finish_reason == FinishReason::refused);
  CHECK(why.why.find("64") != std::string::npos);
  CHECK(fine.completion.get().tokens.size() == 5);

  Sampling wrong = short_answer(5);
  wrong.params.top_p = 0;
  CHECK(engine.submit("Once", wrong).completion.get().finish_reason == FinishReason::refused);
  CHECK_THROWS_AS(engine.chat({{"robot", "Hi"}}, short_answer(5)), InputError);
  CHECK_THROWS_AS(TextEngine("no/such/folder"), InputError);
}

TEST_CASE("Several threads submit and cancel while the engine serves", "[text]") {
  TextOptions options;
  options.engine.max_num_seqs = 4;
  options.engine.block_size = 8;
  TextEngine engine(kStory, options);
  std::atomic<int> ended{0};
  std::vector<std::thread> clients;
  for (int client = 0; client < 4; ++client) {
    clients.emplace_back([&, client] {
      for (int i = 0; i < 5; ++i) {
        Answer answer = engine.submit("Once upon a time", short_answer(20, static_cast<std::uint64_t>(client)));
        if (i % 2 == 1) engine.cancel(answer);
        const Completion c = answer.completion.get();
        if (c.finish_reason != FinishReason::none) ++ended;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  CHECK(ended == 20);
  const Metrics& metrics = engine.finish();
  CHECK(metrics.joined == 20);
  CHECK(metrics.completed + metrics.cancelled == 20);
}

TEST_CASE("A conversation's next turn finds the earlier ones cached", "[text]") {
  TextEngine engine(kStory);
  std::vector<ChatMessage> messages = {{"user", "Write a story about a fox and a lamp."}};
  const Completion first = engine.chat(messages, short_answer(80)).completion.get();
  messages.push_back({"assistant", first.text});
  messages.push_back({"user", "Write a story about a dog."});
  const Completion second = engine.chat(messages, short_answer(10)).completion.get();
  CHECK(second.prompt_tokens > first.prompt_tokens);
  CHECK(second.cached_tokens >= 64);
}

TEST_CASE("A conversation is put in the model's own chat template, which may refuse it", "[text]") {
  namespace fs = std::filesystem;
  const fs::path folder = fs::temp_directory_path() / "tokenyard_text_engine_template";
  fs::remove_all(folder);
  fs::create_directories(folder);
  for (const char* file : {"config.json", "generation_config.json", "tokenizer.json", "model.safetensors"}) {
    fs::copy(fs::path(kStory) / file, folder / file);
  }
  {
    TextEngine engine(folder.string());
    CHECK_THROWS_AS(engine.chat({{"user", "Hi"}}, short_answer(1)), InputError);
    std::ofstream(folder / "chat_template.jinja")
        << "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
           "{{ m.content }}{% endfor %}";
    std::ofstream(folder / "tokenizer_config.json") << R"({"bos_token": "<|endoftext|>"})";
    // Once: the tokenizer adds none of its own to what a template wrote.
    const std::size_t tokens = engine.tokenizer().encode("<|endoftext|>Once upon a time", false).size();
    CHECK(engine.chat({{"user", "Once upon a time"}}, short_answer(1)).completion.get().prompt_tokens ==
          static_cast<std::int32_t>(tokens));
    const Completion refused = engine.chat({{"system", "Be brief."}, {"user", "Hi"}}, short_answer(1)).completion.get();
    CHECK(refused.finish_reason == FinishReason::refused);
    CHECK_THAT(refused.why, has_text("chat_template.jinja: line 1: the template refuses: no system"));
  }
  TextOptions options;
  options.thinking = true;
  TextEngine engine(folder.string(), options);
  CHECK_THROWS_AS(engine.chat({{"user", "Hi"}}, short_answer(1)), InputError);
  fs::remove_all(folder);
}

TEST_CASE("A real run is recorded, and scheduled again without the model", "[text]") {
  const std::string path = (std::filesystem::temp_directory_path() / "tokenyard_text_engine.trace").string();
  {
    TraceWriter trace(path);
    TextOptions options;
    options.trace = &trace;
    options.program = "test";
    options.engine.max_num_seqs = 2;
    TextEngine engine(kStory, options);
    std::vector<Answer> answers;
    for (std::uint64_t i = 0; i < 5; ++i) {
      Sampling sampling = short_answer(20, i);
      if (i % 2 == 1) sampling.stop = {" "};
      answers.push_back(engine.submit("Once upon a time", sampling));
    }
    for (Answer& answer : answers) answer.completion.wait();
    const Metrics& metrics = engine.finish();
    CHECK(metrics.completed == 5);  // one that a stop string ended, too
    CHECK(metrics.cancelled == 0);
    trace.flush();
  }
  TraceReader reader(path);
  CHECK(reader.header().backend == "cpu");
  const ReplayOutcome outcome = replay(reader);
  CHECK(outcome.identical);
  CHECK(outcome.complete);
  CHECK(outcome.metrics.completed == 5);
  std::filesystem::remove(path);
}
