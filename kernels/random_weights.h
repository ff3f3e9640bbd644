// Random weights where only a model's shape matters.
#pragma once

#include <cstdint>

#include "kernels/device.h"

namespace tokenyard::kernels {

// out[i] is bell-shaped (a sum of four uniform variables) around `mean` with the given deviation, a function of (seed, i).
void fill_random(Bf16* out, std::int64_t count, std::uint32_t seed, float mean, float deviation, Stream stream);

}  // namespace tokenyard::kernels
