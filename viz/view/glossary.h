// The words of the field, from docs/glossary.md: for the viewer's tips and `tokenyard glossary`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tokenyard::viz {

struct Term {
  std::string name;
  std::vector<std::string> also;  // other words for it
  std::string meaning;            // one or two sentences
  int chapter = 0;                // of the book; 0: none
};

// docs/glossary.md, as it was when this was built; in its order. Throws std::logic_error where a line is no term.
const std::vector<Term>& glossary();
// The same of another text, for tests.
std::vector<Term> parse_glossary(std::string_view text);

// By its name or another word for it, whatever the case; nullptr: none.
const Term* find_term(std::string_view word);

// `text`, and below it what those of its words mean that the glossary has; each term once, at most `most`.
std::string with_meanings(std::string_view text, std::size_t most);

}  // namespace tokenyard::viz
