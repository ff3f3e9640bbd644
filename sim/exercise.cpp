#include "sim/exercise.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "core/base/json_reader.h"
#include "sim/exercise_facts.h"
#include "sim/result_values.h"

namespace tokenyard {
namespace {

constexpr std::size_t kMostExerciseBytes = 1 << 20;
constexpr std::size_t kMostEntries = 32;  // of any list
constexpr const char* kYours = "yours";

bool is_name(const std::string& name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; };
  if (name.empty() || name.size() > 40 || !letter(name.front())) return false;
  return std::all_of(name.begin(), name.end(), [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

std::vector<JsonValue> few(const JsonValue& json, const std::string& what) {
  std::vector<JsonValue> list = json.array();
  if (list.empty() || list.size() > kMostEntries) json.expected("1 to " + std::to_string(kMostEntries) + " " + what);
  return list;
}

std::string beside(const std::string& path, const std::string& file) {
  return (std::filesystem::path(path).parent_path() / file).lexically_normal().string();
}

class ExerciseReader {
 public:
  explicit ExerciseReader(const std::string& path) { out_.path = path; }

  Exercise read(const JsonValue& json) {
    if (!json.has("tokenyard_exercise")) json.expected("an exercise, an object with \"tokenyard_exercise\": 1");
    JsonObject top = json.object();
    top.at("tokenyard_exercise").integer(1, 1);
    out_.name = std::filesystem::path(out_.path).stem().string();
    out_.chapter = top.at("chapter").int32(1, 99);
    out_.number = top.at("number").int32(1, 99);
    out_.title = top.at("title").string();
    out_.text = top.at("text").strings();
    if (out_.text.empty()) top.at("text").expected("at least one paragraph");
    out_.hints = top.at("hints").strings();
    if (out_.hints.empty()) top.at("hints").expected("at least one hint");
    if (const auto runs = top.find("runs")) {
      for (const JsonValue& entry : few(*runs, "runs")) read_run(entry);
    }
    if (const auto points = top.find("points")) {
      for (const JsonValue& entry : few(*points, "points")) read_point(entry);
    }
    if (const auto draws = top.find("draws_seed")) out_.draws_seed = draws->boolean();
    read_task(json, top);
    if (const auto goals = top.find("goals")) {
      for (const JsonValue& goal : few(*goals, "goals")) out_.goals.push_back(expectation(goal));
    }
    const bool judged = std::all_of(out_.asks.begin(), out_.asks.end(),
                                    [](const ExerciseAsk& ask) { return !ask.value.empty() || !ask.choices.empty(); });
    const bool by_itself = !out_.asks.empty() ? judged : out_.code && out_.code->grader != ExerciseCode::Grader::policy;
    if (!by_itself && out_.goals.empty()) json.fail("expected the key \"goals\": nothing else says what is right");
    top.done();
    return std::move(out_);
  }

 private:
  // "yours" is the answer, or a run that has something of the student's.
  void new_name(const JsonValue& json, bool may_be_yours = false) {
    const std::string name = json.string();
    if (!is_name(name)) json.expected("a name of lower-case letters, digits and _ that begins with no digit");
    if ((name == kYours && !may_be_yours) || !names_.insert(name).second) json.expected("a name that nothing else has");
  }

  void read_run(const JsonValue& json) {
    JsonObject object = json.object();
    ExerciseRun run;
    const auto scenario = object.find("scenario");
    const auto trace = object.find("trace");
    if (scenario && scenario->is_string()) {
      run.path = beside(out_.path, scenario->string());
    } else if (scenario) {
      run.text = scenario->json().dump();
    } else if (trace) {
      run.kind = ExerciseRun::Kind::trace;
      run.path = beside(out_.path, trace->string());
    } else {
      run.kind = ExerciseRun::Kind::shape;
      if (const auto model = object.find("model")) run.model = file_or_name(*model);
      if (const auto hardware = object.find("hardware")) run.hardware = file_or_name(*hardware);
      if (run.model.empty() && run.hardware.empty())
        json.expected("a \"scenario\", a \"trace\", or a \"model\" and \"hardware\"");
    }
    if (const auto set = object.find("set")) run.overrides = set->strings();
    if (const auto yours = object.find("yours")) run.yours = yours->boolean();
    const JsonValue name = object.at("name");
    new_name(name, run.yours);
    run.name = name.string();
    if (const auto slo = object.find("slo_ms")) {
      JsonObject limits = slo->object();
      for (const auto& [key, field] : {std::pair{"ttft", &run.slo.ttft}, {"tpot", &run.slo.tpot}, {"e2el", &run.slo.e2el}}) {
        if (const auto limit = limits.find(std::string_view(key))) *field = static_cast<TimeNs>(limit->number(0, 1e9) * 1e6);
      }
      limits.done();
    }
    if (run.kind != ExerciseRun::Kind::scenario && (run.yours || !run.overrides.empty()))
      json.fail("only a scenario can be \"yours\" or be \"set\"");
    object.done();
    out_.runs.push_back(std::move(run));
  }

  std::string file_or_name(const JsonValue& json) const {
    const std::string name = json.string();
    return name.ends_with(".json") ? beside(out_.path, name) : name;
  }

  const ExerciseRun* find_run(const std::string& name) const {
    const auto it = std::find_if(out_.runs.begin(), out_.runs.end(), [&](const ExerciseRun& r) { return r.name == name; });
    return it == out_.runs.end() ? nullptr : &*it;
  }

  void read_point(const JsonValue& json) {
    JsonObject object = json.object();
    ExercisePoint point;
    const JsonValue run = object.at("run");
    point.run = run.string();
    const ExerciseRun* of = find_run(point.run);
    if (of == nullptr || of->kind == ExerciseRun::Kind::shape) run.expected("the name of a run above");
    using Kind = ExercisePoint::Kind;
    if (const auto step = object.find("step")) {
      point.step = step->integer(0, INT64_MAX);
    } else if (const auto request = object.find("request")) {
      point.kind = Kind::request;
      point.which = request->string();
    } else if (const auto most = object.find("step_with_most")) {
      point.kind = Kind::step_with_most;
      point.which = most->choice(step_fact_names());
    } else if (const auto most_request = object.find("request_with_most")) {
      point.kind = Kind::request_with_most;
      point.which = most_request->choice(request_fact_names());
    } else {
      point.kind = Kind::step_of;
      const JsonValue of_point = object.at("step_of");
      point.which = of_point.string();
      require_reference(split(of_point, point.which), of_point);
    }
    const JsonValue name = object.at("name");
    new_name(name);
    point.name = name.string();
    object.done();
    out_.points.push_back(std::move(point));
  }

  static Expectation::Reference split(const JsonValue& json, const std::string& text) {
    const std::size_t dot = text.find('.');
    if (dot == std::string::npos) json.expected("POINT.FACT");
    return {text.substr(0, dot), text.substr(dot + 1)};
  }

  void read_task(const JsonValue& json, JsonObject& top) {
    const auto asks = top.find("asks");
    const auto may_set = top.find("may_set");
    const auto code = top.find("code");
    if (int{asks.has_value()} + int{may_set.has_value()} + int{code.has_value()} != 1)
      json.fail("expected one of the keys \"asks\", \"may_set\" and \"code\"");
    if (asks) {
      for (const JsonValue& entry : few(*asks, "questions")) read_ask(entry);
      return;
    }
    if (may_set) {
      few(*may_set, "settings");
      out_.may_set = may_set->strings();
    }
    if (code) read_code(*code);
    const bool runs_yours = std::any_of(out_.runs.begin(), out_.runs.end(), [](const ExerciseRun& r) { return r.yours; });
    const bool needs_runs = may_set || out_.code->grader == ExerciseCode::Grader::policy;
    if (needs_runs && !runs_yours) json.fail("expected a run with \"yours\": true");
  }

  void read_ask(const JsonValue& json) {
    JsonObject object = json.object();
    ExerciseAsk ask;
    const JsonValue name = object.at("name");
    ask.name = name.string();
    if (!is_name(ask.name)) name.expected("a name of lower-case letters, digits and _ that begins with no digit");
    for (const ExerciseAsk& other : out_.asks) {
      if (other.name == ask.name) name.expected("a name that no other question has");
    }
    out_.asks.push_back(ask);  // goals and formulas may name it
    if (const auto choices = object.find("choices")) {
      for (const JsonValue& entry : few(*choices, "choices")) ask.choices.push_back(read_choice(entry));
    } else {
      if (const auto unit = object.find("unit")) ask.unit = unit->string();
      if (const auto value = object.find("value")) {
        ask.value = formula(*value);
        ask.within = object.at("within").number(0, 1);
      }
      if (const auto mistakes = object.find("mistakes")) {
        for (const JsonValue& entry : few(*mistakes, "mistakes")) {
          JsonObject mistake = entry.object();
          ask.mistakes.push_back({formula(mistake.at("answer")), mistake.at("says").string()});
          mistake.done();
        }
      }
    }
    object.done();
    out_.asks.back() = std::move(ask);
  }

  ExerciseChoice read_choice(const JsonValue& json) {
    JsonObject object = json.object();
    ExerciseChoice choice;
    const JsonValue name = object.at("name");
    choice.name = name.string();
    if (!is_name(choice.name)) name.expected("a name of lower-case letters, digits and _ that begins with no digit");
    choice.text = object.at("text").string();
    for (const JsonValue& entry : few(object.at("holds"), "expectations")) choice.holds.push_back(expectation(entry));
    object.done();
    return choice;
  }

  void read_code(const JsonValue& json) {
    JsonObject object = json.object();
    ExerciseCode code;
    const std::string grader = object.at("grader").choice({"policy", "blocks", "sum"});
    code.grader = grader == "policy"   ? ExerciseCode::Grader::policy
                  : grader == "blocks" ? ExerciseCode::Grader::blocks
                                       : ExerciseCode::Grader::sum;
    code.start = beside(out_.path, object.at("start").string());
    if (const auto finds = object.find("finds_prefixes")) code.finds_prefixes = finds->boolean();
    object.done();
    out_.code = std::move(code);
  }

  void require_reference(const Expectation::Reference& reference, const JsonValue& place) const {
    const auto known = [&](const std::vector<std::string>& names, const std::string& of) {
      if (std::find(names.begin(), names.end(), reference.metric) != names.end()) return true;
      std::string all;
      for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
      place.fail("expected a fact of " + of + ", one of " + all + ", found \"" + reference.metric + "\"");
    };
    if (reference.variant == kYours && !out_.asks.empty()) {
      std::vector<std::string> names;
      for (const ExerciseAsk& ask : out_.asks) names.push_back(ask.name);
      known(names, "the answer");
      return;
    }
    for (const ExercisePoint& point : out_.points) {
      if (point.name != reference.variant) continue;
      using Kind = ExercisePoint::Kind;
      const bool request = point.kind == Kind::request || point.kind == Kind::request_with_most;
      known(request ? request_fact_names() : step_fact_names(), request ? "a request" : "a step");
      return;
    }
    const ExerciseRun* const run = find_run(reference.variant);
    if (run == nullptr) place.fail("expected the name of a run or a point, found \"" + reference.variant + "\"");
    std::vector<std::string> names = shape_fact_names();
    if (run->kind != ExerciseRun::Kind::shape) {
      for (const std::vector<std::string>& more : {result_names(), run_fact_names()})
        names.insert(names.end(), more.begin(), more.end());
    }
    known(names, run->kind == ExerciseRun::Kind::shape ? "a model or hardware" : "a run");
  }

  Expectation checked(const JsonValue& json, Expectation (*parse)(const std::string&)) const {
    Expectation out;
    try {
      out = parse(json.string());
    } catch (const InputError& error) {
      json.fail(error.what());
    }
    for (const Expectation::Reference& reference : out.references()) require_reference(reference, json);
    return out;
  }
  Expectation expectation(const JsonValue& json) const { return checked(json, Expectation::parse); }
  std::string formula(const JsonValue& json) const { return checked(json, Expectation::parse_sum).text(); }

  Exercise out_;
  std::set<std::string> names_;
};

}  // namespace

Exercise load_exercise(const std::string& path) { return ExerciseReader(path).read(JsonValue::load(path, kMostExerciseBytes)); }

Exercise parse_exercise(std::string_view text, const std::string& path) {
  return ExerciseReader(path).read(JsonValue::parse(text, path));
}

double formula_value(const std::string& formula, const std::function<double(const Expectation::Reference&)>& value) {
  return Expectation::parse_sum(formula).check(value).left;
}

}  // namespace tokenyard
