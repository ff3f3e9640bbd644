#include "backends/jinja/template.h"

#include <filesystem>
#include <string>
#include <vector>

#include "catch.h"
#include "core/base/input_error.h"
#include "core/base/json_reader.h"
#include "core/base/text_file.h"

using namespace tokenyard;
using jinja::RenderLimits;
using jinja::Template;

namespace {

const std::filesystem::path kGolden = TOKENYARD_SOURCE_DIR "/tests/golden/chat_templates";
constexpr std::time_t kNow = 1722000000;  // 26 July 2024

std::string render(const std::string& source, const std::string& variables = "{}", const RenderLimits& limits = {}) {
  return Template::parse(source, "t").render(Json::parse(variables, "v").object(), kNow, limits);
}

std::string error(const std::string& source, const std::string& variables = "{}", const RenderLimits& limits = {}) {
  try {
    return "no error: " + render(source, variables, limits);
  } catch (const InputError& error) {
    return error.what();
  }
}

}  // namespace

TEST_CASE("Templates of real models give what Python's jinja2 gives", "[jinja]") {
  const JsonValue conversations = JsonValue::load((kGolden / "conversations.json").string());
  int compared = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kGolden)) {
    if (entry.path().extension() != ".jinja") continue;
    const std::string file = entry.path().string();
    const Template source = Template::parse(read_text_file(file, 1 << 20), file);
    std::filesystem::path answers = entry.path();
    const std::vector<JsonValue> expected = JsonValue::load(answers.replace_extension(".json").string()).array();
    const std::vector<JsonValue> given = conversations.array();
    REQUIRE(expected.size() == given.size());
    for (std::size_t i = 0; i < given.size(); ++i) {
      CAPTURE(file, i);
      const Json::Object& variables = given[i].json().object();
      if (expected[i].is_null()) {
        CHECK_THROWS_AS(source.render(variables, kNow), InputError);
      } else {
        CHECK(source.render(variables, kNow) == expected[i].string());
      }
      ++compared;
    }
  }
  CHECK(compared >= 300);
}

TEST_CASE("White space around tags goes as transformers sets jinja2 up", "[jinja]") {
  CHECK(render("a\n  {% if true %}\n b\n  {% endif %}\nc\n") == "a\n b\nc");
  CHECK(render("a  {%- if true -%}  b  {%- endif %}  c") == "ab  c");
  CHECK(render("  {%+ if true %}\n b{% endif +%}\nc") == "   b\nc");
  CHECK(render("{# one #}\n{#- two -#}\n x {{- 1 -}}\n y") == "x1y");
  CHECK(render("{% raw %}{{ x }}{% if %}{% endraw %}\r\nz\r\n\n") == "{{ x }}{% if %}z\n");
  CHECK(render("{{ 'a' }}\n{{ {'b': {'c': 1}}.b.c }}\n") == "a\n1");
}

TEST_CASE("Values print as Python's", "[jinja]") {
  CHECK(render("{{ none }} {{ true }} {{ 1.0 }} {{ 1e20 }} {{ 1e-7 }} {{ 7 / 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 2 ** 10 }}") ==
        "None True 1.0 1e+20 1e-07 3.5 -4 2 1024");
  CHECK(render("{{ [1, 'a', \"it's\", none, (1,), {'k': 'v'}] }}") == "[1, 'a', \"it's\", None, (1,), {'k': 'v'}]");
  CHECK(render("{{ missing }}|{{ x.missing }}|{{ x['y'] }}", R"({"x": {"y": 1}})") == "||1");
  CHECK(render("{{ x | tojson }}", R"({"x": {"a": ["<é>", null, true, 1.5, 2]}})") == R"({"a": ["<é>", null, true, 1.5, 2]})");
  CHECK(render("{{ x | tojson(indent=2) }}", R"({"x": {"a": [1], "b": {}}})") == "{\n  \"a\": [\n    1\n  ],\n  \"b\": {}\n}");
}

TEST_CASE("What chat templates use is known", "[jinja]") {
  CHECK(render("{% for m in x if m is not none %}{{ loop.index }}/{{ loop.length }}{{ m }}{{ ',' if not loop.last }}{% else "
               "%}-{% endfor %}",
               R"({"x": ["a", null, "b"]})") == "1/2a,2/2b");
  CHECK(render("{% set ns = namespace(n=0) %}{% for i in range(5) %}{% if i == 1 %}{% continue %}{% endif %}{% if i == 4 %}{% "
               "break %}{% endif %}"
               "{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}") == "5");
  CHECK(render("{% macro f(a, b=a, c='z') %}{{ a }}{{ b }}{{ c }}{{ caller() if caller }}{% endmacro %}{{ f(1) }} {{ f('x', "
               "c='y') }}"
               "{% call f(3) %}!{% endcall %}") == "11z xxy33z!");
  CHECK(render("{% set t %} a {% endset %}{{ t | trim }}{% filter upper %}é{{ t }}{% endfilter %}{% generation %}g{% "
               "endgeneration %}") == "aÉ A g");
  CHECK(render("{% for a, b in {'k': 1, 'l': 2}.items() recursive %}{{ a }}{{ b }}{% endfor %}") == "k1l2");
  CHECK(render("{{ 'aéb'[::-1] }}{{ 'aéb'[1:] }}{{ [1, 2, 3][-2:] }}{{ 'a-b'.split('-')[-1] }}{{ 'x' ~ 1 ~ none }}") ==
        "béaéb[2, 3]bx1None");
  CHECK(render("{{ x | selectattr('r', 'equalto', 'u') | map(attribute='c') | join(', ') }}",
               R"({"x": [{"r": "u", "c": 1}, {"r": "a", "c": 2}, {"r": "u", "c": 3}]})") == "1, 3");
  CHECK(render("{{ strftime_now('%d %b %Y') }}") == "26 Jul 2024");
  CHECK(render("{{ 'a' in 'abc' and 2 not in [1] and x is defined and y is not defined }}", R"({"x": null})") == "True");
}

