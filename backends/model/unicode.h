// UTF-8, the character classes that pre-tokenizers ask for, and normalisation form C: what the Python package `tokenizers` 0.23
// makes of every code point (scripts/unicode_tables.py). A system's library would follow its own version of Unicode instead.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tokenyard {

// Bits of char_class.
inline constexpr std::uint8_t kLetter = 1;      // \p{L}
inline constexpr std::uint8_t kNumber = 2;      // \p{N}
inline constexpr std::uint8_t kSpace = 4;       // \s: White_Space
inline constexpr std::uint8_t kNumeric = 8;     // what Digits splits off; a newer Unicode than kNumber's
inline constexpr std::uint8_t kWord = 16;       // \w, beside a single_word token
inline constexpr std::uint8_t kNfcActive = 32;  // NFC changes it, moves it or joins it to what stands before

// A table of the bits of every code point up to U+10FFFF.
const std::uint8_t* char_classes();

// The code point at `at`, which moves past it. REQUIRES: `text` is UTF-8 and `at` the start of a character.
inline char32_t next_char(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) { return static_cast<char32_t>(static_cast<unsigned char>(text[i])); };
  const char32_t lead = byte(at);
  if (lead < 0x80) {
    at += 1;
    return lead;
  }
  if (lead < 0xE0) {
    at += 2;
    return (lead & 0x1F) << 6 | (byte(at - 1) & 0x3F);
  }
  if (lead < 0xF0) {
    at += 3;
    return (lead & 0x0F) << 12 | (byte(at - 2) & 0x3F) << 6 | (byte(at - 1) & 0x3F);
  }
  at += 4;
  return (lead & 0x07) << 18 | (byte(at - 3) & 0x3F) << 12 | (byte(at - 2) & 0x3F) << 6 | (byte(at - 1) & 0x3F);
}
// The code point that ends at `at`, which moves to its start. REQUIRES: as next_char, and at > 0.
char32_t previous_char(std::string_view text, std::size_t& at);
void append_utf8(std::string& out, char32_t c);

// How many bytes at the start of `text` are a whole character (`valid`), or else are to be replaced by one U+FFFD: the longest
// start of a character, at least one byte (Unicode 16, section 3.9, "maximal subparts"). `incomplete`: more bytes could
// complete it. REQUIRES: `text` is not empty.
struct Utf8Step {
  std::size_t length;
  bool valid;
  bool incomplete;
};
Utf8Step utf8_step(std::string_view text);

bool is_utf8(std::string_view text);
// `text` with U+FFFD for what is no UTF-8. O(n).
std::string utf8_lossy(std::string_view text);

// True if nfc(text) may differ from `text`. O(n).
bool needs_nfc(std::string_view text);
// Normalisation form C. REQUIRES: `text` is UTF-8. O(n) but for runs of n combining marks, O(n log n).
std::string nfc(std::string_view text);

}  // namespace tokenyard
