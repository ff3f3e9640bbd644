// Norms (norm.h) of cards that share a model: what is added to the residual is the sum of one partial result from each card. So
// each is an all-reduce, over peer memory, and the norm after it: docs/kernels/rank_norm.md.
//
// All ranks launch the same kernels with the same sizes in the same order, each from a thread of its own. A rank waits within a
// kernel for what the others have launched, not for their threads. Partial results are added neighbours first, in the order of
// the ranks, so that all ranks get the same bits.
#pragma once

#include <cstdint>

#include "kernels/norm.h"

namespace tokenyard::kernels {

inline constexpr std::int32_t kMostCards = 8;
// Numbers of a step's rows up to which they travel as packets.
inline constexpr std::int64_t kMostPacketNumbers = std::int64_t{1} << 14;

// A rank's memory that the others write to, zero before the first step. Parts of it for a number of sites.
struct Mailbox {
  std::uint32_t* flags;   // [sites][2][kMostCards]: the step in which a rank has come so far
  void* packets;          // [2][kMostCards][kMostPacketNumbers / 2] of 16 bytes: two numbers, each with its flag
  std::uint32_t* step;    // counted by next_step(); only this rank uses it, as the next
  std::uint32_t* blocks;  // of a kernel that have come to its end

  static std::int64_t bytes(std::int32_t sites);
  static Mailbox in(void* memory, std::int32_t sites);
};

// In host memory that all cards and the host see.
struct RankWatch {
  // Not 0: waiting ends at once, and what is then computed is worthless. The host writes it.
  std::uint32_t failed;
  // 0, or 1 + a rank that a card has waited for for kMostWaitNs. It goes on waiting, since only the host knows whether all
  // stood still meanwhile, and writes it again after as long, if it was set to 0.
  std::uint32_t late;
  // Another number after every kernel by `gathered`: a card gets on.
  std::uint32_t moves;
};

struct RankLinks {
  std::int32_t rank;
  std::int32_t ranks;             // 1, 2, 4 or 8
  std::int32_t sites;             // kernels of a step that wait for other ranks
  Mailbox mailboxes[kMostCards];  // by rank
  RankWatch* watch;
};

// How long a rank is waited for before it is late. Longer than the host's patience with a thread, which knows better what
// hangs.
inline constexpr std::int64_t kMostWaitNs = 4'400'000'000;

// Begins a step: what the ranks show each other from now on is its. Every rank launches it before the first kernel that waits.
void next_step(const RankLinks& links, Stream stream);

// Which way partial results take. The bits are the same.
enum class RankRoute : std::int32_t {
  packets,   // every rank sends its own to all others, number by number with a flag: least waiting
  one_shot,  // every rank reads the others' rows when a flag says that they are there
  two_shot,  // every rank does so for its share of the rows, and writes what comes out to all: least traffic
  gathered,  // none: all partial results are in this rank's own memory, brought there before
};
// Between cards that reach each other's memory, for rows of so many numbers.
RankRoute route_of(std::int64_t rows, std::int32_t hidden, std::int32_t ranks);

struct RankNorm {
  Norm norm;                         // `partial` is not used; `out` is this rank's
  const float* partial[kMostCards];  // [tokens, hidden], by rank
  Bf16* out[kMostCards];             // by rank; two_shot writes all of them
  RankLinks links;                   // of gathered only the ranks and the watch
  std::int32_t site;                 // of this kernel in the step, ascending
  std::int32_t first;                // gathered: the token that the partial results begin with
};

// By two_shot only the ranks whose share a row is keep its residual: the whole step goes that way, or none of it. Which
// share a row has depends on `tokens`. REQUIRES for packets: rows x hidden <= kMostPacketNumbers, and the sites of
// neighbouring kernels are odd and even by turns.
void add_and_norm_over_ranks(const RankNorm& args, std::int32_t tokens, RankRoute route, Stream stream);
// `tokens`: of the step.
// By gathered only rows of the tokens first .. first + tokens - 1 are written.
void gather_and_norm_over_ranks(const RankNorm& args, const std::int32_t* tokens_of, std::int32_t rows, std::int32_t tokens,
                                RankRoute route, Stream stream);

// The logits of all ranks' shares of the vocabulary, on every rank.
struct RankLogits {
  const Bf16* shares[kMostCards];  // by rank [rows, share_stride]
  std::int32_t share;              // tokens of a rank
  std::int32_t share_stride;
  Bf16* out;  // [rows, stride], written: its first ranks x share columns
  std::int32_t stride;
  RankLinks links;
  std::int32_t site;
};
// `here`: all shares are in this rank's own memory, brought there before; of the links only the ranks are used.
void gather_logits(const RankLogits& args, std::int32_t rows, bool here, Stream stream);

}  // namespace tokenyard::kernels
