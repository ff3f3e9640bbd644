// An exercise of the book: a question that is graded by what runs show, never by a stored number. docs/exercises.md says how to
// write one, which takes no C++.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/metrics.h"
#include "sim/expectation.h"

namespace tokenyard {

// Where numbers come from: a scenario that is simulated, a trace that is replayed, or what is known of a model and a GPU.
struct ExerciseRun {
  enum class Kind { scenario, trace, shape };
  std::string name;
  Kind kind = Kind::scenario;
  std::string path;                    // of the scenario or trace; empty where `text` is the scenario
  std::string text;                    // JSON
  std::vector<std::string> overrides;  // of the scenario
  Slo slo;
  bool yours = false;           // with the student's settings or policy
  std::string model, hardware;  // of a shape: built-in names or files; may be empty
};

// One step or one request of a run, whose facts formulas can name.
struct ExercisePoint {
  enum class Kind { step, request, step_with_most, request_with_most, step_of };
  std::string name, run;
  Kind kind = Kind::step;
  std::int64_t step = 0;
  std::string which;  // the request's id; the fact that is largest; or "POINT.FACT", the number of the step
};

// An answer one often gets, and what is wrong with it.
struct ExerciseMistake {
  std::string formula, says;
};

struct ExerciseChoice {
  std::string name, text;
  std::vector<Expectation> holds;  // it is right when all of them hold
};

// One thing that is asked for: a number, or one of several choices.
struct ExerciseAsk {
  std::string name, unit;
  std::string value;  // a formula; empty: the goals judge the number
  double within = 0;  // relative
  std::vector<ExerciseMistake> mistakes;
  std::vector<ExerciseChoice> choices;  // empty: a number
};

struct ExerciseCode {
  enum class Grader { policy, blocks, sum };
  Grader grader = Grader::policy;
  std::string start;            // the file to begin with
  bool finds_prefixes = false;  // blocks: text that another sequence holds must be found
};

struct Exercise {
  std::string path, name;
  std::int32_t chapter = 0, number = 0;
  std::string title;
  std::vector<std::string> text;   // paragraphs
  std::vector<std::string> hints;  // from a nudge to nearly the answer
  std::vector<ExerciseRun> runs;
  std::vector<ExercisePoint> points;
  bool draws_seed = false;  // every scenario runs with a seed that is drawn anew for each check
  // What is to be done: exactly one of these.
  std::vector<ExerciseAsk> asks;
  std::vector<std::string> may_set;
  std::optional<ExerciseCode> code;
  // What must hold of the outcome. Formulas say NAME.FACT: a run's or a point's (exercise_facts.h), or yours.ASK.
  std::vector<Expectation> goals;

  std::string label() const { return std::to_string(chapter) + "." + std::to_string(number); }
};

// Throws InputError.
Exercise load_exercise(const std::string& path);
Exercise parse_exercise(std::string_view text, const std::string& path);

// A formula is what may stand on one side of an expectation. Throws InputError.
double formula_value(const std::string& formula, const std::function<double(const Expectation::Reference&)>& value);

}  // namespace tokenyard
