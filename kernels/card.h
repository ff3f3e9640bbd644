// What the kernels can count on: of the current device, and of what they were compiled for.
#pragma once

#include <cstdint>

#include "kernels/device.h"

namespace tokenyard::kernels {

// What a block may have on every card that these kernels run on, in bytes: the 99 KiB of 8.6, 8.9 and 12.0.
inline constexpr int kLeastShared = 99 * 1024;
// Compute capabilities: the first with bf16 in its tensor cores, and the first with the means of kernels/hopper.
inline constexpr int kAmpere = 80;
inline constexpr int kHopper = 90;

struct Card {
  int capability;    // of the card: 89 is 8.9
  int compiled_for;  // what the kernels' code was compiled for, at most `capability`: __CUDA_ARCH__ / 10 of what runs
  bool by_driver;    // their machine code was made on this machine, by the driver
  int multiprocessors;
  int shared_bytes;  // that a block may have
  bool early_start;  // a kernel may start before its predecessor has ended: launch.cuh
  bool clusters;     // of blocks that read each other's shared memory
  bool peer_access;  // other cards' memory may be asked for
};

// The current device's; asked once for each, later calls cost a look into a table. Throws DeviceError if none of the code that
// was compiled runs there.
const Card& card();

// The cards of this machine, and the one of a rank: the first has rank 0.
int num_cards();
int device_of(std::int32_t rank);

// For tests, while it lives: as if every device, or this one, were so. Only what it can do less of may differ from card(). Not
// thread-safe.
class PretendedCard {
 public:
  explicit PretendedCard(const Card& card, int device = kEvery);
  ~PretendedCard();
  PretendedCard(const PretendedCard&) = delete;
  PretendedCard& operator=(const PretendedCard&) = delete;

 private:
  static constexpr int kEvery = -1;
};

// For tests, while it lives: as if there were so many cards, whose ranks take turns on those that there are. Kernels of one
// card's ranks then wait for each other. What waits must leave multiprocessors free for what is waited for, and nothing may
// start early (Card::early_start) and take their place. Not thread-safe.
class PretendedCards {
 public:
  explicit PretendedCards(int count);
  ~PretendedCards();
  PretendedCards(const PretendedCards&) = delete;
  PretendedCards& operator=(const PretendedCards&) = delete;
};

}  // namespace tokenyard::kernels
