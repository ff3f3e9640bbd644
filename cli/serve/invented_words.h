// What a simulated GPU says: words of the tokenizer's vocabulary, chosen by the request's seed. A client cannot tell from their
// shape that nobody computed them.
#pragma once

#include <cstdint>
#include <vector>

#include "backends/model/tokenizer.h"
#include "core/request.h"

namespace tokenyard::serve {

class InventedWords {
 public:
  // Takes up to a few hundred tokens that are a space and small letters. O(vocabulary).
  explicit InventedWords(const Tokenizer& tokenizer);

  // Gives `spec` the tokens it will say: as many as it may where it ignores the end of the text, else 16 to 255.
  void script(RequestSpec& spec) const;

 private:
  std::vector<Token> words_;
};

}  // namespace tokenyard::serve
