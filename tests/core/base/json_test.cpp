#include "core/base/json.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "catch.h"
#include "core/base/json_reader.h"
#include "core/base/json_text.h"

using namespace tokenyard;

namespace {

std::string json_error(const auto& action) {
  try {
    action();
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

std::string parse_error(const std::string& text) {
  return json_error([&] { Json::parse(text, "f.json"); });
}

}  // namespace

TEST_CASE("A document is built, edited and written", "[json]") {
  Json json = Json::Object{{"b", Json::Array{1, -2.5, true, nullptr, "x"}}, {"a", Json::Object{}}};
  CHECK(json.dump() == R"({"a":{},"b":[1,-2.5,true,null,"x"]})");
  CHECK(json.dump(-1, /*sort_keys=*/false) == R"({"b":[1,-2.5,true,null,"x"],"a":{}})");
  json["a"]["c"] = std::uint64_t{18446744073709551615u};
  json["b"].array()[0] = Json::list(std::vector<int>{3, 4});
  json.erase("none");
  CHECK(json.dump(1) ==
        "{\n \"a\": {\n  \"c\": 18446744073709551615\n },\n \"b\": [\n  [\n   3,\n   4\n  ],\n  -2.5,\n  true,\n"
        "  null,\n  \"x\"\n ]\n}");
  const Json copy = json;
  json.erase("b");
  CHECK(json.find("b") == nullptr);
  CHECK(copy.find("b")->size() == 5);
  CHECK(copy != json);
  CHECK(Json::parse(copy.dump(), "") == Json::parse(copy.dump(2), ""));
}

TEST_CASE("Numbers and texts are written as nlohmann_json writes them", "[json]") {
  for (const double value : {0.0, -0.0, 1.0, 0.1, 1e15, 1e16, 123456789.125, 1e-4, 1e-5, 5e-324, 1.7976931348623157e308,
                             std::numeric_limits<double>::infinity(), std::nan("")}) {
    CHECK(Json(value).dump() == nlohmann::json(value).dump());
  }
  const auto replaced = nlohmann::json::error_handler_t::replace;
  for (const std::string text :
       {"plain", "\"\\/\b\f\n\r\t\x01\x1f\x7f", "\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80", "\xE2\x82", "\xE2\x82x", "\x82\x83",
        "\xC0\xAF", "\xE0\x80\x80", "\xED\xA0\x80", "\xF0\x9F\x98", "\xF4\x90\x80\x80", "\xFF\xFE"}) {
    CHECK(Json(text).dump() == nlohmann::json(text).dump(-1, ' ', false, replaced));
  }
}

TEST_CASE("What is no JSON is refused in one line that says where", "[json]") {
  CHECK_THAT(parse_error("{\n  \"a\": 1,\n  \"b\" 2}"), has_text("f.json: line 3, column 7: expected JSON: syntax error"));
  CHECK(parse_error("") == "f.json: line 1, column 1: expected JSON, found nothing");
  CHECK(parse_error(" \n") == "f.json: line 2, column 1: expected JSON, found nothing");
  for (const std::string cut : {"[1, {\"a", "[1, {\"a\\", "[1, {\"", "[1, {", "[1, ", "[1", "["}) {
    CAPTURE(cut);
    CHECK_THAT(parse_error(cut), has_text(": expected JSON, found the end of the text within it; is it whole?"));
  }
  CHECK_THAT(parse_error("{\"a\":\n [1e400]}"),
             has_text("f.json: line 2, column 7: /a/0: expected a number below 1.8e308, found 1e400"));
  CHECK_THAT(parse_error("{\"b\": [[], {}], \"a/c\": [2, {\"d\": [1]}, {\"e\": 0, \"d\": -1e400}]}"),
             has_text(": /a~1c/2/d: expected"));
  CHECK_THAT(parse_error("[1e400]"), has_text("1e400"));
  CHECK(parse_error(R"([{"a": 1, "b": 2, "a": 3}])") == "f.json: the key \"a\" stands twice in one object");
  std::string many = "{\"k7\":0";
  for (int i = 0; i < 100; ++i) many += ",\"k" + std::to_string(i) + "\":0";
  CHECK(parse_error(many + "}") == "f.json: the key \"k7\" stands twice in one object");

  const auto nested = [](int levels) {
    const auto count = static_cast<std::size_t>(levels);
    return std::string(count, '[') + std::string(count, ']');
  };
  CHECK(parse_error(nested(200)) == "");
  CHECK(parse_error(nested(201)) == "f.json: nested more than 200 levels deep");
  // A value takes 16 bytes, the array 24 more.
  CHECK(Json::parse("[0,0]", "f.json", {}, 3 * 16 + 24).size() == 2);
  CHECK(json_error([] { Json::parse("[0,0]", "f.json", {}, 3 * 16 + 23); }) ==
        "f.json: expected a document that takes at most 71 bytes of memory, found a larger one");
}

TEST_CASE("Messages show no control characters", "[json]") {
  CHECK(printable("a\x1b[31m\r\n\x7f\xC2\x9B\xE2\x82 \xC3\xA9\xC2\xA0") ==
        "a\\x1b[31m\\x0d\\x0a\\x7f\\xc2\\x9b\\xe2\\x82 \xC3\xA9\xC2\xA0");
  CHECK(shown("abc\xC3\xA9z", 4) == "abc...");
  const auto message = [](const std::string& text) {
    return json_error([&] {
      JsonObject object = JsonValue::parse(text, "f\n.json").object();
      object.at("a").integer(0, 1);
      object.done();
    });
  };
  CHECK(message(R"({"a": "\u001b]0;x\u0007"})") ==
        "f\\x0a.json: /a: expected an integer between 0 and 1, found \"\\x1b]0;x\\x07\"");
  CHECK(message(R"({"a": 0, "\u001b": 0})") == "f\\x0a.json: /: unknown key \"\\x1b\"; known are a");
  CHECK_THAT(message("{\"a\": \x1b}"), has_text("expected JSON"));
  CHECK(message("{\"a\": \x1b}").find('\x1b') == std::string::npos);
}

TEST_CASE("Accessors name the place", "[json]") {
  const JsonValue json = JsonValue::parse(R"({"l": [1, {"a/b~": [true, 2.5, 3000000000, 18446744073709551615]}]})", "f.json");
  JsonObject top = json.object();
  const JsonValue list = top.at("l").array()[1].object().at("a/b~");
  CHECK(list.array()[0].boolean());
  CHECK(list.array()[1].number(0, 3) == 2.5);
  CHECK(list.array()[2].integer(0, 3'000'000'000) == 3'000'000'000);
  const auto place = "f.json: /l/1/a~1b~0/";
  CHECK(json_error([&] { list.int32s(0, 5); }) == place + std::string("0: expected an integer between 0 and 5, found true"));
  CHECK(json_error([&] { list.array()[1].integer(0, 5); }) ==
        place + std::string("1: expected an integer between 0 and 5, found 2.5"));
  CHECK_THAT(json_error([&] { list.array()[2].int32(0, INT32_MAX); }),
             has_text("2: expected an integer between 0 and 2147483647"));
  CHECK_THAT(json_error([&] { list.array()[3].integer(0, INT64_MAX); }), has_text("found 18446744073709551615"));
  CHECK(list.array()[3].number(0, 1e20) == 18446744073709551616.0);
  const JsonValue doubles = JsonValue::parse("[16.0, -1e3, 9007199254740992.0, 1e16, 2.5]", "f.json");
  CHECK(doubles.array()[0].int32(0, 16) == 16);
  CHECK(doubles.array()[1].integer(INT64_MIN, INT64_MAX) == -1000);
  CHECK(doubles.array()[2].integer(INT64_MIN, INT64_MAX) == 1LL << 53);
  for (const std::size_t no_integer : {std::size_t{3}, std::size_t{4}}) {
    CHECK_THAT(json_error([&] { doubles.array()[no_integer].integer(INT64_MIN, INT64_MAX); }), has_text("expected an integer"));
  }
  JsonObject null = JsonValue::parse(R"({"a":null,"b":0})", "f.json").object();
  CHECK(null.find("a").has_value());
  CHECK_FALSE(null.find_set("a").has_value());
  CHECK_FALSE(null.find_set("c").has_value());
  CHECK(null.find_set("b")->place() == "f.json: /b");
  CHECK(json_error([&] { null.done(); }) == "");
  CHECK(json_error([&] { top.at("m"); }) == "f.json: /: expected the key \"m\", which is missing");
  CHECK(json_error([&] { JsonObject(json).done(); }) == "f.json: /: unknown key \"l\"; known are ");
  CHECK(json_error([&] { top.done(); }) == "");
  CHECK(json_error([&] { list.choice({"a", "b"}); }) == "f.json: /l/1/a~1b~0: expected one of a, b, found an array of 4");
}

TEST_CASE("the keys that an object was asked for are named, however they were spelled") {
  JsonObject object = JsonValue::parse(R"({"a": 1, "bb": 2, "unknown": 3})", "f").object();
  for (int i = 0; i < 3; ++i) {
    std::string key(30, static_cast<char>('x' + i));  // gone before done() names it
    CHECK_FALSE(object.find(key));
  }
  CHECK(object.at("a").integer(0, 9) == 1);
  JsonObject moved = std::move(object);
  CHECK(moved.find(std::string("bb"))->integer(0, 9) == 2);
  std::string said;
  try {
    moved.done();
  } catch (const InputError& error) {
    said = error.what();
  }
  CHECK(said == "f: /: unknown key \"unknown\"; known are a, bb, " + std::string(30, 'x') + ", " + std::string(30, 'y') + ", " +
                    std::string(30, 'z'));
}
