// Text to token ids and back, exactly as the Python package `tokenizers` does it from a Hugging Face tokenizer.json, for the
// byte-level BPE of Qwen2, Qwen2.5, Qwen3, Llama 3, GPT-2 and SmolLM2. What is supported: docs/tokenizer.md.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/types.h"

namespace tokenyard {

struct TokenizerFile;

// Owns all it needs; immutable, so that several threads may use one.
class Tokenizer {
 public:
  // Throws InputError, naming the place, for what is no such file or asks for something unsupported. About 0.3 s for a
  // vocabulary of 150,000 tokens; memory is bounded by the file's size plus 2^20 ids.
  static Tokenizer load(const std::string& path);
  // `file` names the source in messages.
  static Tokenizer parse(std::string_view json, const std::string& file);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Added tokens written out in the text become those tokens, in every text: keep them out of what strangers wrote.
  // `with_template` adds what the file's post-processor does, such as <|begin_of_text|>. What is no UTF-8 counts as U+FFFD.
  // Throws InputError for 2^31 bytes and more. O(n log n) at worst, in practice O(n).
  std::vector<Token> encode(std::string_view text, bool with_template = true) const;

  // Always UTF-8: bytes that are none become U+FFFD. Ids that name no token give no text. O(bytes).
  std::string decode(std::span<const Token> tokens, bool skip_special) const;

  // The bytes of one token: not always whole characters; empty if `token` names none.
  std::string_view bytes(Token token) const;
  // Is it one of the added tokens that decode leaves out if asked?
  bool is_special(Token token) const;
  // The added token of this content.
  std::optional<Token> added_token(std::string_view content) const;
  // One more than the largest id. A model's vocabulary may be larger: its last rows name no token.
  std::int32_t num_ids() const;
  // What the file says and does not count, a sentence each.
  const std::vector<std::string>& notes() const;

 private:
  struct State;
  explicit Tokenizer(TokenizerFile file);
  std::unique_ptr<State> state_;
};

// Decodes one token after another. What push returned so far is always whole characters; with what finish returns it is
// Tokenizer::decode of all tokens.
class TextStream {
 public:
  // `tokenizer` must outlive this.
  TextStream(const Tokenizer& tokenizer, bool skip_special) : tokenizer_(&tokenizer), skip_special_(skip_special) {}

  // The text that `token` completes, maybe empty. Holds back at most 3 bytes.
  std::string push(Token token);
  // U+FFFD if the tokens end within a character, else empty. The next push begins a new text.
  std::string finish();

 private:
  const Tokenizer* tokenizer_;
  bool skip_special_;
  std::string held_;  // the start of a character
};

}  // namespace tokenyard
