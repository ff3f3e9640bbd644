// Byte-level byte-pair encoding: a word's bytes are joined, two neighbours at a time, lowest rank first and leftmost among
// equals.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/types.h"

namespace tokenyard {

// Ids by text. Keeps no texts: whoever fills it passes those by id again.
class TokenTable {
 public:
  // REQUIRES: at most `most` texts are added, no text twice.
  explicit TokenTable(std::size_t most);
  void add(std::string_view text, Token id);
  // -1: none. O(bytes of `text`).
  template <typename TextOf>
  Token find(std::string_view text, const TextOf& text_of) const {
    const std::uint64_t hash = hash_of(text);
    for (std::size_t at = hash;; ++at) {
      const Slot& slot = slots_[at & (slots_.size() - 1)];
      if (slot.id == -1) return -1;
      if (slot.tag == tag_of(hash) && std::string_view(text_of(slot.id)) == text) return slot.id;
    }
  }

 private:
  struct Slot {
    std::uint32_t tag = 0;
    Token id = -1;
  };
  static std::uint64_t hash_of(std::string_view text);
  static std::uint32_t tag_of(std::uint64_t hash) { return static_cast<std::uint32_t>(hash >> 32); }
  std::vector<Slot> slots_;  // open addressing
};

// Immutable once filled; encode may be called from several threads.
class Bpe {
 public:
  struct Merge {
    Token left;
    Token right;
    Token merged;
  };
  struct Settings {
    bool ignore_merges = false;    // a word that is a token is that token, whatever the merges say
    std::optional<Token> unknown;  // stands for a byte that is no token; without it such a byte is dropped
    bool fuse_unknown = false;     // one for a run of them
  };

  // `tokens[id]` is the bytes of a token that words may become, or empty. `merges` in order of rank. Throws nothing of its own;
  // REQUIRES: tokens differ, ids in merges are in `tokens`, bytes of `merged` are those of `left` and `right`.
  Bpe(std::vector<std::string> tokens, const std::vector<Merge>& merges, const Settings& settings);

  // Appends the tokens of `word`. O(n log n) in bytes; a word that is one token costs one look-up from the second time on.
  // REQUIRES: fewer than 2^31 bytes.
  void encode(std::string_view word, std::vector<Token>& out) const;

 private:
  struct Slot {
    std::uint64_t pair = kNoPair;
    std::uint32_t rank = 0;
    Token merged = 0;
  };
  enum : std::uint8_t { kUnsure, kWhole };
  static constexpr std::uint64_t kNoPair = ~std::uint64_t{0};

  static std::uint64_t pair_of(Token left, Token right) {
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 | static_cast<std::uint32_t>(right);
  }
  const Slot* find_merge(Token left, Token right) const;
  void merge(std::string_view word, std::vector<Token>& out) const;

  std::vector<std::string> tokens_;
  Settings settings_;
  std::array<Token, 256> byte_tokens_;  // -1: none
  TokenTable by_bytes_;
  std::vector<Slot> merges_;                            // open addressing by hash of the pair
  std::unique_ptr<std::atomic<std::uint8_t>[]> state_;  // per token: does encoding its bytes give it back?
};

}  // namespace tokenyard
