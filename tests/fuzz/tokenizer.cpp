#include "backends/model/tokenizer.h"

#include <string>
#include <vector>

#include "fuzz.h"

namespace tokenyard {

// The tokenizer that the text describes, tried on that very text.
void fuzz(std::string_view text) {
  const Tokenizer tokenizer = Tokenizer::parse(text, "fuzz.json");
  const std::vector<Token> tokens = tokenizer.encode(text);
  const std::string decoded = tokenizer.decode(tokens, false);
  TextStream stream(tokenizer, false);
  std::string streamed;
  for (const Token token : tokens) streamed += stream.push(token);
  if (streamed + stream.finish() != decoded) __builtin_trap();
}

}  // namespace tokenyard
