// What cards show each other where none can reach another's memory: by NCCL, through the host's memory or a network card.
// Between cards that can, the kernels do it themselves (kernels/rank_norm.h).
//
// A build without NCCL's header has no_nccl.cpp in place of nccl.cpp. The library, libnccl.so.2, is loaded when it is first
// needed: it has 200 MB, and whoever has one card, or cards with NVLink, needs none.
#pragma once

#include <cuda_runtime_api.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace tokenyard::cuda {

class Collectives {
 public:
  // REQUIRES: what was enqueued has ended, and the graphs that captured it are gone.
  virtual ~Collectives() = default;
  // Puts into `stream`: the `bytes` at `mine` of every rank, one after another, come to `all` on each. All ranks call it in the
  // same order, each on a thread of its own. REQUIRES while a stream is captured: so many bytes were gathered before, since
  // NCCL takes memory at the first call of a kind. Throws BackendError; after abort() always.
  virtual void all_gather(std::int32_t rank, const void* mine, void* all, std::int64_t bytes, cudaStream_t stream) = 0;
  // Kernels that wait for another rank end, with worthless results. On any thread; the second call does nothing.
  virtual void abort() noexcept = 0;
};

// Why there is no NCCL, one sentence that says what to do; empty: there is.
const std::string& why_no_nccl();
// Between these devices, by rank. REQUIRES: why_no_nccl() is empty. Throws BackendError, also when they have not joined in
// `patience`: the thread that waits within NCCL is then left behind (exit.h).
std::unique_ptr<Collectives> connect_by_nccl(const std::vector<int>& devices, std::chrono::seconds patience);

}  // namespace tokenyard::cuda
