#include <array>
#include <optional>

#include "backends/jinja/syntax.h"

namespace tokenyard::jinja {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_name_part(char c) { return is_name_start(c) || is_digit(c); }

// jinja2 reads every kind of line end as one, and leaves out one at the end of the text.
std::string with_plain_newlines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      out += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      out += source[i];
    }
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

class Lexer {
 public:
  Lexer(std::string_view source, int& line) : text_(with_plain_newlines(source)), line_(line) {}

  std::vector<Token> run() {
    line_ = 1;
    const std::string_view text = text_;
    while (at_ < text.size()) {
      std::size_t tag = at_;
      while (true) {
        tag = text.find('{', tag);
        if (tag == text.npos) {
          add(Token::Kind::data, std::string(text.substr(at_)));
          skip(text.size() - at_);
          break;
        }
        const char next = tag + 1 < text.size() ? text[tag + 1] : ' ';
        if (next == '{' || next == '%' || next == '#') break;
        ++tag;
      }
      if (at_ == text.size()) break;
      const char kind = text[tag + 1];
      const char mark = tag + 2 < text.size() && (text[tag + 2] == '-' || text[tag + 2] == '+') ? text[tag + 2] : ' ';
      data(tag, kind, mark);
      skip(mark == ' ' ? 2 : 3);
      if (kind == '#') {
        comment();
      } else if (kind == '%' && raw_begins()) {
        raw();
      } else {
        inside(kind == '%');
      }
    }
    add(Token::Kind::end, "");
    return std::move(tokens_);
  }

 private:
  [[noreturn]] static void fail(const std::string& what) { throw Trouble(what); }
  void add(Token::Kind kind, std::string text) {
    if (kind != Token::Kind::data || !text.empty()) tokens_.push_back({kind, std::move(text), line_});
  }
  char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  std::string_view rest() const { return std::string_view(text_).substr(at_); }
  void skip(std::size_t count) {
    for (; count > 0; --count) line_ += text_[at_++] == '\n' ? 1 : 0;
  }
  void skip_space() { skip(rest().size() - strip(rest(), true, false).size()); }

  // The text before a tag: "-" takes away the white space before it, and lstrip_blocks what indents a statement or comment
  // that begins its line, unless the tag says "+".
  void data(std::size_t end, char kind, char mark) {
    std::string_view text = std::string_view(text_).substr(at_, end - at_);
    if (mark == '-') {
      text = strip(text, false, true);
    } else if (mark != '+' && kind != '{') {
      const std::size_t newline = text.rfind('\n');
      const std::size_t start = newline == text.npos ? 0 : newline + 1;
      if ((start > 0 || line_starts_) && strip(text.substr(start), true, false).empty()) text = text.substr(0, start);
    }
    add(Token::Kind::data, std::string(text));
    skip(end - at_);
  }

  // What follows a tag: "-" takes away white space, trim_blocks one newline, unless the tag says "+" or prints.
  void after_tag(char mark, bool trims) {
    const std::size_t start = at_;
    if (mark == '-') {
      skip_space();
    } else if (mark != '+' && trims && peek() == '\n') {
      skip(1);
    }
    line_starts_ = at_ > start && text_[at_ - 1] == '\n';
  }

  void comment() {
    const std::size_t end = text_.find("#}", at_);
    if (end == std::string::npos) fail("a comment has no end: expected #}");
    const char mark = end > at_ && (text_[end - 1] == '-' || text_[end - 1] == '+') ? text_[end - 1] : ' ';
    skip(end + 2 - at_);
    after_tag(mark, true);
  }

  // {% raw %}: moves past it.
  bool raw_begins() {
    std::string_view text = strip(rest(), true, false);
    if (!text.starts_with("raw")) return false;
    text = strip(text.substr(3), true, false);
    const bool minus = text.starts_with("-%}");
    if (!minus && !text.starts_with("%}")) return false;
    skip(rest().size() - text.size() + (minus ? 3 : 2));
    if (minus) skip_space();
    line_starts_ = text_[at_ - 1] == '\n';
    return true;
  }

  void raw() {
    for (std::size_t tag = at_; (tag = text_.find("{%", tag)) != std::string::npos; ++tag) {
      std::string_view text = std::string_view(text_).substr(tag + 2);
      const char mark = text.starts_with('-') || text.starts_with('+') ? text[0] : ' ';
      if (mark != ' ') text.remove_prefix(1);
      text = strip(text, true, false);
      if (!text.starts_with("endraw")) continue;
      text = strip(text.substr(6), true, false);
      const char close = text.starts_with('-') || text.starts_with('+') ? text[0] : ' ';
      if (close != ' ') text.remove_prefix(1);
      if (!text.starts_with("%}")) continue;
      data(tag, '%', mark);
      skip(rest().size() - text.size() + 2);
      after_tag(close, true);
      return;
    }
    fail("{% raw %} has no end: expected {% endraw %}");
  }

  void inside(bool block) {
    add(block ? Token::Kind::begin_block : Token::Kind::begin_print, "");
    const std::string_view end = block ? "%}" : "}}";
    while (true) {
      skip_space();
      const char mark = peek() == '-' || (block && peek() == '+') ? peek() : ' ';
      if (open_.empty() && rest().substr(mark == ' ' ? 0 : 1).starts_with(end)) {
        add(block ? Token::Kind::end_block : Token::Kind::end_print, "");
        skip(mark == ' ' ? 2 : 3);
        after_tag(mark, block);
        return;
      }
      if (at_ == text_.size()) fail("the text ends within a tag: expected " + std::string(end));
      token();
    }
  }

