// Reads memory and does nothing with it: how fast this card can read at all.
#pragma once

#include <cstdint>

#include "kernels/device.h"

namespace tokenyard::kernels {

// Reads data[0 .. bytes); `sink` (device memory, 4 bytes) keeps the compiler from leaving the reads out. REQUIRES: bytes is a
// multiple of 65536.
void read_all(const void* data, std::int64_t bytes, std::uint32_t* sink, Stream stream);

}  // namespace tokenyard::kernels
