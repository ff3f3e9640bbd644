// Smaller cards than the one here, for tests to pretend.
#pragma once

#include <algorithm>
#include <vector>

#include "kernels/card.h"

namespace tokenyard::gpu {

// One before Hopper, as an RTX 3050 has 20 multiprocessors, and one with Hopper's means and little shared memory, as 12.0 has.
inline std::vector<kernels::Card> lesser_cards() {
  kernels::Card ampere = kernels::card();
  ampere.capability = 86;
  ampere.multiprocessors = std::min(ampere.multiprocessors, 20);
  ampere.shared_bytes = std::min(ampere.shared_bytes, kernels::kLeastShared);
  ampere.early_start = false;
  ampere.peer_access = false;
  kernels::Card blackwell = ampere;
  blackwell.capability = 120;
  blackwell.early_start = kernels::card().early_start;
  ampere.clusters = false;
  return {ampere, blackwell};
}

}  // namespace tokenyard::gpu