  void token() {
    const char c = peek();
    if (is_digit(c)) {
      number();
    } else if (is_name_start(c)) {
      std::size_t size = 1;
      while (is_name_part(peek(size))) ++size;
      add(Token::Kind::name, text_.substr(at_, size));
      skip(size);
    } else if (c == '"' || c == '\'') {
      string(c);
    } else {
      sign();
    }
  }

  void sign() {
    constexpr std::array<std::string_view, 24> kSigns = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~",
                                                         "[",  "]",  "(",  ")",  "{",  "}",  ">", "<", "=", ".", ":", "|"};
    std::string_view found = peek() == ',' ? "," : "";
    for (const std::string_view sign : kSigns) {
      if (found.empty() && rest().starts_with(sign)) found = sign;
    }
    if (found.empty()) fail("\"" + text_.substr(at_, char_bytes(peek())) + "\" is no part of an expression");
    const std::size_t bracket = std::string_view("([{").find(found);
    if (bracket != std::string_view::npos && found.size() == 1) {
      open_ += ")]}"[bracket];
    } else if (found == ")" || found == "]" || found == "}") {
      if (!open_.ends_with(found)) fail("\"" + std::string(found) + "\" closes what is not open");
      open_.pop_back();
    }
    add(Token::Kind::sign, std::string(found));
    skip(found.size());
  }

  // Bytes of digits and single underscores between them.
  std::size_t digits(std::size_t from) const {
    std::size_t size = 0;
    while (is_digit(peek(from + size)) || (size > 0 && peek(from + size) == '_' && is_digit(peek(from + size + 1)))) ++size;
    return size;
  }

  void number() {
    const bool after_dot = at_ > 0 && text_[at_ - 1] == '.';  // x.0.1: two indices
    std::size_t size = digits(0);
    Token::Kind kind = Token::Kind::integer;
    if (!after_dot && peek(size) == '.' && digits(size + 1) > 0) {
      size += 1 + digits(size + 1);
      kind = Token::Kind::number;
    }
    if (!after_dot && (peek(size) == 'e' || peek(size) == 'E')) {
      const std::size_t start = size + (peek(size + 1) == '+' || peek(size + 1) == '-' ? 2 : 1);
      if (digits(start) > 0) {
        size = start + digits(start);
        kind = Token::Kind::number;
      }
    }
    std::string text = text_.substr(at_, size);
    if (is_name_part(peek(size)) ||
        (kind == Token::Kind::integer && text.size() > 1 && text[0] == '0' && text.find_first_not_of("0_") != text.npos)) {
      fail("\"" + text + "\": expected a decimal number");
    }
    std::erase(text, '_');
    add(kind, std::move(text));
    skip(size);
  }

  void string(char quote) {
    std::string out;
    const int line = line_;
    skip(1);
    while (peek() != quote || at_ == text_.size()) {
      if (at_ == text_.size()) {
        line_ = line;
        fail("a string has no end");
      }
      if (peek() != '\\') {
        out += peek();
        skip(1);
        continue;
      }
      skip(1);
      escape(out);
    }
    tokens_.push_back({Token::Kind::string, std::move(out), line});
    skip(1);
  }

  // What follows a backslash, as Python reads it: an unknown escape stays as it is.
  void escape(std::string& out) {
    constexpr std::string_view kLetters = "ntrabfv\\'\"";
    constexpr std::string_view kMeanings = "\n\t\r\a\b\f\v\\'\"";
    const char c = peek();
    if (const std::size_t index = kLetters.find(c); c != '\0' && index != kLetters.npos) {
      out += kMeanings[index];
      skip(1);
    } else if (c == '\n') {
      skip(1);
    } else if (c == 'x' || c == 'u' || c == 'U') {
      skip(1);
      append_char(out, code(c == 'x' ? 2 : c == 'u' ? 4 : 8, 16));
    } else if (c >= '0' && c <= '7') {
      int size = 1;
      while (size < 3 && peek(static_cast<std::size_t>(size)) >= '0' && peek(static_cast<std::size_t>(size)) <= '7') ++size;
      append_char(out, code(size, 8));
    } else if (c == 'N') {
      fail("\\N{...} in a string is not known here");
    } else {
      out += '\\';
    }
  }

  char32_t code(int size, char32_t base) {
    char32_t out = 0;
    for (; size > 0; --size) {
      const std::size_t digit =
          std::string_view("0123456789abcdef").find(static_cast<char>(peek() | (is_digit(peek()) ? 0 : 0x20)));
      if (at_ == text_.size() || digit >= base) fail("a character's code in a string has too few digits");
      out = out * base + static_cast<char32_t>(digit);
      skip(1);
    }
    if (out > 0x10FFFF || (out >= 0xD800 && out < 0xE000)) fail("a character's code in a string is that of no character");
    return out;
  }

  const std::string text_;
  int& line_;
  std::size_t at_ = 0;
  bool line_starts_ = true;
  std::string open_;  // brackets that will close
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokens_of(std::string_view source, int& line) { return Lexer(source, line).run(); }

}  // namespace tokenyard::jinja
