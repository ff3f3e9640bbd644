#include <algorithm>
#include <cstdint>
#include <iterator>

#include "backends/jinja/value.h"

namespace tokenyard::jinja {
namespace {

// Every `step`-th code point from first to last becomes the one `delta` further on.
struct CaseRun {
  char32_t first, last;
  std::uint8_t step;
  std::int32_t delta;
};
struct LongCase {
  char32_t c;
  const char* becomes;
};
#include "backends/jinja/case.inc"

template <std::size_t N>
const char* long_case(const LongCase (&table)[N], char32_t c) {
  const auto* found =
      std::lower_bound(std::begin(table), std::end(table), c, [](const LongCase& a, char32_t b) { return a.c < b; });
  return found != std::end(table) && found->c == c ? found->becomes : nullptr;
}

template <std::size_t N>
char32_t changed(const CaseRun (&runs)[N], char32_t c) {
  const auto* run =
      std::lower_bound(std::begin(runs), std::end(runs), c, [](const CaseRun& a, char32_t b) { return a.last < b; });
  if (run == std::end(runs) || c < run->first || (c - run->first) % run->step != 0) return c;
  return static_cast<char32_t>(static_cast<std::int64_t>(c) + run->delta);
}

char32_t upper_of(char32_t c) { return c < 0x80 ? (c >= 'a' && c <= 'z' ? c - 32 : c) : changed(kUpperRuns, c); }
char32_t lower_of(char32_t c) { return c < 0x80 ? (c >= 'A' && c <= 'Z' ? c + 32 : c) : changed(kLowerRuns, c); }

// A letter with two cases.
bool is_cased(char32_t c) { return upper_of(c) != c || lower_of(c) != c || long_case(kLongUpper, c) != nullptr; }

void append_upper(std::string& out, char32_t c) {
  const char* const several = c < 0x80 ? nullptr : long_case(kLongUpper, c);
  if (several != nullptr) {
    out += several;
  } else {
    append_char(out, upper_of(c));
  }
}

// Both take the first character of `text` and return its bytes; `in_word`: the one before was a letter.
std::size_t append_lower(std::string& out, std::string_view text, bool& in_word) {
  constexpr char32_t kSigma = 0x3A3;
  constexpr char32_t kFinalSigma = 0x3C2;
  const char32_t c = code_point(text);
  const std::size_t size = char_bytes(text[0]);
  const char* const several = c < 0x80 ? nullptr : long_case(kLongLower, c);
  if (several != nullptr) {
    out += several;
  } else if (c == kSigma && in_word && (size == text.size() || !is_cased(code_point(text.substr(size))))) {
    append_char(out, kFinalSigma);  // at a word's end; accents and apostrophes within one count as its end here
  } else {
    append_char(out, lower_of(c));
  }
  in_word = is_cased(c);
  return size;
}

std::size_t append_capital(std::string& out, std::string_view text, bool& in_word) {
  const char32_t c = code_point(text);
  const char* const own = c < 0x80 ? nullptr : long_case(kCapital, c);
  if (own != nullptr) {
    out += own;
  } else {
    append_upper(out, c);
  }
  in_word = is_cased(c);
  return char_bytes(text[0]);
}

}  // namespace

std::string upper(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); at += char_bytes(text[at])) append_upper(out, code_point(text.substr(at)));
  return out;
}

std::string lower(std::string_view text) {
  std::string out;
  bool in_word = false;
  for (std::size_t at = 0; at < text.size();) at += append_lower(out, text.substr(at), in_word);
  return out;
}

std::string capitalize(std::string_view text) {
  std::string out;
  bool in_word = false;
  std::size_t at = text.empty() ? 0 : append_capital(out, text, in_word);
  while (at < text.size()) at += append_lower(out, text.substr(at), in_word);
  return out;
}

std::string title(std::string_view text) {
  std::string out;
  bool in_word = false;
  for (std::size_t at = 0; at < text.size();) {
    at += in_word ? append_lower(out, text.substr(at), in_word) : append_capital(out, text.substr(at), in_word);
  }
  return out;
}

}  // namespace tokenyard::jinja
