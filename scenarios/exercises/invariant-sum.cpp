// The sum of x[0] .. x[n-1], as a kernel computes it for one row of a batch. With few rows a GPU has more threads than rows, so
// the sum is split into parts that are added up in the end. Make the bits of a row independent of how many rows there are.
#include <algorithm>

#include "cli/exercise/student.h"

extern "C" float sum(const float* x, int n, int rows) {
  const int parts = std::max(1, 16 / rows);
  float total = 0;
  for (int part = 0; part < parts; ++part) {
    float partial = 0;
    for (int i = part; i < n; i += parts) partial += x[i];
    total += partial;
  }
  return total;
}
