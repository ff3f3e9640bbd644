// silu(gate) * up: docs/kernels/swiglu.md.
#pragma once

#include <cstdint>

#include "kernels/device.h"

namespace tokenyard::kernels {

// gate_up [tokens, 2 intermediate], gate first; out [tokens, intermediate], written. REQUIRES: intermediate is a multiple of 8.
void swiglu(const Bf16* gate_up, std::int32_t tokens, std::int32_t intermediate, Bf16* out, Stream stream);

}  // namespace tokenyard::kernels
