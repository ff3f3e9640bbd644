// tests/golden/tokenizer/: small vocabularies with the steps of Qwen3, Llama 3, SmolLM2 and every flag of an added token, and
// what the Python package `tokenizers` makes of some strings. make.py there writes them; docs/tokenizer.md has the large test.
#include "backends/model/tokenizer.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "catch.h"
#include "core/base/input_error.h"

using namespace tokenyard;
using Json = nlohmann::json;

namespace {

const std::string kGolden = TOKENYARD_SOURCE_DIR "/tests/golden/tokenizer/";
const std::string kStory = TOKENYARD_SOURCE_DIR "/scenarios/models/story/";

std::string read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

bool is_whole_utf8(const std::string& text) {
  const Json json = text;
  try {
    return !json.dump().empty();
  } catch (const Json::type_error&) {
    return false;
  }
}

// The golden tokenizer, changed by `patch`.
std::string tokenizer_error(const Json& patch) {
  Json document = Json::parse(read(kGolden + "qwen3.json"));
  document.merge_patch(patch);
  try {
    Tokenizer::parse(document.dump(), "t.json");
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("Truncation and padding saved from training are passed over with a note, as transformers and vLLM do",
          "[tokenizer]") {
  Json document = Json::parse(read(kGolden + "qwen3.json"));
  const Tokenizer plain = Tokenizer::parse(document.dump(), "t.json");
  CHECK(plain.notes().empty());
  document["truncation"] = {{"direction", "Right"}, {"max_length", 2}, {"strategy", "LongestFirst"}, {"stride", 0}};
  document["padding"] = {{"strategy", {{"Fixed", 64}}},
                         {"direction", "Left"},
                         {"pad_to_multiple_of", nullptr},
                         {"pad_id", 1},
                         {"pad_type_id", 0},
                         {"pad_token", "a"}};
  const Tokenizer saved = Tokenizer::parse(document.dump(), "t.json");
  CHECK(saved.notes() == std::vector<std::string>{"t.json: /truncation: saved from training, passed over",
                                                  "t.json: /padding: saved from training, passed over"});
  const std::string text = "Once upon a time there was a fox.";
  CHECK(saved.encode(text) == plain.encode(text));
}

TEST_CASE("Text becomes the tokens that the Python package makes of it, and text again", "[tokenizer]") {
  const Json cases = Json::parse(read(kGolden + "cases.json"));
  REQUIRE(cases.size() == 4);
  for (const auto& [name, rows] : cases.items()) {
    CAPTURE(name);
    const Tokenizer tokenizer = Tokenizer::load(kGolden + name + ".json");
    REQUIRE(rows.size() > 100);
    for (const Json& row : rows) {
      const auto text = row[0].get<std::string>();
      const auto ids = row[1].get<std::vector<Token>>();
      CAPTURE(text);
      CHECK(tokenizer.encode(text) == ids);
      CHECK(tokenizer.decode(ids, false) == row[2].get<std::string>());
      CHECK(tokenizer.decode(ids, true) == row[3].get<std::string>());
    }
  }
}

TEST_CASE("A stream of tokens is whole characters at every moment, and the same text in the end", "[tokenizer]") {
  const Json cases = Json::parse(read(kGolden + "cases.json"));
  for (const auto& [name, rows] : cases.items()) {
    const Tokenizer tokenizer = Tokenizer::load(kGolden + name + ".json");
    for (const Json& row : rows) {
      auto ids = row[1].get<std::vector<Token>>();
      for (const bool cut : {false, true}) {
        if (cut && !ids.empty()) ids.pop_back();  // often amid a character
        TextStream stream(tokenizer, false);
        std::string text;
        for (const Token id : ids) {
          const std::string part = stream.push(id);
          CHECK(is_whole_utf8(part));
          text += part;
        }
        text += stream.finish();
        CHECK(text == tokenizer.decode(ids, false));
      }
    }
  }
}

TEST_CASE("A tokenizer.json that is broken or asks for something else is refused in one line", "[tokenizer]") {
  const auto one_line = [](const std::string& message) { return message.find('\n') == std::string::npos; };
  const std::pair<Json, const char*> wrong[] = {
      {{{"model", {{"type", "Unigram"}}}}, "/model/type"},
      {{{"model", {{"byte_fallback", true}}}}, "byte_fallback"},
      {{{"model", {{"vocab", {{"a", -1}}}}}}, "/model/vocab"},
      {{{"model", {{"vocab", {{"a", 1 << 30}}}}}}, "/model/vocab"},
      {{{"model", {{"merges", {"a b c"}}}}}, "/model/merges"},
      {{{"model", {{"merges", {Json::array({"never", "there"})}}}}}, "/model/merges"},
      {{{"normalizer", {{"type", "Lowercase"}}}}, "/normalizer"},
      {{{"pre_tokenizer", {{"type", "Metaspace"}}}}, "/pre_tokenizer"},
      {{{"added_tokens", Json::array({{{"id", 3}}})}}, "/added_tokens/0"},
      {{{"decoder", {{"type", "WordPiece"}}}}, "/decoder"},
      {{{"model", {{"merges", {" a"}}}}}, "/model/merges/0"},  // would join a token to itself without end
      {{{"model", {{"merges", {"t h", "t h"}}}}}, "/model/merges/1"},
      {{{"pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", Json::array()}}}}, "/pre_tokenizer"},
  };
  for (const auto& [patch, place] : wrong) {
    const std::string message = tokenizer_error(patch);
    CAPTURE(patch.dump(), message);
    CHECK(message.starts_with("t.json: "));
    CHECK(message.find(place) != std::string::npos);
    CHECK(one_line(message));
  }
  for (const char* text : {"", "[", "[]", "{}", "\xff", R"({"model": 3})", R"({"model":{},"model":{}})"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(Tokenizer::parse(text, "t.json"), InputError);
  }
  CHECK_THROWS_AS(Tokenizer::parse(std::string(100'000, '['), "t.json"), InputError);
  CHECK_THROWS_AS(Tokenizer::load("no/such/file"), InputError);
}

TEST_CASE("The embedded model's tokenizer gives its text back", "[tokenizer]") {
  const Tokenizer tokenizer = Tokenizer::load(kStory + "tokenizer.json");
  CHECK(tokenizer.num_ids() == 2048);
  const std::string text = "In a big city, there lived an honest wolf named Walter.\n\n\"Yes,\" said Daisy.";
  const std::vector<Token> ids = tokenizer.encode(text);
  CHECK(tokenizer.decode(ids, true) == text);
  CHECK(ids.size() < text.size() / 2);
  CHECK(tokenizer.encode("<|im_start|>") == std::vector<Token>{1});
}
