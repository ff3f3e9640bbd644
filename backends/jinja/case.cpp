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

}  // namespace

std::string upper(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); at += char_bytes(text[at])) append_upper(out, code_point(text.substr(at)));
  return out;
}

std::string lower(std::string_view text) {
  constexpr char32_t kSigma = 0x3A3, kFinalSigma = 0x3C2;
  std::string out;
  bool in_word = false;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = code_point(text.substr(at));
    at += char_bytes(text[at]);
    const char* const several = c < 0x80 ? nullptr : long_case(kLongLower, c);
    if (several != nullptr) {
      out += several;
    } else if (c == kSigma && in_word && (at == text.size() || !is_cased(code_point(text.substr(at))))) {
      append_char(out, kFinalSigma);  // at a word's end; accents and apostrophes within one count as its end here
    } else {
      append_char(out, lower_of(c));
    }
    in_word = is_cased(c);
  }
  return out;
}

std::string capitalize(std::string_view text) {
  if (text.empty()) return "";
  const std::size_t size = char_bytes(text[0]);
  const char32_t first = code_point(text);
  std::string out;
  if (const char* const own = long_case(kCapital, first)) {
    out = own;
  } else {
    append_upper(out, first);
  }
  return out + lower(text.substr(size));
}

}  // namespace tokenyard::jinja
