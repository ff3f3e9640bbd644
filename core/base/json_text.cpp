#include "core/base/json_text.h"

#include "core/base/input_error.h"

namespace tokenyard {
namespace {

struct Utf8 {
  std::size_t length;  // of the character, or of its longest well-formed beginning, at least 1
  bool whole;
};

// The table of well-formed sequences, The Unicode Standard, section 3.9.
Utf8 first_character(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return {1, true};
  if (first < 0xC2 || first > 0xF4) return {1, false};  // a continuation, or a form nobody may write
  const std::size_t length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  // The second byte's bounds keep out longer forms than needed, surrogates and what is beyond U+10FFFF.
  const unsigned least = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  const unsigned most = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  if (text.size() < 2 || byte(1) < least || byte(1) > most) return {1, false};
  for (std::size_t i = 2; i < length; ++i) {
    if (i >= text.size() || (byte(i) & 0xC0u) != 0x80u) return {i, false};
  }
  return {length, true};
}

// The letter after a backslash, or 0.
char short_escape(char c) {
  switch (c) {
    case '"': return '"';
    case '\\': return '\\';
    case '\b': return 'b';
    case '\f': return 'f';
    case '\n': return 'n';
    case '\r': return 'r';
    case '\t': return 't';
    default: return 0;
  }
}

}  // namespace

std::size_t utf8_length(std::string_view text) {
  const Utf8 character = first_character(text);
  return character.whole ? character.length : 0;
}

void append_pointer(std::string& out, std::string_view key) {
  out += '/';
  for (const char c : shown(key)) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
}

void append_json_string(std::string& out, std::string_view text) {
  static const char hex[] = "0123456789abcdef";
  out += '"';
  std::size_t plain = 0;  // what stands from here on goes out as it is
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    const auto code = static_cast<unsigned char>(c);
    if (code >= 0x20 && code < 0x80 && c != '"' && c != '\\') {
      ++i;
      continue;
    }
    const Utf8 character = first_character(text.substr(i));
    if (code >= 0x80 && character.whole) {
      i += character.length;
      continue;
    }
    out.append(text, plain, i - plain);
    i += character.length;
    plain = i;
    if (code >= 0x80) {
      out += "\xEF\xBF\xBD";
    } else if (const char letter = short_escape(c); letter != 0) {
      out += '\\';
      out += letter;
    } else {
      out += "\\u00";
      out += hex[code >> 4];
      out += hex[code & 15];
    }
  }
  out.append(text, plain);
  out += '"';
}

}  // namespace tokenyard
