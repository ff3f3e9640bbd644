// In place of nccl.cpp where the build found no nccl.h.
#include "backends/cuda/collectives.h"
#include "core/backend.h"

namespace tokenyard::cuda {

const std::string& why_no_nccl() {
  static const std::string why =
      "this build has no NCCL: install libnccl-dev, or nvidia-nccl-cu13 from PyPI, and configure and build again";
  return why;
}

std::unique_ptr<Collectives> connect_by_nccl(const std::vector<int>&, std::chrono::seconds) {
  throw BackendError(why_no_nccl());
}

}  // namespace tokenyard::cuda
