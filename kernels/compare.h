// Whether two arrays hold the same bits.
#pragma once

#include <cstdint>

#include "kernels/device.h"

namespace tokenyard::kernels {

// Adds the number of elements whose bits differ to *differing (device memory).
void count_differing(const Bf16* a, const Bf16* b, std::int64_t count, unsigned long long* differing, Stream stream);

}  // namespace tokenyard::kernels
