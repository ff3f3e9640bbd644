// Random weights where only a model's shape matters.
#pragma once

#include <cstdint>

#include "kernels/device.h"

namespace tokenyard::kernels {

// A rectangle of a row-major matrix of which every element is a function of (seed, index in the matrix), so that a part of a
// matrix has the numbers the whole has there.
struct RandomPart {
  std::int64_t rows;
  std::int64_t columns;
  std::int64_t first;   // element of the matrix that is out[0]
  std::int64_t stride;  // of the matrix: columns from one row to the next
};

// Bell-shaped (a sum of four uniform variables) around `mean` with the given deviation. out: [rows, columns], dense.
void fill_random(Bf16* out, const RandomPart& part, std::uint32_t seed, float mean, float deviation, Stream stream);

}  // namespace tokenyard::kernels