TEST_CASE("What is wrong or unknown is named, with its line", "[jinja]") {
  CHECK(error("\n{% include 'x' %}") == "t: line 2: {% include %} is not known here");
  CHECK(error("\n\n{{ 1 | urlize }}") == "t: line 3: the filter \"urlize\" is not known here");
  CHECK(error("{{ 1 is prime }}") == "t: line 1: the test \"prime\" is not known here");
  CHECK(error("{{ 'x'.zfill(3) }}") == "t: line 1: the method .zfill() is not known here");
  CHECK(error("{{ x.append(1) }}", R"({"x": []})") == "t: line 1: the method .append() is not known here");
  CHECK(error("{{ [\n1 }}") == "t: line 2: \"}\" closes what is not open");
  CHECK(error("{% if x %}\n\n") == "t: line 1: a statement has no end: expected {% endif %}");
  CHECK(error("{{ raise_exception('no system') }}") == "t: line 1: the template refuses: no system");
  CHECK(error("{{ a.b }}").find("a is undefined") != std::string::npos);
  CHECK(error("{{ 1 + 'a' }}").find("int and str") != std::string::npos);
  CHECK(error("a\n\xff").find("line 2: expected UTF-8") != std::string::npos);
  CHECK(error("{{ x.__class__ }}").find("__class__") != std::string::npos);
}

TEST_CASE("A hostile template ends", "[jinja]") {
  const auto has = [](const std::string& text, const std::string& part) {
    CAPTURE(text);
    CHECK(text.find(part) != std::string::npos);
  };
  has(error("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"), "too m");
  has(error("{% set n = namespace(s='aaaa') %}{% for i in range(99) %}{% set n.s = n.s ~ n.s %}{% endfor %}"),
      "too much memory");
  has(error("{% set n = namespace(l=[1]) %}{% for i in range(99) %}{% set n.l = n.l + n.l %}{% endfor %}"), "too much memory");
  has(error("{% set n = namespace(l=[]) %}{% for i in range(99999) %}{% set n.l = [n.l] %}{% endfor %}"), "nested too deep");
  has(error("{% set n = namespace(l=[1]) %}{% for i in range(90) %}{% set n.l = [n.l, n.l] %}{% endfor %}{{ n.l }}"), "too m");
  has(error("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"), "too often");
  has(error("{{ 'x' * 99999999999 }}"), "too much memory");
  has(error("{{ 9 ** 99999999999 }}"), "too large");
  has(error("{{ range(999999999) }}"), "longer than");
  has(error("{{ " + std::string(100'000, '(') + "1" + std::string(100'000, ')') + " }}"), "nested too deep");
  has(error("{{ " + std::string(100'000, '-') + "1 }}"), "nested too deep");
  std::string sum = "{{ 1";
  for (int i = 0; i < 100'000; ++i) sum += "+1";
  has(error(sum + " }}"), "in a row");
  std::string nested;
  for (int i = 0; i < 10'000; ++i) nested += "{% if true %}";
  has(error(nested), "nested too deep");
  CHECK(render("{% set n = namespace() %}{% set n.n = n %}{% for i in range(9) %}{% set m = namespace(n=n) %}{% endfor %}x") ==
        "x");
}

TEST_CASE("A template knows which variables it asks for", "[jinja]") {
  const auto reads = [](const std::string& source, const std::string& name) {
    return Template::parse(source, "t").reads(name);
  };
  CHECK(reads("{% if enable_thinking is defined and not enable_thinking %}x{% endif %}", "enable_thinking"));
  CHECK(reads("{% if not thinking is defined %}{% set thinking = false %}{% endif %}{{ thinking }}", "thinking"));
  CHECK_FALSE(reads("{% set thinking = messages[0].thinking %}{{ thinking }}", "thinking"));
  CHECK_FALSE(reads("{% for thinking in messages %}{{ thinking }}{% endfor %}", "thinking"));
  CHECK_FALSE(reads("{{ m.thinking }} thinking {# {{ thinking }} #}", "thinking"));
}
