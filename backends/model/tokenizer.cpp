#include "backends/model/tokenizer.h"

#include <limits>
#include <utility>

#include "backends/model/added_tokens.h"
#include "backends/model/bpe.h"
#include "backends/model/pre_tokenizer.h"
#include "backends/model/tokenizer_json.h"
#include "backends/model/unicode.h"
#include "core/base/input_error.h"

namespace tokenyard {
namespace {

// Special ones first: that is the order in which equal contents count.
AddedTokenFinder finder(const TokenizerFile& file, bool normalized) {
  std::vector<AddedToken> chosen;
  for (const bool special : {true, false}) {
    for (AddedToken token : file.added) {
      if (token.special != special || token.normalized != normalized) continue;
      if (normalized && file.nfc) token.content = nfc(token.content);
      chosen.push_back(std::move(token));
    }
  }
  return AddedTokenFinder(std::move(chosen));
}

// Moves the whole characters of `bytes` to the result, with U+FFFD for what can be none.
std::string take_characters(std::string& bytes) {
  std::string out;
  std::string_view rest = bytes;
  while (!rest.empty()) {
    const Utf8Step step = utf8_step(rest);
    if (step.incomplete) break;
    if (step.valid) {
      out += rest.substr(0, step.length);
    } else {
      append_utf8(out, 0xFFFD);
    }
    rest.remove_prefix(step.length);
  }
  bytes = std::string(rest);
  return out;
}

}  // namespace

struct Tokenizer::State {
  explicit State(TokenizerFile file)
      : raw(finder(file, false)),
        normalized(finder(file, true)),
        nfc(file.nfc),
        pre_tokenizer(std::move(file.steps)),
        bpe(std::move(file.words), file.merges, file.bpe),
        added(std::move(file.added)),
        bytes(std::move(file.bytes)),
        special(bytes.size()),
        prefix(std::move(file.prefix)),
        suffix(std::move(file.suffix)),
        notes(std::move(file.notes)) {
    for (const AddedToken& token : added) special[static_cast<std::size_t>(token.id)] = token.special;
  }

  AddedTokenFinder raw;         // looked for in the text as it came
  AddedTokenFinder normalized;  // looked for after normalisation
  bool nfc;
  PreTokenizer pre_tokenizer;
  Bpe bpe;
  std::vector<AddedToken> added;
  std::vector<std::string> bytes;  // by id
  std::vector<bool> special;       // by id
  std::vector<Token> prefix;
  std::vector<Token> suffix;
  std::vector<std::string> notes;
};

Tokenizer::Tokenizer(TokenizerFile file) : state_(std::make_unique<State>(std::move(file))) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Tokenizer Tokenizer::load(const std::string& path) { return Tokenizer(load_tokenizer_file(path)); }
Tokenizer Tokenizer::parse(std::string_view json, const std::string& file) {
  return Tokenizer(parse_tokenizer_file(json, file));
}

std::vector<Token> Tokenizer::encode(std::string_view text, bool with_template) const {
  if (text.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
    throw InputError("text: expected fewer than 2147483648 bytes, found " + std::to_string(text.size()));
  }
  std::string valid;
  if (!is_utf8(text)) {
    valid = utf8_lossy(text);
    text = valid;
  }
  std::vector<Token> out;
  if (with_template) out = state_->prefix;
  const auto token = [&](Token id) { out.push_back(id); };
  const auto word = [&](std::string_view piece) { state_->bpe.encode(piece, out); };
  const auto words = [&](std::string_view piece) { state_->pre_tokenizer.split(piece, word); };
  const auto normalize = [&](std::string_view piece) {
    if (state_->nfc && needs_nfc(piece)) {
      state_->normalized.split(nfc(piece), words, token);
    } else {
      state_->normalized.split(piece, words, token);
    }
  };
  state_->raw.split(text, normalize, token);
  if (with_template) out.insert(out.end(), state_->suffix.begin(), state_->suffix.end());
  return out;
}

std::string Tokenizer::decode(std::span<const Token> tokens, bool skip_special) const {
  std::string out;
  for (const Token token : tokens) {
    if (!skip_special || !is_special(token)) out += bytes(token);
  }
  return is_utf8(out) ? out : utf8_lossy(out);
}

std::string_view Tokenizer::bytes(Token token) const {
  if (token < 0 || token >= num_ids()) return {};
  return state_->bytes[static_cast<std::size_t>(token)];
}

bool Tokenizer::is_special(Token token) const {
  return token >= 0 && token < num_ids() && state_->special[static_cast<std::size_t>(token)];
}

std::optional<Token> Tokenizer::added_token(std::string_view content) const {
  for (const AddedToken& token : state_->added) {
    if (token.content == content) return token.id;
  }
  return std::nullopt;
}

const std::vector<std::string>& Tokenizer::notes() const { return state_->notes; }

std::int32_t Tokenizer::num_ids() const { return static_cast<std::int32_t>(state_->bytes.size()); }

std::string TextStream::push(Token token) {
  if (skip_special_ && tokenizer_->is_special(token)) return {};
  held_ += tokenizer_->bytes(token);
  return take_characters(held_);
}

std::string TextStream::finish() {
  std::string out = held_.empty() ? "" : "\uFFFD";
  held_.clear();
  return out;
}

}  // namespace tokenyard
