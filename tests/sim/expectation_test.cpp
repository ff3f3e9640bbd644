#include "sim/expectation.h"

#include <cmath>
#include <limits>
#include <map>

#include "catch.h"
#include "core/base/input_error.h"

using namespace tokenyard;

namespace {

Expectation::Outcome check(const std::string& text) {
  const std::map<std::string, double> values = {{"a.x", 6}, {"b.x", 2}, {"b.kv.used", 0.5}, {"b.none", std::nan("")}};
  return Expectation::parse(text).check([&](const Expectation::Reference& r) { return values.at(r.variant + "." + r.metric); });
}

std::string expression_error(const std::string& text) {
  try {
    Expectation::parse(text);
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("expectations compare what they say") {
  CHECK(check("a.x > 2 * b.x").holds);
  CHECK_FALSE(check("a.x > 3 * b.x").holds);
  CHECK(check("a.x >= 3 * b.x").holds);
  CHECK(check("a.x == 3 * b.x").holds);
  CHECK(check("b.x < a.x").holds);
  CHECK(check("b.x <= 2").holds);
  CHECK_FALSE(check("b.x < 2").holds);
  CHECK(check("b.kv.used == 0.5").holds);
  CHECK(check("a.x != b.x").holds);
  CHECK_FALSE(check("a.x != 3 * b.x").holds);
}

TEST_CASE("expectations follow the usual order of operations") {
  CHECK(check("2 + 3 * 4 - 1 == 13").holds);
  CHECK(check("(2 + 3) * 4 == 20").holds);
  CHECK(check("12 / 3 / 2 == 2").holds);
  CHECK(check("10 - 3 - 2 == 5").holds);
  CHECK(check("1e3 == 1000").holds);
  CHECK(check("a.x/b.x==3").left == 3);
  CHECK(check("((((1)))) < 2.5").right == 2.5);
}

TEST_CASE("a comparison with what does not exist does not hold") {
  CHECK_FALSE(check("b.none > 0").holds);
  CHECK_FALSE(check("b.none < 1").holds);
  CHECK_FALSE(check("b.none == b.none").holds);
  CHECK_FALSE(check("b.none != 1").holds);
  CHECK_FALSE(check("0 / 0 == 0").holds);
  CHECK(check("1 / 0 > 1e300").holds);
}

TEST_CASE("expectations name what they refer to") {
  const Expectation e = Expectation::parse("fast.p99_ttft_ms * 2 < slow.kv_slots.used");
  CHECK(e.references() == std::vector<Expectation::Reference>{{"fast", "p99_ttft_ms"}, {"slow", "kv_slots.used"}});
  CHECK(e.text() == "fast.p99_ttft_ms * 2 < slow.kv_slots.used");
}

TEST_CASE("malformed expectations are refused with their place") {
  CHECK(expression_error("") == "column 1: expected a number, VARIANT.METRIC or \"(\", found the end");
  CHECK(expression_error("a.x") == "column 4: expected <, <=, >, >=, == or !=, found the end");
  CHECK(expression_error("a.x = 1") == "column 7: expected \"==\", found \"1\"");
  CHECK(expression_error("a.x ! 1") == "column 7: expected \"!=\", found \"1\"");
  CHECK(expression_error("a > 1") == "column 3: expected \".\" and a metric, found \">\"");
  CHECK(expression_error("a. > 1") == "column 4: expected a metric, found \">\"");
  CHECK(expression_error("a.x > 1 < 2") == "column 9: expected the end, found \"<\"");
  CHECK(expression_error("(1 > 2") == "column 4: expected \")\", found \">\"");
  CHECK(expression_error("-1 < 2").find("column 1: expected a number") == 0);
  CHECK(expression_error("5x < 2") == "column 1: expected a number, found \"5\"");
  CHECK(expression_error("1 < \xff") ==
        "column 5: expected a number, VARIANT.METRIC or \"(\", found a byte that is no ASCII text");
  CHECK(expression_error(std::string(1001, '1')).find("1000 characters") != std::string::npos);
  CHECK(expression_error(std::string(200, '(')).find("more than 50 brackets deep") != std::string::npos);
}
