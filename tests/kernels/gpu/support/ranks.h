// Several cards of one process with what the kernels over ranks need, for their tests and benchmarks.
#pragma once

#include <cuda_runtime_api.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "kernels/card.h"
#include "kernels/rank_norm.h"
#include "tests/kernels/gpu/support/device.h"

namespace tokenyard::gpu {

inline std::int32_t count_cards() {
  int count = 0;
  check(cudaGetDeviceCount(&count), "cudaGetDeviceCount");
  return count;
}

// While it lives, so many ranks have a card: with fewer cards than ranks they take turns (kernels::PretendedCards).
class CardsFor {
 public:
  explicit CardsFor(std::int32_t ranks) : ranks_a_card_((ranks + count_cards() - 1) / count_cards()) {
    if (ranks_a_card_ == 1) return;
    kernels::Card late = kernels::card();
    late.early_start = false;
    cards_.emplace(ranks);
    card_.emplace(late);
  }

  // Whether the ranks of a card may each launch so many blocks that wait for the others: twice as many have room.
  bool have_room(std::int64_t blocks, std::int64_t threads) const {
    return ranks_a_card_ == 1 || ranks_a_card_ * blocks * threads <= std::int64_t{1024} * kernels::card().multiprocessors;
  }

 private:
  std::int32_t ranks_a_card_;
  std::optional<kernels::PretendedCards> cards_;
  std::optional<kernels::PretendedCard> card_;
};

// Runs `task` on a thread for every rank, whose device is the rank's. REQUIRES: as many cards, or CardsFor. Throws what the
// first failing one did.
template <class Task>
void on_ranks(std::int32_t ranks, const Task& task) {
  std::vector<std::exception_ptr> errors(static_cast<std::size_t>(ranks));
  std::vector<std::thread> threads;
  for (std::int32_t r = 0; r < ranks; ++r) {
    threads.emplace_back([&, r] {
      try {
        check(cudaSetDevice(kernels::device_of(r)), "cudaSetDevice");
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
    check(cudaHostAlloc(reinterpret_cast<void**>(&watch_), 256, cudaHostAllocPortable), "cudaHostAlloc");
    *watch_ = {};
    memory_.resize(static_cast<std::size_t>(ranks));
    on_ranks(ranks, [&](std::int32_t r) {
      for (std::int32_t other = 0; other < ranks; ++other) {
        const int device = kernels::device_of(other);
        if (device != kernels::device_of(r) && cudaDeviceEnablePeerAccess(device, 0) == cudaErrorPeerAccessAlreadyEnabled) {
          cudaGetLastError();
        }
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
    cudaFreeHost(watch_);
  }

  kernels::RankLinks links(std::int32_t rank) const {
    kernels::RankLinks out{};
    out.rank = rank;
    out.ranks = ranks_;
    out.sites = sites_;
    for (std::size_t r = 0; r < memory_.size(); ++r) out.mailboxes[r] = kernels::Mailbox::in(memory_[r], sites_);
    out.watch = watch_;
    return out;
  }
  std::uint32_t late() const { return *static_cast<volatile std::uint32_t*>(&watch_->late); }
  void set_late(std::uint32_t value) { *static_cast<volatile std::uint32_t*>(&watch_->late) = value; }
  void set_failed(std::uint32_t value) { *static_cast<volatile std::uint32_t*>(&watch_->failed) = value; }

 private:
  std::int32_t ranks_;
  std::int32_t sites_;
  kernels::RankWatch* watch_ = nullptr;
  std::vector<void*> memory_;
};

}  // namespace tokenyard::gpu
