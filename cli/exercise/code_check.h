// Judges a student's C++: compiles it to a shared object, loads it in a child process and tries it there, so that neither a
// crash nor an endless loop reaches the program.
#pragma once

#include <cstdint>
#include <string>

#include "sim/exercise_check.h"

namespace tokenyard::cli {

// Seconds of computing that a student's code may take.
inline constexpr int kCodeSeconds = 10;

// Throws InputError when there is no compiler, when the file does not compile (with the first error), or when it lacks the
// function that is graded. REQUIRES: exercise.code; no other thread runs.
Verdict check_code(const Exercise& exercise, const std::string& file, std::uint64_t seed);

}  // namespace tokenyard::cli
