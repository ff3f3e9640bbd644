// Several cards of one process with what the kernels over ranks need, for their tests and benchmarks.
#pragma once

#include <cuda_runtime_api.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <thread>
#include <vector>

#include "kernels/rank_norm.h"
#include "tests/kernels/gpu/support/device.h"

namespace tokenyard::gpu {

inline std::int32_t count_cards() {
  int count = 0;
  check(cudaGetDeviceCount(&count), "cudaGetDeviceCount");
  return count;
}

// As many of 1, 2, 4, 8 as there are cards that reach each other.
inline std::vector<std::int32_t> rank_counts() {
  std::vector<std::int32_t> out = {1};
  const std::int32_t cards = count_cards();
  for (const std::int32_t ranks : {2, 4, 8}) {
    if (ranks <= cards) out.push_back(ranks);
  }
  return out;
}

// Runs `task` on a thread for every rank, whose device is the rank's. Throws what the first failing one did.
template <class Task>
void on_ranks(std::int32_t ranks, const Task& task) {
  std::vector<std::exception_ptr> errors(static_cast<std::size_t>(ranks));
  std::vector<std::thread> threads;
  for (std::int32_t r = 0; r < ranks; ++r) {
    threads.emplace_back([&, r] {
      try {
        check(cudaSetDevice(r), "cudaSetDevice");
        task(r);
      } catch (...) {
        errors[static_cast<std::size_t>(r)] = std::current_exception();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
}

// The mailboxes of so many cards, linked.
class LinkedCards {
 public:
  LinkedCards(std::int32_t ranks, std::int32_t sites) : ranks_(ranks), sites_(sites) {
    check(cudaHostAlloc(reinterpret_cast<void**>(&failed_), 256, cudaHostAllocPortable), "cudaHostAlloc");
    *failed_ = 0;
    memory_.resize(static_cast<std::size_t>(ranks));
    on_ranks(ranks, [&](std::int32_t r) {
      for (std::int32_t other = 0; other < ranks; ++other) {
        if (other != r && cudaDeviceEnablePeerAccess(other, 0) == cudaErrorPeerAccessAlreadyEnabled) cudaGetLastError();
      }
      const auto bytes = static_cast<std::size_t>(kernels::Mailbox::bytes(sites));
      check(cudaMalloc(&memory_[static_cast<std::size_t>(r)], bytes), "cudaMalloc");
      check(cudaMemset(memory_[static_cast<std::size_t>(r)], 0, bytes), "cudaMemset");
      check(cudaDeviceSynchronize(), "clearing");
    });
  }
  LinkedCards(const LinkedCards&) = delete;
  LinkedCards& operator=(const LinkedCards&) = delete;
  ~LinkedCards() {
    for (void* memory : memory_) cudaFree(memory);
    cudaFreeHost(failed_);
  }

  kernels::RankLinks links(std::int32_t rank) const {
    kernels::RankLinks out{};
    out.rank = rank;
    out.ranks = ranks_;
    out.sites = sites_;
    for (std::size_t r = 0; r < memory_.size(); ++r) out.mailboxes[r] = kernels::Mailbox::in(memory_[r], sites_);
    out.failed = failed_;
    return out;
  }
  std::uint32_t failed() const { return *static_cast<volatile std::uint32_t*>(failed_); }

 private:
  std::int32_t ranks_;
  std::int32_t sites_;
  std::uint32_t* failed_ = nullptr;
  std::vector<void*> memory_;
};

}  // namespace tokenyard::gpu
