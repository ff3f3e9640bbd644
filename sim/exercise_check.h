// Runs what an exercise runs and judges an answer by it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sim/exercise.h"
#include "sim/exercise_facts.h"

namespace tokenyard {

struct Verdict {
  bool right = false;
  std::vector<std::string> lines;  // what was measured, and where it is not right why; never the answer
};

// What the runs that are `yours` have of the student.
struct StudentPart {
  std::vector<std::string> overrides;
  std::optional<Policy> policy;
};

// The facts of an exercise's runs; each runs once, when a formula first asks for it.
class ExerciseFacts {
 public:
  // `exercise` is borrowed. `seed`: of all scenarios, where the exercise draws it.
  explicit ExerciseFacts(const Exercise& exercise, StudentPart yours = {}, std::uint64_t seed = 0)
      : exercise_(exercise), yours_(std::move(yours)), seed_(seed) {}

  // Throws InputError where a run cannot be made, std::logic_error where a student's policy breaks an invariant.
  double value(const Expectation::Reference& reference);
  double value(const std::string& formula);
  Expectation::Outcome check(const Expectation& expectation);
  void answer(const std::string& ask, double value) { answers_[ask] = value; }

 private:
  struct Run {
    Facts run;
    std::vector<Facts> steps, requests;
    std::map<std::string, std::size_t> ids;
  };
  const Run& run(const std::string& name);
  const Facts& point(const ExercisePoint& point);

  const Exercise& exercise_;
  StudentPart yours_;
  std::uint64_t seed_;
  std::map<std::string, Run> runs_;
  Facts answers_;
};

// "12.5", "12.5 ms", "1,024", "5 %". Throws InputError.
double parse_answer(const std::string& text, const ExerciseAsk& ask);

// Judges the words of an answer to what is asked ("12.5", or "step=57 cause=blocks"), or settings ("engine.max_num_seqs=24").
// Throws InputError where they are no answer. REQUIRES: !exercise.code.
Verdict check_answer(const Exercise& exercise, const std::vector<std::string>& words, std::uint64_t seed = 0);

// Whether all goals hold, one line each.
Verdict check_goals(const Exercise& exercise, ExerciseFacts& facts);

}  // namespace tokenyard
