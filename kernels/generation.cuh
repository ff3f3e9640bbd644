// Which generation's means the code that is being compiled has. The folders ampere/ and hopper/ have the same files and names
// with the same meaning, so that a kernel is written once and includes kernels/FILE, which takes it from one of them:
//
//                  ampere/, from 8.0 on                   hopper/, from 9.0 on
//   dependency     the kernel before has ended            it may still run: programmatic dependent launch
//   tile_copy      cp.async: a thread copies 16 bytes     the copy engine (TMA): a thread copies a box of a tensor
//   cluster        none, a block works alone              blocks read each other's shared memory
//
// The host does not see this: there card() says what was compiled into the code that runs.
#pragma once

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 900
#define TOKENYARD_HOPPER 0
#else
#define TOKENYARD_HOPPER 1
#endif
