// Appending JSON to a string. Nothing here depends on a locale.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tokenyard {

class Json;

inline void append_int(std::string& out, std::int64_t value) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, value);
  out.append(digits, static_cast<std::size_t>(end.ptr - digits));
}

// Digits that read back as the same value, with a point or an exponent; null for infinities and NaN, which JSON lacks.
void append_double(std::string& out, double value);

// Bytes of the well-formed UTF-8 character at the front of `text`, or 0. REQUIRES: !text.empty().
std::size_t utf8_length(std::string_view text);

// In quotes. What is no UTF-8 becomes U+FFFD, because a JSON text must be UTF-8: one for the longest beginning of a character
// that does not go on, as Unicode recommends.
void append_json_string(std::string& out, std::string_view text);

// "/" and the key, as a JSON pointer has it (RFC 6901), a long key cut short.
void append_pointer(std::string& out, std::string_view key);

// As Json::dump() has it: in one line, keys sorted.
void append_json(std::string& out, const Json& json);

}  // namespace tokenyard
