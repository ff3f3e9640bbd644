#include <set>

#include "catch.h"
#include "core/base/tokens.h"

using namespace tokenyard;

namespace {

std::pair<std::uint64_t, std::uint64_t> key(BlockHash h) { return {h.low, h.high}; }

}  // namespace

TEST_CASE("spans merge, and tokens are found in them", "[tokens]") {
  TokenSequence s;
  s.append(std::vector<Token>{5, 6, 7});
  s.append(Token{8});
  s.append(ContentId{3}, 10, 4);
  s.append(ContentId{3}, 14, 2);  // goes on where the last one ended
  s.append(ContentId{3}, 0, 1);   // does not
  s.append(Token{9});
  CHECK(s.size() == 12);
  CHECK(s.spans().size() == 4);
  CHECK(s.at(0, 1000) == 5);
  CHECK(s.at(3, 1000) == 8);
  CHECK(s.at(11, 1000) == 9);
  TokenSequence other;
  other.append(ContentId{3}, 0, 100);
  CHECK(s.at(4, 1000) == other.at(10, 1000));
  CHECK(s.at(10, 1000) == other.at(0, 1000));
  std::set<Token> seen;
  for (int i = 0; i < 100; ++i) {
    const Token token = other.at(i, 50);
    CHECK((token >= 0 && token < 50));
    seen.insert(token);
  }
  CHECK(seen.size() > 30);
}

TEST_CASE("block hashes name the text and everything before it", "[tokens]") {
  TokenSequence a;
  TokenSequence b;
  a.append(ContentId{1}, 0, 64);
  b.append(ContentId{1}, 0, 40);
  b.append(ContentId{2}, 0, 24);
  const BlockHash a0 = a.hash_block({}, 0, 16);
  const BlockHash a1 = a.hash_block(a0, 16, 16);
  CHECK(key(a0) == key(b.hash_block({}, 0, 16)));
  CHECK(key(a1) == key(b.hash_block(a0, 16, 16)));
  CHECK(key(a.hash_block(a1, 32, 16)) != key(b.hash_block(a1, 32, 16)));  // parts after 40 tokens
  CHECK(key(a1) != key(a.hash_block({}, 16, 16)));                        // the prefix counts
  // The same text in other pieces is the same.
  TokenSequence c;
  for (int i = 0; i < 64; ++i) c.append(ContentId{1}, i, 1);
  CHECK(key(c.hash_block(a0, 16, 16)) == key(a1));
  // Stored ids, one by one or together.
  TokenSequence d;
  TokenSequence e;
  d.append(std::vector<Token>{1, 2, 3, 4});
  for (Token t = 1; t <= 4; ++t) e.append(t);
  CHECK(key(d.hash_block({}, 0, 4)) == key(e.hash_block({}, 0, 4)));
  CHECK(key(d.hash_block({}, 0, 3)) != key(d.hash_block({}, 0, 4)));
  CHECK(key(d.hash_block({}, 1, 2)) != key(d.hash_block({}, 2, 2)));
}

TEST_CASE("block hashes are the same bytes on every machine", "[tokens]") {
  TokenSequence s;
  s.append(std::vector<Token>{1, 2, 3, 4});
  s.append(ContentId{7}, 100, 4);
  const BlockHash h = s.hash_block({}, 0, 8);
  CHECK(h.low == 0x43c154a48ff481au);
  CHECK(h.high == 0xe170e1da1425aab6u);
}
