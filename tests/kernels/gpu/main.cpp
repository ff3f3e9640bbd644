// Catch2's main, but for a machine without a card, where every test is skipped: exit 4.
#ifdef TOKENYARD_CATCH2_V2
#define CATCH_CONFIG_RUNNER
#endif
#include <cuda_runtime_api.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "catch.h"

int main(int argc, char** argv) {
  // Streams that share a queue of the card wait for each other: where several ranks are tried on one card, each needs its own.
  setenv("CUDA_DEVICE_MAX_CONNECTIONS", "32", 1);
  bool lists = false;
  for (int i = 1; i < argc; ++i) lists = lists || std::strncmp(argv[i], "--list", 6) == 0;
  int cards = 0;
  const cudaError_t error = cudaGetDeviceCount(&cards);
  if (!lists && (error != cudaSuccess || cards == 0)) {
    std::printf("skipped: no GPU (%s)\n", cudaGetErrorString(error));
    return 4;
  }
  return Catch::Session().run(argc, argv);
}
