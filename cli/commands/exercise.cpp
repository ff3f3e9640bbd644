#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "cli/commands.h"
#include "cli/exercise/code_check.h"
#include "cli/options/closest.h"
#include "cli/output/say.h"
#include "cli/output/text_table.h"
#include "cli/scenario_files.h"
#include "core/base/input_error.h"
#include "core/base/output_file.h"
#include "core/base/text_file.h"
#include "sim/exercise_check.h"

namespace tokenyard::cli {
namespace {

constexpr std::size_t kLine = 100, kMostCode = 1 << 20;

struct ExerciseOptions {
  std::string action, exercise;
  std::vector<std::string> answer;
  std::int64_t seed = -1;
};

std::string kind_of(const Exercise& exercise) {
  if (!exercise.may_set.empty()) return "choose settings";
  if (exercise.code) return "write C++";
  for (const ExerciseAsk& ask : exercise.asks) {
    if (!ask.choices.empty()) return "find the cause";
  }
  return "predict";
}

std::vector<Exercise> all_of_them() {
  std::vector<Exercise> all;
  for (const std::string& path : all_exercises()) all.push_back(load_exercise(path));
  std::sort(all.begin(), all.end(), [](const Exercise& a, const Exercise& b) {
    return std::tie(a.chapter, a.number, a.name) < std::tie(b.chapter, b.number, b.name);
  });
  return all;
}

// By its number, its name, or as a file.
Exercise find_exercise(const std::string& wanted) {
  if (wanted.ends_with(".json")) return load_exercise(wanted);
  std::vector<std::string> names;
  for (Exercise& exercise : all_of_them()) {
    if (exercise.label() == wanted || exercise.name == wanted) return std::move(exercise);
    names.push_back(exercise.name);
  }
  throw InputError(wanted + ": expected an exercise's number or name, as tokenyard exercise list has them" +
                   did_you_mean(wanted, names));
}

// All, or one chapter's.
int list(const std::string& chapter) {
  std::vector<std::vector<std::string>> rows = {{"", "name", "what to do", "title"}};
  for (const Exercise& exercise : all_of_them()) {
    if (chapter.empty() || std::to_string(exercise.chapter) == chapter)
      rows.push_back({exercise.label(), exercise.name, kind_of(exercise), exercise.title});
  }
  if (rows.size() == 1 && !chapter.empty()) throw InputError(chapter + ": expected a chapter of the book, such as 3");
  if (rows.size() == 1) throw InputError("no exercises found; name their folder's parent in TOKENYARD_SCENARIOS");
  say("{}\ntokenyard exercise show NUMBER has one's text. The first number is the book's chapter.\n", text_table(rows, 4));
  return 0;
}

std::string answer_form(const Exercise& exercise) {
  if (exercise.code) return "FILE.cpp";
  std::string form;
  if (!exercise.may_set.empty()) {
    for (const std::string& path : exercise.may_set) form += (form.empty() ? "" : " ") + path + "=...";
    return form;
  }
  for (const ExerciseAsk& ask : exercise.asks) {
    if (!form.empty()) form += " ";
    if (exercise.asks.size() > 1) form += ask.name + "=";
    form += ask.choices.empty() ? "NUMBER" : "WORD";
  }
  return form;
}

int show(const Exercise& exercise) {
  const std::string heading = exercise.label() + " " + exercise.title;
  say("{}\n{}\n\n", heading, std::string(std::min(kLine, heading.size()), '='));
  for (const std::string& paragraph : exercise.text) say("{}\n", wrapped(paragraph, kLine, 0));
  for (const ExerciseAsk& ask : exercise.asks) {
    if (ask.choices.empty()) {
      if (exercise.asks.size() > 1 || !ask.unit.empty())
        say("{}: a number{}\n", ask.name, ask.unit.empty() ? "" : " in " + ask.unit);
    } else {
      say("{}: one of\n", ask.name);
      for (const ExerciseChoice& choice : ask.choices) say("  {:<14} {}\n", choice.name, choice.text);
    }
  }
  if (!exercise.goals.empty()) {
    say("What must hold:\n");
    for (const Expectation& goal : exercise.goals) say("  {}\n", goal.text());
  }
  if (exercise.code) say("\nBegin with:  tokenyard exercise start {}\n", exercise.label());
  say("{}Answer with: tokenyard exercise check {} {}\n", exercise.code ? "" : "\n", exercise.label(), answer_form(exercise));
  say("Stuck?       tokenyard exercise hint {}   ({} hints)\n", exercise.label(), exercise.hints.size());
  return 0;
}

int hint(const Exercise& exercise, const std::vector<std::string>& words) {
  const std::string level = words.empty() ? "1" : words.front();
  for (std::size_t i = 0; i < exercise.hints.size(); ++i) {
    if (std::to_string(i + 1) != level) continue;
    say("{}", wrapped(exercise.hints[i], kLine, 0));
    if (i + 1 < exercise.hints.size())
      say("({} of {}; more: tokenyard exercise hint {} {})\n", i + 1, exercise.hints.size(), exercise.label(), i + 2);
    return 0;
  }
  throw InputError(
      fmt::format("{}: expected a hint from 1 to {}, found \"{}\"", exercise.label(), exercise.hints.size(), level));
}

int start(const Exercise& exercise, const std::vector<std::string>& words) {
  if (!exercise.code)
    throw InputError(fmt::format("{}: needs no file; answer with: tokenyard exercise check {} {}", exercise.label(),
                                 exercise.label(), answer_form(exercise)));
  const std::string file = words.empty() ? exercise.name + ".cpp" : words.front();
  if (std::filesystem::exists(std::filesystem::symlink_status(file)))
    throw InputError(file + ": is there already and stays as it is; name another file");
  write_file(file, read_text_file(exercise.code->start, kMostCode));
  say("{}: change it, then: tokenyard exercise check {} {}\n", file, exercise.label(), file);
  return 0;
}

int check(const Exercise& exercise, const ExerciseOptions& options) {
  if (options.answer.empty())
    throw InputError(fmt::format("{}: expected an answer: tokenyard exercise check {} {}", exercise.label(), exercise.label(),
                                 answer_form(exercise)));
  const std::uint64_t seed =
      options.seed >= 0 ? static_cast<std::uint64_t>(options.seed) : std::uint64_t{std::random_device()()};
  Verdict verdict;
  if (exercise.code) {
    if (options.answer.size() > 1)
      throw InputError(exercise.label() + ": expected one file, found " + options.answer[1] + " too");
    verdict = check_code(exercise, options.answer.front(), seed);
  } else {
    verdict = check_answer(exercise, options.answer, seed);
  }
  for (const std::string& line : verdict.lines) say("{}\n", line);
  if (exercise.draws_seed) say("scenarios of seed {}; --seed {} takes the same again\n", seed, seed);
  say("{} {}: {}\n", exercise.label(), exercise.name,
      verdict.right ? "right" : fmt::format("not yet; tokenyard exercise hint {}", exercise.label()));
  return verdict.right ? 0 : 1;
}

int exercise(const ExerciseOptions& options) {
  const std::size_t most = options.action == "check"                               ? options.answer.size()
                           : options.action == "hint" || options.action == "start" ? 1
                                                                                   : 0;
  if (options.answer.size() > most)
    throw InputError(fmt::format("tokenyard exercise {}: \"{}\" is one word too many", options.action, options.answer[most]));
  if (options.action == "list") return list(options.exercise);
  if (options.exercise.empty())
    throw InputError(fmt::format("tokenyard exercise {}: expected an exercise's number, as tokenyard exercise list has them",
                                 options.action));
  const Exercise found = find_exercise(options.exercise);
  if (options.action == "show") return show(found);
  if (options.action == "hint") return hint(found, options.answer);
  if (options.action == "start") return start(found, options.answer);
  return check(found, options);
}

}  // namespace

Command exercise_command() {
  Command command("exercise", "Do the book's exercises: read one, get hints, have an answer checked");
  auto options = std::make_shared<ExerciseOptions>();
  command.positional("ACTION", &options->action, "What to do").required().one_of({"list", "show", "hint", "start", "check"});
  command.positional("EXERCISE", &options->exercise, "Its number, such as 2.3, or its name; list: a chapter");
  command.positional("ANSWER", &options->answer,
                     "check: numbers, settings or a C++ file, as show says; hint: which one; start: the file to write");
  command.option("--seed", &options->seed, "N", "Of the scenarios an exercise draws anew for each check").between(0, 9e15);
  command.notes(
      "No GPU is needed. An answer is judged by what runs show, so any that is right counts. Those in C++ need a compiler and "
      "this "
      "repository; they run for at most 10 s of computing, in a process of their own. docs/exercises.md tells how to write "
      "one.\n\n"
      "Exit status: 0 right, 1 not yet, 2 not an answer.");
  command.examples({{"tokenyard exercise list", ""},
                    {"tokenyard exercise show kv-bytes", ""},
                    {"tokenyard exercise hint kv-bytes", ""},
                    {"tokenyard exercise start fix-scheduler my.cpp", "then change my.cpp"}});
  command.run([options] { return exercise(*options); });
  return command;
}

}  // namespace tokenyard::cli
