// A tokenizer.json, read and checked.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "backends/model/added_tokens.h"
#include "backends/model/bpe.h"
#include "backends/model/pre_tokenizer.h"

namespace tokenyard {

// Ids are below this: more than any published vocabulary has, and a bound on what a hostile file makes us allocate.
inline constexpr Token kMaxTokenIds = 1 << 20;

struct TokenizerFile {
  std::vector<std::string> words;  // by id, what Bpe takes
  std::vector<std::string> bytes;  // by id, what decoding gives; empty where an id names no token
  std::vector<Bpe::Merge> merges;
  Bpe::Settings bpe;
  std::vector<AddedToken> added;
  bool nfc = false;
  std::vector<PreTokenizerStep> steps;
  std::vector<Token> prefix;  // of a text, by the post-processor
  std::vector<Token> suffix;
  std::vector<std::string> notes;  // what was passed over
};

TokenizerFile load_tokenizer_file(const std::string& path);
TokenizerFile parse_tokenizer_file(std::string_view json, const std::string& file);

}  // namespace tokenyard
