// exercise_runner EXERCISE.json ANSWERS.json all|few: tries right and wrong answers of one exercise; few: of C++, which has to
// be compiled, one of each.
//
// Where formulas say what is right, answers are made from them. Else ANSWERS, a file, has them:
//   {"right": [ANSWER...], "wrong": [ANSWER...]}     ANSWER: {"words": [...]}, or of C++ {"edits": [[OLD, NEW]...]}
// An edit replaces the one place in the file to begin with that has OLD. "says": what the verdict, or the error, has in it.
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "cli/exercise/code_check.h"
#include "core/base/input_error.h"
#include "core/base/json_reader.h"
#include "core/base/text_file.h"
#include "sim/exercise_check.h"

namespace {

using namespace tokenyard;

constexpr std::size_t kLeastRight = 2, kLeastWrong = 3;
constexpr double kMostSeconds = 60;  // as promised to students

int failures = 0;

void fail(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  ++failures;
}

struct Outcome {
  bool right = false;
  std::string text;  // all lines, or the error
};

Outcome outcome_of(const std::function<Verdict()>& check) {
  const auto begin = std::chrono::steady_clock::now();
  Outcome out;
  try {
    const Verdict verdict = check();
    out.right = verdict.right;
    for (const std::string& line : verdict.lines) out.text += line + "\n";
    if (verdict.lines.empty()) fail("a verdict says nothing");
  } catch (const InputError& error) {
    out.text = std::string(error.what()) + "\n";
    if (out.text.find('\n') + 1 != out.text.size()) fail("an error of several lines: " + out.text);
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (seconds > kMostSeconds) fail(fmt::format("a check took {:.0f} s", seconds));
  return out;
}

void expect(const Outcome& outcome, bool right, const std::string& answer, const std::string& says = {}) {
  std::fprintf(stdout, "%s  %s\n%s", outcome.right ? "accepted" : "rejected", answer.c_str(), outcome.text.c_str());
  if (outcome.right != right) fail((right ? "a right answer is rejected: " : "a wrong answer is accepted: ") + answer);
  if (outcome.text.find(says) == std::string::npos) fail(answer + ": expected \"" + says + "\" in: " + outcome.text);
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

std::string exact(double value) { return fmt::format("{}", value); }

// Right words for every question, `scale` times the value where it is a number; the choices are tried.
std::vector<std::string> right_words(const Exercise& exercise, ExerciseFacts& facts, double share_of_tolerance) {
  std::vector<std::string> words;
  for (const ExerciseAsk& ask : exercise.asks) {
    std::vector<std::string> right;
    for (const ExerciseChoice& choice : ask.choices) {
      if (std::all_of(choice.holds.begin(), choice.holds.end(), [&](const Expectation& e) { return facts.check(e).holds; }))
        right.push_back(choice.name);
    }
    if (ask.choices.empty()) right.push_back(exact(facts.value(ask.value) * (1 + share_of_tolerance * ask.within)));
    if (right.size() != 1) fail(fmt::format("{}: {} choices are right ({})", ask.name, right.size(), joined(right)));
    words.push_back(ask.name + "=" + (right.empty() ? "" : right.front()));
  }
  return words;
}

void try_questions(const Exercise& exercise) {
  ExerciseFacts facts(exercise);
  const auto check = [&](const std::vector<std::string>& words) {
    return outcome_of([&] { return check_answer(exercise, words); });
  };
  for (const double share : {0.0, 0.9, -0.9}) {
    const std::vector<std::string> words = right_words(exercise, facts, share);
    expect(check(words), true, joined(words));
  }
  const std::vector<std::string> right = right_words(exercise, facts, 0);
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < exercise.asks.size(); ++i) {
    const ExerciseAsk& ask = exercise.asks[i];
    const auto answered = [&](const std::string& answer) {
      std::vector<std::string> words = right;
      words[i] = ask.name + "=" + answer;
      return words;
    };
    for (const ExerciseChoice& choice : ask.choices) {
      if (ask.name + "=" + choice.name == right[i]) continue;
      expect(check(answered(choice.name)), false, choice.name, "not yet: " + ask.name + " = " + choice.name);
      ++wrong;
    }
    expect(check(answered("nonsense")), false, "nonsense", "expected");
    if (!ask.choices.empty()) continue;
    const double value = facts.value(ask.value);
    if (!std::isfinite(value)) fail(ask.name + ": its value is no number");
    for (const ExerciseMistake& mistake : ask.mistakes) {
      const Outcome outcome = check(answered(exact(facts.value(mistake.formula))));
      expect(outcome, false, mistake.formula, mistake.says);
      ++wrong;
    }
    for (const double away : {1 + 1.3 * ask.within + 1e-6, 1 - 1.3 * ask.within - 1e-6, 100.0, 0.001}) {
      const double answer = value == 0 ? away : value * away;
      expect(check(answered(exact(answer))), false, fmt::format("{} times the value", away));
    }
    const Outcome hidden = check(answered(exact(value == 0 ? 7 : value * 3.7)));
    for (const std::string& shape : {exact(value), fmt::format("{:.4g}", value), fmt::format("{:.0f}", value)}) {
      if (shape.size() >= 3 && hidden.text.find(" " + shape + " ") != std::string::npos &&
          hidden.text.find("right:") == std::string::npos)
        fail(ask.name + ": the verdict on a wrong answer has the right one in it: " + hidden.text);
    }
  }
  if (wrong < kLeastWrong) fail(fmt::format("{} typical wrong answers; at least {} are wanted", wrong, kLeastWrong));
}

std::string edited(std::string text, const JsonValue& edits) {
  for (const JsonValue& entry : edits.array()) {
    const std::vector<std::string> edit = entry.strings();
    if (edit.size() != 2) entry.expected("[OLD, NEW]");
    const std::size_t at = text.find(edit[0]);
    if (at == std::string::npos || text.find(edit[0], at + 1) != std::string::npos)
      entry.expected("text that stands exactly once in the file to begin with");
    text.replace(at, edit[0].size(), edit[1]);
  }
  return text;
}

void try_answers(const Exercise& exercise, const std::string& path, bool few) {
  JsonObject answers = JsonValue::load(path).object();
  const std::string file =
      (std::filesystem::temp_directory_path() / fmt::format("tokenyard-{}-{}.cpp", exercise.name, getpid())).string();
  for (const bool right : {true, false}) {
    const std::vector<JsonValue> list = answers.at(right ? "right" : "wrong").array();
    if (list.size() < (right ? kLeastRight : kLeastWrong))
      fail(fmt::format("{} {} answers are too few", list.size(), right ? "right" : "wrong"));
    for (const JsonValue& entry : std::span(list).first(few && exercise.code ? 1 : list.size())) {
      JsonObject answer = entry.object();
      const auto says = answer.find("says");
      const std::string what = says ? says->string() : "";
      if (exercise.code) {
        const JsonValue edits = answer.at("edits");
        std::ofstream(file) << edited(read_text_file(exercise.code->start, 1 << 20), edits);
        // The capstone's 5 and 12 are those of the first 20 that have least traffic.
        for (const std::uint64_t seed :
             exercise.draws_seed && !few ? std::vector<std::uint64_t>{1, 5, 12} : std::vector<std::uint64_t>{1}) {
          const Outcome outcome = outcome_of([&] { return cli::check_code(exercise, file, seed); });
          expect(outcome, right, fmt::format("seed {}: {}", seed, edits.json().dump()), what);
        }
      } else {
        const std::vector<std::string> words = answer.at("words").strings();
        expect(outcome_of([&] { return check_answer(exercise, words); }), right, joined(words), what);
      }
      answer.done();
    }
  }
  std::filesystem::remove(file);
  answers.done();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: exercise_runner EXERCISE.json ANSWERS.json all|few\n");
    return 2;
  }
  try {
    const Exercise exercise = load_exercise(argv[1]);
    if (exercise.hints.size() < 2) fail("at least two hints are wanted");
    const bool by_formula = exercise.goals.empty() && !exercise.asks.empty();
    if (by_formula) {
      try_questions(exercise);
    } else {
      try_answers(exercise, argv[2], argv[3] == std::string("few"));
    }
  } catch (const std::exception& error) {
    fail(error.what());
  }
  return failures == 0 ? 0 : 1;
}
