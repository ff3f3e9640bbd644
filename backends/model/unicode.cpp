#include "backends/model/unicode.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

namespace tokenyard {
namespace {

struct Range {
  char32_t first;
  char32_t last;
};
struct Mark {
  char32_t first;
  char32_t last;
  std::uint8_t combining;  // canonical combining class, not 0
};
struct Decomposition {
  char32_t whole;
  char32_t first;
  char32_t second;  // 0: none
  bool composes;    // back into `whole`
};

#include "backends/model/unicode_classes.inc"
#include "backends/model/unicode_nfc.inc"

// Hangul is computed (Unicode 16, section 3.12): a leading consonant, a vowel, a trailing consonant or none.
constexpr char32_t kHangul = 0xAC00;
constexpr char32_t kHangulL = 0x1100;
constexpr char32_t kHangulV = 0x1161;
constexpr char32_t kHangulT = 0x11A7;  // one before the first
constexpr char32_t kCountL = 19;
constexpr char32_t kCountV = 21;
constexpr char32_t kCountT = 28;

class Tables {
 public:
  static const Tables& get() {
    static const Tables tables;
    return tables;
  }

  const std::uint8_t* classes() const { return classes_.data(); }

  // 0: no such composite.
  char32_t composite(char32_t a, char32_t b) const {
    if (a >= kHangulL && a < kHangulL + kCountL && b >= kHangulV && b < kHangulV + kCountV) {
      return kHangul + ((a - kHangulL) * kCountV + (b - kHangulV)) * kCountT;
    }
    if (a >= kHangul && a < kHangul + kCountL * kCountV * kCountT && (a - kHangul) % kCountT == 0 && b > kHangulT &&
        b < kHangulT + kCountT) {
      return a + (b - kHangulT);
    }
    const std::pair<char32_t, char32_t> key{a, b};
    const auto at = std::lower_bound(composites_.begin(), composites_.end(), key,
                                     [](const Composite& x, const auto& y) { return x.parts < y; });
    return at != composites_.end() && at->parts == key ? at->whole : 0;
  }

 private:
  struct Composite {
    std::pair<char32_t, char32_t> parts;
    char32_t whole;
  };

  template <std::size_t n>
  void mark(const Range (&ranges)[n], std::uint8_t bit) {
    for (const Range& range : ranges) mark(range.first, range.last, bit);
  }
  void mark(char32_t first, char32_t last, std::uint8_t bit) {
    for (char32_t c = first; c <= last; ++c) classes_[c] |= bit;
  }

  Tables() : classes_(0x110000) {
    mark(kLetterRanges, kLetter);
    mark(kNumberRanges, kNumber);
    mark(kSpaceRanges, kSpace);
    mark(kNumericRanges, kNumeric);
    mark(kWordRanges, kWord);
    for (const Mark& range : kMarkRanges) mark(range.first, range.last, kNfcActive);
    mark(kHangulV, kHangulV + kCountV - 1, kNfcActive);
    mark(kHangulT + 1, kHangulT + kCountT - 1, kNfcActive);
    for (const Decomposition& d : kDecompositions) {
      if (d.composes) {
        composites_.push_back({{d.first, d.second}, d.whole});
        classes_[d.second] |= kNfcActive;
      } else {
        classes_[d.whole] |= kNfcActive;
      }
    }
    std::sort(composites_.begin(), composites_.end(), [](const Composite& x, const Composite& y) { return x.parts < y.parts; });
  }

