#include "core/base/input_error.h"

#include "core/base/json_text.h"

namespace tokenyard {

std::string printable(std::string_view text) {
  static const char hex[] = "0123456789abcdef";
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = utf8_length(text.substr(i));
    const auto first = static_cast<unsigned char>(text[i]);
    // U+0080 to U+009F are control characters too: C2 80 to C2 9F.
    const bool control = first < 0x20 || first == 0x7F || (first == 0xC2 && length == 2 && (text[i + 1] & 0x60) == 0);
    if (length > 0 && !control) {
      out += text.substr(i, length);
      i += length;
      continue;
    }
    for (const std::size_t end = i + (length > 0 ? length : 1); i < end; ++i) {
      const auto byte = static_cast<unsigned char>(text[i]);
      out += "\\x";
      out += hex[byte >> 4];
      out += hex[byte & 15];
    }
  }
  return out;
}

std::string shown(std::string_view text, std::size_t most) {
  if (text.size() <= most) return std::string(text);
  while (most > 0 && (text[most] & 0xC0) == 0x80) --most;  // back to where a character begins
  return std::string(text.substr(0, most)) + "...";
}

std::string one_line(std::string_view message) {
  constexpr std::size_t kFirst = 600, kLast = 300;
  std::string text = printable(message);
  if (text.size() <= kFirst + kLast) return text;
  std::size_t last = text.size() - kLast;
  while (last < text.size() && (text[last] & 0xC0) == 0x80) ++last;  // on to where a character begins
  return shown(text, kFirst) + text.substr(last);
}

}  // namespace tokenyard
