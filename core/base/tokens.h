// A request's tokens, stored or merely named.
//
// A simulated hour holds over a hundred million prompt tokens; storing them would cost more than scheduling them.
// So a sequence is a list of spans: either token ids, or "tokens offset .. offset+length-1 of content c". Two spans of
// the same content at the same offsets are the same text, which is all that prefix caching needs to know.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/base/types.h"

namespace tokenyard {

// Identity of a full block *and everything before it*. 128 bits (XXH3), because the index compares hashes and not tokens:
// among 2^32 distinct blocks a chance collision has probability 2^-65. It is no cryptographic hash: a server of mutually
// distrusting users gives each its own salt.
struct BlockHash {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  friend bool operator==(const BlockHash&, const BlockHash&) = default;
};

struct TokenSpan {
  std::int32_t begin = 0;          // position of its first token in the sequence
  std::int32_t length = 0;         // tokens
  ContentId content = kNoContent;  // kNoContent: stored ids
  std::int32_t offset = 0;         // into the content, or into the sequence's stored ids
  friend bool operator==(const TokenSpan&, const TokenSpan&) = default;
};

class TokenSequence {
 public:
  std::int32_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::span<const TokenSpan> spans() const { return spans_; }
  std::span<const Token> stored() const { return stored_; }

  void append(Token id);
  void append(std::span<const Token> ids);
  // Tokens offset .. offset+length-1 of `content`. REQUIRES: content, offset, length >= 0.
  void append(ContentId content, std::int32_t offset, std::int32_t length) {
    if (!spans_.empty() && spans_.back().content == content && spans_.back().offset + spans_.back().length == offset) {
      spans_.back().length += length;
    } else if (length > 0) {
      spans_.push_back({size_, length, content, offset});
    }
    size_ += length;
  }

  // One more token of the content that it ends with. False, and nothing changed, when it ends with a stored id.
  // REQUIRES: !empty().
  bool extend_named() {
    if (spans_.back().content == kNoContent) return false;
    ++spans_.back().length;
    ++size_;
    return true;
  }

  // Token at `position`; a named one is made up from (content, offset) below `vocabulary`, always the same way.
  // O(log spans).
  Token at(std::int32_t position, std::int32_t vocabulary) const;

  // Hash of tokens first .. first+count-1 that follow a prefix hashed as `prefix`. O(count) for stored tokens, O(spans
  // touched) for named ones. REQUIRES: first + count <= size().
  BlockHash hash_block(BlockHash prefix, std::int32_t first, std::int32_t count) const;
  // Hashes whole blocks one after the other: `hashes` holds those of the first ones and gets more until there are `count`.
  // REQUIRES: count * block_size <= size().
  void hash_blocks(std::int32_t block_size, std::int32_t count, std::vector<BlockHash>& hashes) const;

  void clear();

  friend bool operator==(const TokenSequence&, const TokenSequence&) = default;

 private:
  std::size_t span_at(std::int32_t position) const;
  // `span` is the one of token `first`, and after that the one of the token behind the last.
  BlockHash hash_from(const TokenSpan*& span, BlockHash prefix, std::int32_t first, std::int32_t count) const;

  std::int32_t size_ = 0;
  std::vector<TokenSpan> spans_;
  std::vector<Token> stored_;
};

}  // namespace tokenyard
