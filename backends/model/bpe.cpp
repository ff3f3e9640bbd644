#include "backends/model/bpe.h"

#include <algorithm>
#include <bit>
#include <utility>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace tokenyard {
namespace {

// A power of two at least twice `count`.
std::size_t table_size(std::size_t count) { return std::bit_ceil(2 * count + 2); }

std::size_t hash_pair(std::uint64_t pair) {
  pair *= 0x9E3779B97F4A7C15u;
  return static_cast<std::size_t>(pair ^ pair >> 32);
}

// A part of a word: a token, linked to its neighbours.
struct Part {
  Token token;  // -1: joined into the part before it
  std::int32_t previous;
  std::int32_t next;  // -1: none
};

// Two neighbours that may be joined. Stale when the left one is no longer `left`, or its neighbour no longer `right`.
struct Candidate {
  std::uint32_t rank;
  std::int32_t at;
  Token left;
  Token right;
  Token merged;
};

// For a heap whose front is the lowest rank, then the leftmost.
bool later(const Candidate& a, const Candidate& b) { return std::pair(a.rank, a.at) > std::pair(b.rank, b.at); }

struct Scratch {
  std::vector<Part> parts;
  std::vector<Candidate> heap;
};

}  // namespace

TokenTable::TokenTable(std::size_t most) : slots_(table_size(most)) {}

std::uint64_t TokenTable::hash_of(std::string_view text) { return XXH3_64bits(text.data(), text.size()); }

void TokenTable::add(std::string_view text, Token id) {
  const std::uint64_t hash = hash_of(text);
  std::size_t at = hash;
  while (slots_[at &= slots_.size() - 1].id != -1) ++at;
  slots_[at] = {tag_of(hash), id};
}

Bpe::Bpe(std::vector<std::string> tokens, const std::vector<Merge>& merges, const Settings& settings)
    : tokens_(std::move(tokens)),
      settings_(settings),
      by_bytes_(tokens_.size()),
      merges_(table_size(merges.size())),
      state_(std::make_unique<std::atomic<std::uint8_t>[]>(tokens_.size())) {
  byte_tokens_.fill(-1);
  for (std::size_t id = 0; id < tokens_.size(); ++id) {
    const std::string& bytes = tokens_[id];
    if (bytes.empty()) continue;
    if (bytes.size() == 1) byte_tokens_[static_cast<unsigned char>(bytes[0])] = static_cast<Token>(id);
    by_bytes_.add(bytes, static_cast<Token>(id));
  }
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    const std::uint64_t pair = pair_of(merges[rank].left, merges[rank].right);
    std::size_t slot = hash_pair(pair);
    while (merges_[slot &= merges_.size() - 1].pair != kNoPair) ++slot;
    merges_[slot] = {pair, static_cast<std::uint32_t>(rank), merges[rank].merged};
  }
}

const Bpe::Slot* Bpe::find_merge(Token left, Token right) const {
  const std::uint64_t pair = pair_of(left, right);
  for (std::size_t at = hash_pair(pair);; ++at) {
    const Slot& slot = merges_[at & (merges_.size() - 1)];
    if (slot.pair == pair) return &slot;
    if (slot.pair == kNoPair) return nullptr;
  }
}

void Bpe::encode(std::string_view word, std::vector<Token>& out) const {
  const Token whole =
      by_bytes_.find(word, [&](Token id) -> const std::string& { return tokens_[static_cast<std::size_t>(id)]; });
  if (whole == -1) return merge(word, out);
  if (settings_.ignore_merges) return out.push_back(whole);
  // The answer is the same whoever finds it, so threads need no order among themselves.
  std::atomic<std::uint8_t>& state = state_[static_cast<std::size_t>(whole)];
  if (state.load(std::memory_order_relaxed) == kWhole) return out.push_back(whole);
  const std::size_t before = out.size();
  merge(word, out);
  if (out.size() == before + 1 && out.back() == whole) state.store(kWhole, std::memory_order_relaxed);
}

void Bpe::merge(std::string_view word, std::vector<Token>& out) const {
  thread_local Scratch scratch;
  std::vector<Part>& parts = scratch.parts;
  std::vector<Candidate>& heap = scratch.heap;
  parts.clear();
  heap.clear();

  bool unknown_before = false;
  for (const char c : word) {
    Token token = byte_tokens_[static_cast<unsigned char>(c)];
    const bool unknown = token == -1;
    if (unknown) {
      if (!settings_.unknown || (unknown_before && settings_.fuse_unknown)) continue;
      token = *settings_.unknown;
    }
    unknown_before = unknown;
    const auto at = static_cast<std::int32_t>(parts.size());
    parts.push_back({token, at - 1, at + 1});
  }
  if (parts.empty()) return;
  parts.back().next = -1;

  const auto part = [&](std::int32_t at) -> Part& { return parts[static_cast<std::size_t>(at)]; };
  const auto candidate = [&](std::int32_t at) -> std::optional<Candidate> {
    const Part& left = part(at);
    if (left.next == -1) return std::nullopt;
    const Token right = part(left.next).token;
    const Slot* slot = find_merge(left.token, right);
    if (slot == nullptr) return std::nullopt;
    return Candidate{slot->rank, at, left.token, right, slot->merged};
  };
  const auto push = [&](std::int32_t at) {
    if (const auto found = candidate(at)) {
      heap.push_back(*found);
      std::push_heap(heap.begin(), heap.end(), later);
    }
  };

  for (std::int32_t at = 0; at + 1 < static_cast<std::int32_t>(parts.size()); ++at) {
    if (const auto found = candidate(at)) heap.push_back(*found);
  }
  std::make_heap(heap.begin(), heap.end(), later);
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), later);
    const Candidate best = heap.back();
    heap.pop_back();
    Part& left = part(best.at);
    if (left.token != best.left || left.next == -1 || part(left.next).token != best.right) continue;
    Part& right = part(left.next);
    left.token = best.merged;
    right.token = -1;
    left.next = right.next;
    if (left.next != -1) part(left.next).previous = best.at;
    if (left.previous != -1) push(left.previous);
    push(best.at);
  }
  for (std::int32_t at = 0; at != -1; at = part(at).next) out.push_back(part(at).token);
}

}  // namespace tokenyard
