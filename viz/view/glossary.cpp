#include "viz/view/glossary.h"

#include <algorithm>
#include <cctype>
#include <stdexcept>

namespace tokenyard::viz {

extern const char* const kGlossaryText;  // glossary_text.cpp, written by CMake

namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

bool is_letter(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// Where `word` stands in `text` as a word of its own, also in the plural; npos: nowhere. Both in lower case.
std::size_t find_word(std::string_view text, std::string_view word) {
  for (std::size_t at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) {
    std::size_t end = at + word.size();
    if (end < text.size() && text[end] == 's') ++end;
    if ((at == 0 || !is_letter(text[at - 1])) && (end >= text.size() || !is_letter(text[end]))) return at;
  }
  return std::string_view::npos;
}

// The text between `open` and `close` at the beginning of `line`, which loses both; empty when it does not begin so.
std::string_view take(std::string_view& line, std::string_view open, std::string_view close) {
  if (!line.starts_with(open)) return {};
  const std::size_t end = line.find(close, open.size());
  if (end == std::string_view::npos) return {};
  const std::string_view inside = line.substr(open.size(), end - open.size());
  line.remove_prefix(end + close.size());
  return inside;
}

Term parse_term(std::string_view line) {
  const auto wrong = [whole = std::string(line)](const char* what) -> Term {
    throw std::logic_error("docs/glossary.md: expected " + std::string(what) + " in: " + whole);
  };
  Term term;
  term.name = take(line, "**", "**");
  if (term.name.empty()) return wrong("**term**");
  for (std::string_view words = take(line, " (also: ", ")"); !words.empty();) {
    const std::size_t comma = std::min(words.find(", "), words.size());
    term.also.emplace_back(words.substr(0, comma));
    words.remove_prefix(std::min(comma + 2, words.size()));
  }
  if (!line.starts_with(": ")) return wrong("\": \" after the term");
  line.remove_prefix(2);
  if (const std::size_t link = line.find(" [Chapter "); link != std::string_view::npos) {
    term.chapter = std::stoi(std::string(line.substr(link + 10, 2)));
    line = line.substr(0, link);
  }
  term.meaning = line;
  if (!term.meaning.ends_with('.')) return wrong("a sentence that ends");
  return term;
}

}  // namespace

std::vector<Term> parse_glossary(std::string_view text) {
  std::vector<Term> out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.starts_with("**")) out.push_back(parse_term(line));
  }
  return out;
}

const std::vector<Term>& glossary() {
  static const std::vector<Term> terms = parse_glossary(kGlossaryText);
  return terms;
}

const Term* find_term(std::string_view word) {
  const std::string wanted = lower(word);
  for (const Term& term : glossary()) {
    if (lower(term.name) == wanted) return &term;
    if (std::any_of(term.also.begin(), term.also.end(), [&](const std::string& also) { return lower(also) == wanted; }))
      return &term;
  }
  return nullptr;
}

std::string with_meanings(std::string_view text, std::size_t most) {
  std::vector<std::pair<std::size_t, const Term*>> found;
  const std::string words = lower(text);
  for (const Term& term : glossary()) {
    std::size_t at = find_word(words, lower(term.name));
    for (const std::string& also : term.also) at = std::min(at, find_word(words, lower(also)));
    if (at != std::string_view::npos) found.emplace_back(at, &term);
  }
  std::sort(found.begin(), found.end());
  std::string out(text);
  for (std::size_t i = 0; i < std::min(most, found.size()); ++i) {
    out += (i == 0 ? "\n\n" : "\n") + found[i].second->name + ": " + found[i].second->meaning;
  }
  return out;
}

}  // namespace tokenyard::viz
