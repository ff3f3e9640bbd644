#include "sim/lesson.h"

#include <algorithm>
#include <set>

#include "core/base/json_reader.h"
#include "sim/scenario_input.h"

namespace tokenyard {
namespace {

constexpr std::size_t kMostVariants = 32;
constexpr std::size_t kMostExpectations = 100;

const char* const kDefaultMetrics[] = {"output_throughput", "mean_ttft_ms", "p99_ttft_ms", "mean_tpot_ms",
                                       "p99_tpot_ms",       "p99_e2el_ms",  "preemptions"};

bool is_variant_name(const std::string& name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; };
  if (name.empty() || name.size() > 40 || !letter(name.front())) return false;
  return std::all_of(name.begin(), name.end(), [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

void require_metric(const std::string& metric, const JsonValue& place) {
  const std::vector<std::string> names = result_names();
  if (std::find(names.begin(), names.end(), metric) != names.end()) return;
  std::string known;
  for (const std::string& name : names) known += (known.empty() ? "" : ", ") + name;
  place.fail("expected a metric, one of " + known + ", found \"" + metric + "\"");
}

std::vector<Variant> read_variants(const JsonValue& json) {
  std::vector<Variant> out;
  std::set<std::string> names;
  for (const JsonValue& entry : json.array()) {
    JsonObject object = entry.object();
    Variant variant;
    const JsonValue name = object.at("name");
    variant.name = name.string();
    if (!is_variant_name(variant.name)) name.expected("a name of lower-case letters, digits and _ that begins with no digit");
    if (!names.insert(variant.name).second) name.expected("a name that no other variant has");
    if (const auto note = object.find("note")) variant.note = note->string();
    if (const auto set = object.find("set")) variant.overrides = set->strings();
    object.done();
    out.push_back(std::move(variant));
  }
  if (out.empty() || out.size() > kMostVariants) json.expected("1 to " + std::to_string(kMostVariants) + " variants");
  return out;
}

Expectation read_expectation(const JsonValue& json, const std::vector<Variant>& variants) {
  Expectation out;
  try {
    out = Expectation::parse(json.string());
  } catch (const InputError& error) {
    json.fail(error.what());
  }
  for (const Expectation::Reference& reference : out.references()) {
    const bool there =
        std::any_of(variants.begin(), variants.end(), [&](const Variant& v) { return v.name == reference.variant; });
    if (!there) json.fail("expected a variant of this scenario, found \"" + reference.variant + "\"");
    require_metric(reference.metric, json);
  }
  return out;
}

}  // namespace

Lesson load_lesson(const std::string& path) {
  const JsonValue json = read_scenario_input(path, {}).json;
  JsonObject top = json.object();
  Lesson lesson;
  lesson.path = path;
  lesson.name = top.at("name").string();
  for (const auto& [key, field] :
       {std::pair{"title", &lesson.title}, {"teaches", &lesson.teaches}, {"look_for", &lesson.look_for}}) {
    if (const auto v = top.find(key)) *field = v->string();
  }
  lesson.variants = {{"base", "", {}}};
  if (const auto v = top.find("variants")) lesson.variants = read_variants(*v);
  lesson.show.assign(std::begin(kDefaultMetrics), std::end(kDefaultMetrics));
  if (const auto v = top.find("show")) {
    lesson.show = v->strings();
    if (lesson.show.empty() || lesson.show.size() > 16) v->expected("1 to 16 metrics");
    for (const std::string& metric : lesson.show) require_metric(metric, *v);
  }
  if (const auto v = top.find("expect")) {
    const std::vector<JsonValue> list = v->array();
    if (list.size() > kMostExpectations) v->expected("at most " + std::to_string(kMostExpectations) + " expectations");
    for (const JsonValue& entry : list) lesson.expect.push_back(read_expectation(entry, lesson.variants));
  }
  return lesson;
}

const Variant& find_variant(const Lesson& lesson, const std::string& name) {
  std::string known;
  for (const Variant& variant : lesson.variants) {
    if (variant.name == name) return variant;
    known += (known.empty() ? "" : ", ") + variant.name;
  }
  throw InputError(lesson.path + ": expected one of its variants, " + known + ", found \"" + name + "\"");
}

double result_value(const std::vector<ResultValue>& values, const std::string& metric) {
  return std::find_if(values.begin(), values.end(), [&](const ResultValue& v) { return v.name == metric; })->value;
}

}  // namespace tokenyard
