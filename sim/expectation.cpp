#include "sim/expectation.h"

#include <charconv>
#include <cmath>

#include "core/base/input_error.h"

namespace tokenyard {
namespace {

constexpr std::size_t kMostCharacters = 1000;
constexpr int kDeepest = 50;

bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name(char c) { return is_name_start(c) || is_digit(c); }

}  // namespace

class ExpectationParser {
 public:
  explicit ExpectationParser(const std::string& text) : text_(text) { out_.text_ = text; }

  Expectation parse() {
    begin();
    comparison();
    code_ = &out_.right_;
    sum();
    if (peek() != '\0') expected("the end");
    return std::move(out_);
  }

  Expectation parse_sum() {
    begin();
    if (peek() != '\0') expected("the end");
    out_.right_.push_back({Op::number});
    return std::move(out_);
  }

 private:
  using Op = Expectation::Op;
  using Comparison = Expectation::Comparison;

  void begin() {
    if (text_.size() > kMostCharacters)
      throw InputError("expected at most 1000 characters, found " + std::to_string(text_.size()));
    code_ = &out_.left_;
    sum();
  }

  char peek() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool take(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  [[noreturn]] void expected(const char* what) {
    const char next = peek();
    const bool shown = static_cast<unsigned char>(next) >= 0x20 && static_cast<unsigned char>(next) < 0x7f;
    throw InputError("column " + std::to_string(at_ + 1) + ": expected " + what + ", found " +
                     (at_ >= text_.size() ? std::string("the end")
                      : shown             ? "\"" + text_.substr(at_, 1) + "\""
                                          : std::string("a byte that is no ASCII text")));
  }

  void sum() {
    product();
    while (true) {
      if (take('+')) {
        product();
        code_->push_back({Op::add});
      } else if (take('-')) {
        product();
        code_->push_back({Op::subtract});
      } else {
        return;
      }
    }
  }

  void product() {
    factor();
    while (true) {
      if (take('*')) {
        factor();
        code_->push_back({Op::multiply});
      } else if (take('/')) {
        factor();
        code_->push_back({Op::divide});
      } else {
        return;
      }
    }
  }

  void factor() {
    const char next = peek();
    if (next == '(') {
      if (++depth_ > kDeepest) throw InputError("column " + std::to_string(at_ + 1) + ": more than 50 brackets deep");
      ++at_;
      sum();
      if (!take(')')) expected("\")\"");
      --depth_;
    } else if (is_digit(next)) {
      double value = 0;
      const char* begin = text_.data() + at_;
      const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
      const auto length = static_cast<std::size_t>(end - begin);
      if (error != std::errc{} || (at_ + length < text_.size() && is_name(text_[at_ + length]))) expected("a number");
      at_ += length;
      code_->push_back({Op::number, value});
    } else if (is_name_start(next)) {
      Expectation::Reference reference;
      reference.variant = name();
      if (at_ >= text_.size() || text_[at_] != '.') expected("\".\" and a metric");
      while (at_ < text_.size() && text_[at_] == '.') {
        ++at_;
        if (at_ >= text_.size() || !is_name_start(text_[at_])) expected("a metric");
        reference.metric += (reference.metric.empty() ? "" : ".") + name();
      }
      code_->push_back({Op::reference, 0, out_.references_.size()});
      out_.references_.push_back(std::move(reference));
    } else {
      expected("a number, VARIANT.METRIC or \"(\"");
    }
  }

  std::string name() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && is_name(text_[at_])) ++at_;
    return text_.substr(begin, at_ - begin);
  }

  void comparison() {
    if (take('<')) {
      out_.comparison_ = follows_equals() ? Comparison::less_equal : Comparison::less;
    } else if (take('>')) {
      out_.comparison_ = follows_equals() ? Comparison::greater_equal : Comparison::greater;
    } else if (take('=')) {
      if (!follows_equals()) expected("\"==\"");
      out_.comparison_ = Comparison::equal;
    } else if (take('!')) {
      if (!follows_equals()) expected("\"!=\"");
      out_.comparison_ = Comparison::not_equal;
    } else {
      expected("<, <=, >, >=, == or !=");
    }
  }
  bool follows_equals() {
    if (at_ >= text_.size() || text_[at_] != '=') return false;
    ++at_;
    return true;
  }

  const std::string& text_;
  std::size_t at_ = 0;
  int depth_ = 0;
  Expectation out_;
  std::vector<Expectation::Code>* code_ = nullptr;
};

Expectation Expectation::parse(const std::string& text) { return ExpectationParser(text).parse(); }
Expectation Expectation::parse_sum(const std::string& text) { return ExpectationParser(text).parse_sum(); }

double Expectation::evaluate(const std::vector<Code>& code, const std::function<double(const Reference&)>& value) const {
  std::vector<double> stack;
  for (const Code& each : code) {
    if (each.op == Op::number) {
      stack.push_back(each.number);
      continue;
    }
    if (each.op == Op::reference) {
      stack.push_back(value(references_[each.reference]));
      continue;
    }
    const double right = stack.back();
    stack.pop_back();
    double& left = stack.back();
    switch (each.op) {
      case Op::add: left += right; break;
      case Op::subtract: left -= right; break;
      case Op::multiply: left *= right; break;
      default: left /= right; break;
    }
  }
  return stack.back();
}

Expectation::Outcome Expectation::check(const std::function<double(const Reference&)>& value) const {
  Outcome outcome;
  outcome.left = evaluate(left_, value);
  outcome.right = evaluate(right_, value);
  switch (comparison_) {
    case Comparison::less: outcome.holds = outcome.left < outcome.right; break;
    case Comparison::less_equal: outcome.holds = outcome.left <= outcome.right; break;
    case Comparison::greater: outcome.holds = outcome.left > outcome.right; break;
    case Comparison::greater_equal: outcome.holds = outcome.left >= outcome.right; break;
    case Comparison::equal: outcome.holds = outcome.left == outcome.right; break;
    case Comparison::not_equal: outcome.holds = outcome.left < outcome.right || outcome.left > outcome.right; break;
  }
  return outcome;
}

}  // namespace tokenyard
