#pragma once

#include "kernels/generation.cuh"

#if TOKENYARD_HOPPER
#include "kernels/hopper/tile_copy.cuh"
#else
#include "kernels/ampere/tile_copy.cuh"
#endif
