// What a lesson claims about its variants, so that a program can check it:
//
//   prefill_first.p99_itl_ms > 5 * mixed.p99_itl_ms
//
//   expectation = sum ("<" | "<=" | ">" | ">=" | "==" | "!=") sum  product = factor (("*" | "/") factor)*
//   sum = product (("+" | "-") product)*                           factor = number | variant "." metric | "(" sum ")"
//
// Metrics are result_values.h's names. Doubles; a comparison with a value that does not exist (NaN) does not hold.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace tokenyard {

class Expectation {
 public:
  struct Reference {
    std::string variant, metric;
    friend bool operator==(const Reference&, const Reference&) = default;
  };
  struct Outcome {
    bool holds = false;
    double left = 0, right = 0;
  };

  // Throws InputError "column N: expected ..., found ..."; at most 1000 characters.
  static Expectation parse(const std::string& text);
  // One sum, which check() compares with 0: Outcome::left is its value.
  static Expectation parse_sum(const std::string& text);

  const std::string& text() const { return text_; }
  const std::vector<Reference>& references() const { return references_; }  // in the text's order
  Outcome check(const std::function<double(const Reference&)>& value) const;

 private:
  friend class ExpectationParser;
  enum class Op { number, reference, add, subtract, multiply, divide };
  struct Code {  // postfix
    Op op;
    double number = 0;
    std::size_t reference = 0;
  };
  enum class Comparison { less, less_equal, greater, greater_equal, equal, not_equal };

  double evaluate(const std::vector<Code>& code, const std::function<double(const Reference&)>& value) const;

  std::string text_;
  std::vector<Reference> references_;
  std::vector<Code> left_, right_;
  Comparison comparison_ = Comparison::less;
};

}  // namespace tokenyard
