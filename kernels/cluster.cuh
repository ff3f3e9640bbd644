#pragma once

#include "kernels/generation.cuh"

#if TOKENYARD_HOPPER
#include "kernels/hopper/cluster.cuh"
#else
#include "kernels/ampere/cluster.cuh"
#endif
