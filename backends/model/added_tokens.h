// Tokens found in the raw text before anything else looks at it: <|im_start|>, <think>, ...
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/types.h"

namespace tokenyard {

// As in tokenizer.json.
struct AddedToken {
  Token id = 0;
  std::string content;
  bool single_word = false;  // not beside a letter, digit, mark or underscore
  bool lstrip = false;       // takes the white space before it
  bool rstrip = false;       // takes the white space after it
  bool normalized = false;   // looked for in the normalised text
  bool special = false;      // left out of text where the reader asks for that
};

// Finds the leftmost, there the longest, of a set of tokens. Immutable.
class AddedTokenFinder {
 public:
  // Of equal contents the first counts. REQUIRES: no content is empty.
  explicit AddedTokenFinder(std::vector<AddedToken> tokens = {});

  // Calls text(std::string_view) and token(Token) for the parts of `text` in order. REQUIRES: `text` is UTF-8.
  // O(n * the longest token).
  template <typename OnText, typename OnToken>
  void split(std::string_view text, const OnText& on_text, const OnToken& on_token) const {
    std::size_t done = 0;
    for (std::size_t from = 0;;) {
      const Match match = next(text, from, done);
      if (match.token == nullptr) break;
      from = match.from;
      if (done < match.begin) on_text(text.substr(done, match.begin - done));
      on_token(match.token->id);
      done = match.end;
    }
    if (done < text.size()) on_text(text.substr(done));
  }

 private:
  struct Match {
    const AddedToken* token = nullptr;
    std::size_t begin = 0;
    std::size_t end = 0;
    std::size_t from = 0;  // where to search on
  };
  // A node of the trie of contents.
  struct Node {
    std::int32_t token = -1;
    std::vector<std::pair<unsigned char, std::int32_t>> children;  // sorted
  };
  Match next(std::string_view text, std::size_t from, std::size_t done) const;
  std::int32_t child(std::int32_t node, char byte) const;

  std::vector<AddedToken> tokens_;
  std::vector<Node> nodes_;
  std::vector<bool> starts_;  // may a content begin with this byte?
};

}  // namespace tokenyard
