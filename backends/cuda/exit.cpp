#include "backends/cuda/exit.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace tokenyard::cuda {

void end_without_cleanup() {
  static const int once = on_exit(
      [](int status, void*) {
        std::fflush(nullptr);
        _exit(status);
      },
      nullptr);
  static_cast<void>(once);
}

}  // namespace tokenyard::cuda
