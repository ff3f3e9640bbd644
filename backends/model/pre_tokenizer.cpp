#include "backends/model/pre_tokenizer.h"

#include <cstdint>

#include "backends/model/unicode.h"

namespace tokenyard {
namespace {

constexpr std::string_view kGpt2 = R"re('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)re";
constexpr std::string_view kLlama3 =
    R"re((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)re";
constexpr std::string_view kQwen2 =
    R"re((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)re";

class Scanner {
 public:
  Scanner(std::string_view text, std::size_t begin) : text_(text), begin_(begin), classes_(char_classes()) {}

  std::size_t digits(bool alone) const {
    std::size_t at = begin_;
    const bool numeric = has(next_char(text_, at), kNumeric);
    if (numeric && alone) return at;
    return run(at, [&](char32_t c) { return has(c, kNumeric) == numeric; });
  }

  // Each alternative of the regular expression in turn.
  std::size_t gpt2() const {
    if (const std::size_t end = contraction(false)) return end;
    std::size_t at = begin_;
    char32_t c = next_char(text_, at);
    if (c == ' ' && at < text_.size()) {
      std::size_t after = at;
      const char32_t second = next_char(text_, after);
      if (!has(second, kSpace)) {  // " ?" takes the space
        c = second;
        at = after;
      }
    }
    if (has(c, kLetter)) return letters(at);
    if (has(c, kNumber)) return run(at, [&](char32_t x) { return has(x, kNumber); });
    if (!has(c, kSpace)) return others(at);
    return spaces();
  }

  std::size_t qwen2(int max_digits) const {
    if (const std::size_t end = contraction(true)) return end;
    std::size_t at = begin_;
    const char32_t c = next_char(text_, at);
    if (has(c, kLetter)) return letters(at);
    if (has(c, kNumber)) {
      for (int taken = 1; taken < max_digits && at < text_.size(); ++taken) {
        std::size_t after = at;
        if (!has(next_char(text_, after), kNumber)) break;
        at = after;
      }
      return at;
    }
    if (at < text_.size()) {
      std::size_t after = at;
      const char32_t second = next_char(text_, after);
      if (c != '\r' && c != '\n' && has(second, kLetter)) return letters(after);
      if (c == ' ' && !has(second, kSpace | kLetter | kNumber)) return newlines(others(after));
    }
    if (!has(c, kSpace)) return newlines(others(at));

    // \s*[\r\n]+ reaches to the last line end among the white space.
    std::size_t last = begin_;
    for (std::size_t i = begin_; i < text_.size();) {
      const char32_t x = next_char(text_, i);
      if (!has(x, kSpace)) break;
      if (x == '\r' || x == '\n') last = i;
    }
    return last > begin_ ? last : spaces();
  }

 private:
  bool has(char32_t c, unsigned bits) const { return (classes_[c] & bits) != 0; }

  template <typename Is>
  std::size_t run(std::size_t at, const Is& is) const {
    while (at < text_.size()) {
      std::size_t after = at;
      if (!is(next_char(text_, after))) break;
      at = after;
    }
    return at;
  }
  std::size_t letters(std::size_t at) const {
    return run(at, [&](char32_t c) { return has(c, kLetter); });
  }
  std::size_t others(std::size_t at) const {
    return run(at, [&](char32_t c) { return !has(c, kSpace | kLetter | kNumber); });
  }
  std::size_t newlines(std::size_t at) const {
    while (at < text_.size() && (text_[at] == '\r' || text_[at] == '\n')) ++at;
    return at;
  }

  // \s+(?!\S)|\s+ : white space up to the last one before a word, which belongs to the word.
  std::size_t spaces() const {
    std::size_t end = run(begin_, [&](char32_t c) { return has(c, kSpace); });
    if (end == text_.size()) return end;
    std::size_t last = end;
    previous_char(text_, last);
    return last > begin_ ? last : end;
  }

  // 's|'t|'re|'ve|'m|'ll|'d; 0: none.
  std::size_t contraction(bool any_case) const {
    if (text_[begin_] != '\'') return 0;
    const auto at = [&](std::size_t i) {
      const char c = i < text_.size() ? text_[i] : '\0';
      return any_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
    };
    const char first = at(begin_ + 1);
    const char second = at(begin_ + 2);
    if (first == 's' || first == 't' || first == 'm' || first == 'd') return begin_ + 2;
    if ((first == 'r' || first == 'v') && second == 'e') return begin_ + 3;
    if (first == 'l' && second == 'l') return begin_ + 3;
    if (any_case && text_.substr(begin_ + 1).starts_with("\u017F")) return begin_ + 3;  // long s folds to s
    return 0;
  }

  std::string_view text_;
  std::size_t begin_;
  const std::uint8_t* classes_;
};

}  // namespace

std::optional<SplitRule> find_split_rule(std::string_view regex) {
  if (regex == kGpt2) return SplitRule::gpt2;
  if (regex == kLlama3) return SplitRule::llama3;
  if (regex == kQwen2) return SplitRule::qwen2;
  return std::nullopt;
}

std::size_t PreTokenizer::piece_end(const PreTokenizerStep& step, std::string_view text, std::size_t begin) {
  const Scanner scanner(text, begin);
  using Kind = PreTokenizerStep::Kind;
  if (step.kind != Kind::split) return scanner.digits(step.kind == Kind::digit);
  switch (step.rule) {
    case SplitRule::gpt2: return scanner.gpt2();
    case SplitRule::llama3: return scanner.qwen2(3);
    case SplitRule::qwen2: return scanner.qwen2(1);
  }
  return text.size();
}

}  // namespace tokenyard