  std::vector<std::uint8_t> classes_;  // 1.1 MB, of which ordinary text touches a few kilobytes
  std::vector<Composite> composites_;
};

struct Char {
  char32_t c;
  std::uint8_t combining;
};

std::uint8_t combining_class(char32_t c) {
  const auto* at =
      std::lower_bound(std::begin(kMarkRanges), std::end(kMarkRanges), c, [](const Mark& x, char32_t y) { return x.last < y; });
  return at != std::end(kMarkRanges) && at->first <= c ? at->combining : 0;
}

void decompose(std::vector<Char>& out, char32_t c) {
  if (c < 0xC0) {
    out.push_back({c, 0});
    return;
  }
  if (c >= kHangul && c < kHangul + kCountL * kCountV * kCountT) {
    const char32_t index = c - kHangul;
    out.push_back({kHangulL + index / (kCountV * kCountT), 0});
    out.push_back({kHangulV + index / kCountT % kCountV, 0});
    if (index % kCountT != 0) out.push_back({kHangulT + index % kCountT, 0});
    return;
  }
  const auto* at = std::lower_bound(std::begin(kDecompositions), std::end(kDecompositions), c,
                                    [](const Decomposition& x, char32_t y) { return x.whole < y; });
  if (at == std::end(kDecompositions) || at->whole != c) {
    out.push_back({c, combining_class(c)});
    return;
  }
  decompose(out, at->first);
  if (at->second != 0) decompose(out, at->second);
}

}  // namespace

const std::uint8_t* char_classes() { return Tables::get().classes(); }

char32_t previous_char(std::string_view text, std::size_t& at) {
  do {
    --at;
  } while ((static_cast<unsigned char>(text[at]) & 0xC0) == 0x80);
  std::size_t start = at;
  return next_char(text, start);
}

void append_utf8(std::string& out, char32_t c) {
  const auto put = [&](char32_t byte) { out += static_cast<char>(byte); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6);
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12);
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | c >> 18);
    put(0x80 | (c >> 12 & 0x3F));
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

Utf8Step utf8_step(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return {1, true, false};
  if (lead < 0xC2 || lead > 0xF4) return {1, false, false};
  const std::size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  // The second byte's bounds keep out overlong forms, surrogates and what lies above U+10FFFF.
  unsigned least = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  unsigned most = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  for (std::size_t i = 1; i < length; ++i) {
    if (i == text.size()) return {i, false, true};
    if (byte(i) < least || byte(i) > most) return {i, false, false};
    least = 0x80;
    most = 0xBF;
  }
  return {length, true, false};
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const Utf8Step step = utf8_step(text);
    if (!step.valid) return false;
    text.remove_prefix(step.length);
  }
  return true;
}

std::string utf8_lossy(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Utf8Step step = utf8_step(text);
    if (step.valid) {
      out += text.substr(0, step.length);
    } else {
      append_utf8(out, 0xFFFD);
    }
    text.remove_prefix(step.length);
  }
  return out;
}

bool needs_nfc(std::string_view text) {
  const std::uint8_t* const classes = char_classes();
  for (std::size_t at = 0; at < text.size();) {
    // U+0300 is the first active character; its first byte is 0xCC.
    if (static_cast<unsigned char>(text[at]) < 0xCC) {
      ++at;
    } else if ((classes[next_char(text, at)] & kNfcActive) != 0) {
      return true;
    }
  }
  return false;
}

std::string nfc(std::string_view text) {
  const Tables& tables = Tables::get();
  std::vector<Char> chars;
  chars.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) decompose(chars, next_char(text, at));

  for (auto run = chars.begin(); run != chars.end();) {
    run = std::find_if(run, chars.end(), [](const Char& x) { return x.combining != 0; });
    const auto end = std::find_if(run, chars.end(), [](const Char& x) { return x.combining == 0; });
    std::stable_sort(run, end, [](const Char& x, const Char& y) { return x.combining < y.combining; });
    run = end;
  }

  std::size_t out = 0;
  std::size_t starter = chars.size();  // none yet
  int last = -1;                       // combining class of the last character kept after the starter; -1: none
  for (const Char x : chars) {
    if (starter < out && last < x.combining) {
      if (const char32_t whole = tables.composite(chars[starter].c, x.c)) {
        chars[starter].c = whole;
        continue;
      }
    }
    if (x.combining == 0) {
      starter = out;
      last = -1;
    } else {
      last = x.combining;
    }
    chars[out++] = x;
  }

  std::string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < out; ++i) append_utf8(result, chars[i].c);
  return result;
}

}  // namespace tokenyard
