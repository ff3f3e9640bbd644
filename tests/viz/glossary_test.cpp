#include "viz/view/glossary.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>

#include "catch.h"

namespace tokenyard::viz {
namespace {

const std::filesystem::path kDocs = std::string(TOKENYARD_SOURCE_DIR) + "/docs";

std::string lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

}  // namespace

TEST_CASE("The glossary has each word once, in alphabetical order, with a sentence and a chapter that is there") {
  std::ifstream in(kDocs / "glossary.md");
  const std::regex line_form(R"(\*\*[^*]+\*\*( \(also: [^)]+\))?: .+\.( \[Chapter \d+\]\(book/\d\d-[a-z-]+\.md\))?)");
  std::size_t lines = 0;
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with("**")) continue;
    ++lines;
    CAPTURE(line);
    CHECK(std::regex_match(line, line_form));
    std::smatch link;
    if (std::regex_search(line, link, std::regex(R"(\[Chapter (\d+)\]\((book/(\d\d)-[^)]+)\))"))) {
      CHECK(std::stoi(link[1]) == std::stoi(link[3]));
      if (std::filesystem::exists(kDocs / "book")) CHECK(std::filesystem::exists(kDocs / std::string(link[2])));
    }
  }
  CHECK(glossary().size() == lines);
  std::set<std::string> words;
  std::string before;
  for (const Term& term : glossary()) {
    CAPTURE(term.name);
    // Punctuation does not count: K/V cache stands after kernel.
    std::string key = lower_case(term.name);
    std::erase_if(key, [](unsigned char c) { return std::isalnum(c) == 0; });
    CHECK(before < key);
    before = key;
    CHECK(words.insert(lower_case(term.name)).second);
    for (const std::string& also : term.also) CHECK(words.insert(lower_case(also)).second);
    CHECK(term.meaning.size() < 200);
  }
}

TEST_CASE("A text is followed by what its words mean") {
  CHECK(find_term("kv CACHE")->name == "K/V cache");
  CHECK(find_term("TTFT")->chapter == 12);
  CHECK(find_term("nothing of the kind") == nullptr);
  const std::string text = with_meanings("Decodes wait for blocks, blocks for nobody.", 2);
  CHECK(text.starts_with("Decodes wait for blocks, blocks for nobody.\n\ndecode: "));
  CHECK(text.find("\nblock: ") != std::string::npos);
  CHECK(with_meanings("blockade", 9) == "blockade");  // no word of the glossary
  CHECK(with_meanings("decode decode", 0) == "decode decode");
  CHECK_THROWS(parse_glossary("**term**; no colon."));
  CHECK_THROWS(parse_glossary("**term**: no end"));
}

}  // namespace tokenyard::viz
