#include "core/base/tokens.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cstring>

namespace tokenyard {

void TokenSequence::append(Token id) { append(std::span<const Token>(&id, 1)); }

void TokenSequence::append(std::span<const Token> ids) {
  if (ids.empty()) return;
  const auto count = static_cast<std::int32_t>(ids.size());
  if (!spans_.empty() && spans_.back().content == kNoContent) {
    spans_.back().length += count;  // stored ids are appended in order, so the last stored span always ends at the back
  } else {
    spans_.push_back({size_, count, kNoContent, static_cast<std::int32_t>(stored_.size())});
  }
  stored_.insert(stored_.end(), ids.begin(), ids.end());
  size_ += count;
}

std::size_t TokenSequence::span_at(std::int32_t position) const {
  const auto after =
      std::upper_bound(spans_.begin(), spans_.end(), position, [](std::int32_t p, const TokenSpan& s) { return p < s.begin; });
  return static_cast<std::size_t>(after - spans_.begin()) - 1;
}

Token TokenSequence::at(std::int32_t position, std::int32_t vocabulary) const {
  const TokenSpan& span = spans_[span_at(position)];
  const std::int32_t index = span.offset + (position - span.begin);
  if (span.content == kNoContent) return stored_[static_cast<std::size_t>(index)];
  const std::uint64_t name[2] = {static_cast<std::uint64_t>(span.content), static_cast<std::uint64_t>(index)};
  return static_cast<Token>(XXH3_64bits(name, sizeof name) % static_cast<std::uint64_t>(vocabulary));
}

inline BlockHash TokenSequence::hash_from(const TokenSpan*& at, BlockHash prefix, std::int32_t first,
                                          std::int32_t count) const {
  constexpr XXH64_hash_t stored_tag = 0x53;  // keeps stored and named pieces apart
  constexpr XXH64_hash_t named_tag = 0x4e;
  XXH128_hash_t h{prefix.low, prefix.high};
  while (count > 0) {
    const TokenSpan& span = *at;
    const std::int32_t skip = first - span.begin;
    const std::int32_t take = std::min(count, span.length - skip);
    if (span.content == kNoContent) {
      const XXH128_hash_t ids = XXH3_128bits_withSeed(stored_.data() + span.offset + skip,
                                                      static_cast<std::size_t>(take) * sizeof(Token), stored_tag);
      const std::uint64_t piece[] = {h.low64, h.high64, ids.low64, ids.high64};
      h = XXH3_128bits_withSeed(piece, sizeof piece, stored_tag);
    } else {
      const auto part = static_cast<std::uint64_t>(span.offset + skip) << 32 | static_cast<std::uint32_t>(take);
      const std::uint64_t piece[] = {h.low64, h.high64, static_cast<std::uint64_t>(span.content), part};
      h = XXH3_128bits_withSeed(piece, sizeof piece, named_tag);
    }
    first += take;
    count -= take;
    if (skip + take == span.length) ++at;
  }
  return {h.low64, h.high64};
}

BlockHash TokenSequence::hash_block(BlockHash prefix, std::int32_t first, std::int32_t count) const {
  const TokenSpan* span = &spans_[span_at(first)];
  return hash_from(span, prefix, first, count);
}

void TokenSequence::hash_blocks(std::int32_t block_size, std::int32_t count, std::vector<BlockHash>& hashes) const {
  const auto known = static_cast<std::int32_t>(hashes.size());
  if (known >= count) return;
  hashes.resize(static_cast<std::size_t>(count));
  const TokenSpan* span = &spans_[span_at(known * block_size)];
  BlockHash prefix = known == 0 ? BlockHash{} : hashes[static_cast<std::size_t>(known) - 1];
  for (std::int32_t i = known; i < count; ++i) {
    prefix = hashes[static_cast<std::size_t>(i)] = hash_from(span, prefix, i * block_size, block_size);
  }
}

void TokenSequence::clear() {
  size_ = 0;
  spans_.clear();
  stored_.clear();
}

}  // namespace tokenyard
