#include "sim/exercise_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <set>
#include <stdexcept>

#include "core/base/input_error.h"
#include "core/base/json_reader.h"
#include "core/base/model_json.h"
#include "core/trace/reader.h"
#include "core/trace/replay.h"
#include "sim/recorded_run.h"
#include "sim/result_values.h"
#include "sim/run.h"

namespace tokenyard {
namespace {

std::string number_text(double value) {
  if (std::isnan(value)) return "nothing";
  return std::abs(value) >= 1000 && std::abs(value) < 1e15 ? fmt::format("{:.0f}", value) : fmt::format("{:.4g}", value);
}

// "12.5 and 13"; with all digits where fewer would say the same of both.
std::string both(double left, double right) {
  const std::string a = number_text(left), b = number_text(right);
  return a == b && left != right ? fmt::format("{} and {}", left, right) : a + " and " + b;
}

std::string stripped(const std::string& text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// The answer to each question, by its name; a single question needs none.
std::map<std::string, std::string> split_answer(const Exercise& exercise, const std::vector<std::string>& words) {
  std::string form;
  for (const ExerciseAsk& ask : exercise.asks) form += (form.empty() ? "" : " ") + ask.name + "=...";
  std::map<std::string, std::string> out;
  std::string* last = nullptr;
  for (const std::string& word : words) {
    const std::size_t equals = word.find('=');
    if (equals != std::string::npos) {
      const std::string name = stripped(word.substr(0, equals));
      const bool asked =
          std::any_of(exercise.asks.begin(), exercise.asks.end(), [&](const ExerciseAsk& ask) { return ask.name == name; });
      if (!asked) throw InputError(exercise.label() + ": nothing called \"" + name + "\" is asked; expected " + form);
      if (out.contains(name)) throw InputError(exercise.label() + ": \"" + name + "\" is answered twice");
      last = &out[name];
      *last = stripped(word.substr(equals + 1));
    } else if (last != nullptr) {
      *last += " " + word;  // a unit
    } else if (exercise.asks.size() == 1) {
      last = &out[exercise.asks.front().name];
      *last = word;
    } else {
      throw InputError(exercise.label() + ": expected " + form + ", found \"" + word + "\"");
    }
  }
  for (const ExerciseAsk& ask : exercise.asks) {
    if (!out.contains(ask.name))
      throw InputError(exercise.label() + ": \"" + ask.name + "\" is not answered; expected " + form);
  }
  return out;
}

std::string distance(double answer, double value) {
  if (value == 0 || answer == 0 || (answer < 0) != (value < 0)) return answer > value ? "too large" : "too small";
  const double ratio = answer / value;
  const bool large = std::abs(ratio) > 1;
  const double factor = large ? std::abs(ratio) : 1 / std::abs(ratio);
  return std::string(large ? "too large" : "too small") + (factor > 10  ? ", by more than a factor of 10"
                                                           : factor > 2 ? ", by more than a factor of 2"
                                                                        : "");
}

void check_number(const ExerciseAsk& ask, double answer, ExerciseFacts& facts, Verdict& verdict) {
  const double value = facts.value(ask.value);
  const std::string unit = ask.unit.empty() ? "" : " " + ask.unit;
  const auto near = [&](double to, double within) { return std::abs(answer - to) <= within * std::abs(to) * (1 + 1e-9); };
  if (near(value, ask.within)) {
    verdict.lines.push_back(
        fmt::format("right: {} = {}{}; measured: {}{}", ask.name, number_text(answer), unit, number_text(value), unit));
    return;
  }
  verdict.right = false;
  for (const ExerciseMistake& mistake : ask.mistakes) {
    if (!near(facts.value(mistake.formula), std::max(ask.within / 2, 0.002))) continue;
    verdict.lines.push_back(fmt::format("not yet: {} = {}{}. {}", ask.name, number_text(answer), unit, mistake.says));
    return;
  }
  const std::string tolerance = ask.within == 0 ? "" : fmt::format(" (tolerance {:g} %)", 100 * ask.within);
  verdict.lines.push_back(
      fmt::format("not yet: {} = {}{} is {}{}", ask.name, number_text(answer), unit, distance(answer, value), tolerance));
}

void check_choice(const ExerciseAsk& ask, const std::string& answer, ExerciseFacts& facts, Verdict& verdict) {
  std::string known;
  const ExerciseChoice* chosen = nullptr;
  for (const ExerciseChoice& choice : ask.choices) {
    known += (known.empty() ? "" : ", ") + choice.name;
    if (choice.name == answer) chosen = &choice;
  }
  if (chosen == nullptr) throw InputError(ask.name + ": expected one of " + known + ", found \"" + shown(answer) + "\"");
  for (const Expectation& expectation : chosen->holds) {
    const Expectation::Outcome outcome = facts.check(expectation);
    if (outcome.holds) continue;
    verdict.right = false;
    verdict.lines.push_back(fmt::format("not yet: {} = {} would need {}; measured: {}", ask.name, answer, expectation.text(),
                                        both(outcome.left, outcome.right)));
    return;
  }
  verdict.lines.push_back(fmt::format("right: {} = {}", ask.name, answer));
}

}  // namespace

double parse_answer(const std::string& text, const ExerciseAsk& ask) {
  const auto wrong = [&]() -> double {
    throw InputError(ask.name + ": expected a number" + (ask.unit.empty() ? "" : " in " + ask.unit) + ", found \"" +
                     shown(text) + "\"");
  };
  std::string digits = stripped(text);
  if (!ask.unit.empty() && digits.ends_with(ask.unit)) digits = stripped(digits.substr(0, digits.size() - ask.unit.size()));
  if (digits.starts_with('+')) digits.erase(0, 1);
  // 65,536 and 65_536; a comma that groups no three digits may be meant as a point.
  for (std::size_t at = digits.find(','); at != std::string::npos; at = digits.find(',', at)) {
    const std::size_t end = std::min(digits.find_first_not_of("0123456789", at + 1), digits.size());
    if (at == 0 || end != at + 4) return wrong();
    digits.erase(at, 1);
  }
  std::erase(digits, '_');
  double out = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
  if (error != std::errc() || end != digits.data() + digits.size() || !std::isfinite(out)) return wrong();
  return out;
}

double ExerciseFacts::value(const std::string& formula) {
  return formula_value(formula, [this](const Expectation::Reference& reference) { return value(reference); });
}

Expectation::Outcome ExerciseFacts::check(const Expectation& expectation) {
  return expectation.check([this](const Expectation::Reference& reference) { return value(reference); });
}

double ExerciseFacts::value(const Expectation::Reference& reference) {
  const auto of = [&](const Facts& facts) {
    const auto it = facts.find(reference.metric);
    if (it == facts.end())
      throw InputError(exercise_.path + ": " + reference.variant + " has no " + reference.metric +
                       ": its trace does not say it");
    return it->second;
  };
  if (const auto it = answers_.find(reference.metric); reference.variant == "yours" && it != answers_.end()) return it->second;
  for (const ExercisePoint& each : exercise_.points) {
    if (each.name == reference.variant) return of(point(each));
  }
  return of(run(reference.variant).run);
}

const ExerciseFacts::Run& ExerciseFacts::run(const std::string& name) {
  const auto [it, is_new] = runs_.try_emplace(name);
  Run& out = it->second;
  if (!is_new) return out;
  const ExerciseRun& spec =
      *std::find_if(exercise_.runs.begin(), exercise_.runs.end(), [&](const ExerciseRun& r) { return r.name == name; });
  const auto keep = [&](const FactsSink& sink, const Metrics& metrics) {
    out.run.merge(sink.run());
    for (const ResultValue& value : result_values(metrics)) out.run[value.name] = value.value;
    out.steps = sink.steps();
    out.requests = sink.requests();
    for (std::size_t i = 0; i < out.requests.size(); ++i) out.ids.emplace(sink.id(i), i);
  };
  FactsSink sink;
  if (spec.kind == ExerciseRun::Kind::shape) {
    std::optional<ModelShape> model;
    std::optional<HardwareSpec> hardware;
    if (!spec.model.empty()) model = find_model(spec.model);
    if (!spec.hardware.empty()) hardware = find_hardware(spec.hardware);
    out.run = shape_facts(model ? &*model : nullptr, hardware ? &*hardware : nullptr, nullptr, {});
  } else if (spec.kind == ExerciseRun::Kind::trace) {
    TraceReader reader(spec.path);
    const TraceHeader header = reader.header();
    const ReplayOutcome outcome = replay(reader, &sink, spec.slo);
    if (!outcome.identical) throw InputError(spec.path + ": cannot be replayed: " + outcome.first_difference);
    std::optional<ModelShape> model;
    if (!header.model.empty()) model = read_model(JsonValue::parse(header.model, spec.path));
    out.run = shape_facts(model ? &*model : nullptr, nullptr, &header.engine, read_execution(header, spec.path));
    keep(sink, outcome.metrics);
  } else {
    const std::string folder = std::filesystem::path(exercise_.path).parent_path().string();
    std::vector<std::string> overrides = spec.overrides;
    if (exercise_.draws_seed) overrides.push_back("seed=" + std::to_string(seed_));
    if (spec.yours) overrides.insert(overrides.end(), yours_.overrides.begin(), yours_.overrides.end());
    Scenario scenario = spec.text.empty() ? load_scenario(spec.path, overrides)
                                          : parse_scenario(spec.text, exercise_.name + ": " + name, folder, overrides);
    const bool checks = spec.yours && yours_.policy;
    if (checks) scenario.engine.policy = *yours_.policy;
    RunOptions options;
    options.slo = spec.slo;
    options.trace = &sink;
    if (checks)
      options.after_step = [](const Engine& engine, const Metrics&, TimeNs) { engine.scheduler().check_invariants(); };
    const RunResult result = run_scenario(scenario, options);
    out.run = shape_facts(scenario.model ? &*scenario.model : nullptr, scenario.hardware ? &*scenario.hardware : nullptr,
                          &result.engine, scenario.execution);
    keep(sink, result.metrics);
  }
  return out;
}

const Facts& ExerciseFacts::point(const ExercisePoint& point) {
  using Kind = ExercisePoint::Kind;
  const Run& of = run(point.run);
  const auto fail = [&](const std::string& what) { throw InputError(exercise_.path + ": " + point.run + " has no " + what); };
  const auto most = [&](const std::vector<Facts>& all) -> const Facts& {
    if (all.empty()) fail("steps");
    const auto less = [&](const Facts& a, const Facts& b) { return a.at(point.which) < b.at(point.which); };
    return *std::max_element(all.begin(), all.end(), less);
  };
  const auto step_numbered = [&](double number) -> const Facts& {
    const auto it =
        std::find_if(of.steps.begin(), of.steps.end(), [&](const Facts& step) { return step.at("step") == number; });
    if (it == of.steps.end()) fail("step " + number_text(number));
    return *it;
  };
  switch (point.kind) {
    case Kind::step: return step_numbered(static_cast<double>(point.step));
    case Kind::request: {
      const auto it = of.ids.find(point.which);
      if (it == of.ids.end()) fail("request " + point.which);
      return of.requests[it->second];
    }
    case Kind::step_with_most: return most(of.steps);
    case Kind::request_with_most: return most(of.requests);
    default: {
      const std::size_t dot = point.which.find('.');
      return step_numbered(value({point.which.substr(0, dot), point.which.substr(dot + 1)}));
    }
  }
}

Verdict check_goals(const Exercise& exercise, ExerciseFacts& facts) {
  Verdict verdict{true, {}};
  std::set<std::string> said;
  for (const Expectation& goal : exercise.goals) {
    const Expectation::Outcome outcome = facts.check(goal);
    verdict.right = verdict.right && outcome.holds;
    verdict.lines.push_back(
        fmt::format("{}  {}   ({})", outcome.holds ? "holds  " : "not yet", goal.text(), both(outcome.left, outcome.right)));
    std::map<std::string, double> facts_of;
    for (const Expectation::Reference& each : goal.references())
      facts_of.emplace(each.variant + "." + each.metric, facts.value(each));
    if (facts_of.size() <= 2) continue;  // both stand there already
    std::string parts;                   // what the two sides are made of, each fact once
    for (const auto& [name, value] : facts_of) {
      if (said.insert(name).second) parts += (parts.empty() ? "" : ", ") + name + " " + number_text(value);
    }
    if (!parts.empty()) verdict.lines.push_back("         " + parts);
  }
  return verdict;
}

Verdict check_answer(const Exercise& exercise, const std::vector<std::string>& words, std::uint64_t seed) {
  if (!exercise.may_set.empty()) {
    StudentPart yours;
    for (const std::string& word : words) {
      const std::size_t equals = word.find('=');
      const std::string path = word.substr(0, equals);
      std::string may;
      for (const std::string& each : exercise.may_set) may += (may.empty() ? "" : ", ") + each;
      if (equals == std::string::npos)
        throw InputError(exercise.label() + ": expected PATH=VALUE, found \"" + shown(word) + "\"");
      if (std::find(exercise.may_set.begin(), exercise.may_set.end(), path) == exercise.may_set.end())
        throw InputError(exercise.label() + ": " + shown(path) + " is not to be changed here; what may be is " + may);
      yours.overrides.push_back(word);
    }
    ExerciseFacts facts(exercise, std::move(yours), seed);
    return check_goals(exercise, facts);
  }
  const std::map<std::string, std::string> answers = split_answer(exercise, words);
  ExerciseFacts facts(exercise, {}, seed);
  std::map<std::string, double> numbers;
  for (const ExerciseAsk& ask : exercise.asks) {  // what is no answer is said before anything runs
    if (ask.choices.empty()) facts.answer(ask.name, numbers[ask.name] = parse_answer(answers.at(ask.name), ask));
  }
  Verdict verdict{true, {}};
  for (const ExerciseAsk& ask : exercise.asks) {
    if (!ask.choices.empty()) {
      check_choice(ask, answers.at(ask.name), facts, verdict);
    } else if (!ask.value.empty()) {
      check_number(ask, numbers.at(ask.name), facts, verdict);
    }
  }
  const Verdict goals = check_goals(exercise, facts);
  verdict.right = verdict.right && goals.right;
  verdict.lines.insert(verdict.lines.end(), goals.lines.begin(), goals.lines.end());
  return verdict;
}

}  // namespace tokenyard
