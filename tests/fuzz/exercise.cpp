// An exercise, as `tokenyard exercise` reads it, and an answer to it.
#include <cstdlib>

#include "core/base/input_error.h"
#include "fuzz.h"
#include "sim/exercise.h"
#include "sim/exercise_check.h"

namespace tokenyard {

void fuzz(std::string_view text) {
  ExerciseAsk number;
  number.name = "x";
  for (const char* unit : {"", "ms"}) {
    number.unit = unit;
    try {
      parse_answer(std::string(text), number);
    } catch (const InputError&) {
    }
  }
  const Exercise exercise = parse_exercise(text, "exercise.json");
  const int tasks = int{!exercise.asks.empty()} + int{!exercise.may_set.empty()} + int{exercise.code.has_value()};
  if (tasks > 1 || exercise.text.empty() || exercise.hints.empty()) std::abort();
  for (const ExerciseAsk& ask : exercise.asks) {
    if (ask.value.empty() && ask.choices.empty() && exercise.goals.empty()) std::abort();
  }
}

}  // namespace tokenyard
