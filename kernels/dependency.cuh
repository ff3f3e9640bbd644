#pragma once

#include "kernels/generation.cuh"

#if TOKENYARD_HOPPER
#include "kernels/hopper/dependency.cuh"
#else
#include "kernels/ampere/dependency.cuh"
#endif
