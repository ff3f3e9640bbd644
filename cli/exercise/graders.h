// One for each value of "grader". They run in the child.
#pragma once

#include "cli/exercise/student.h"
#include "sim/exercise.h"
#include "sim/exercise_check.h"

namespace tokenyard::cli {

using BlocksFunction = StudentBlocks*(int num_blocks, int block_size);
using SumFunction = float(const float* x, int n, int rows);

// Random lives of sequences. After each operation every token must be where its table says, no block may be lost or held by
// two texts, and no table may be longer than it must be.
Verdict grade_blocks(const ExerciseCode& code, BlocksFunction* make);
// The same bits for any number of rows, and close to the sum.
Verdict grade_sum(SumFunction* sum);

}  // namespace tokenyard::cli
