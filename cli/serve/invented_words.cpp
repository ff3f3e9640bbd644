#include "cli/serve/invented_words.h"

#include <algorithm>
#include <string_view>

#include "core/base/input_error.h"
#include "core/base/sampling.h"

namespace tokenyard::serve {
namespace {

constexpr std::size_t kMostWords = 400;
constexpr std::uint32_t kShortest = 16, kLengths = 240;

bool is_word(std::string_view bytes) {
  return bytes.size() >= 3 && bytes.front() == ' ' &&
         std::all_of(bytes.begin() + 1, bytes.end(), [](char c) { return c >= 'a' && c <= 'z'; });
}

}  // namespace

InventedWords::InventedWords(const Tokenizer& tokenizer) {
  for (Token id = 0; id < tokenizer.num_ids() && words_.size() < kMostWords; ++id) {
    if (is_word(tokenizer.bytes(id))) words_.push_back(id);
  }
  if (words_.empty()) throw InputError("the tokenizer has no word to invent an answer from");
}

void InventedWords::script(RequestSpec& spec) const {
  const auto draw = [&](std::uint32_t position) { return sampling::noise(spec.sampling.seed, position, 0); };
  if (!spec.ignore_eos) spec.output_tokens = static_cast<std::int32_t>(kShortest + draw(0) % kLengths);
  const std::int32_t length = expected_output(spec) - (spec.ignore_eos || spec.output_tokens > spec.max_tokens ? 0 : 1);
  spec.scripted_output.reserve(static_cast<std::size_t>(length));
  for (std::int32_t i = 0; i < length; ++i) {
    spec.scripted_output.push_back(words_[draw(static_cast<std::uint32_t>(i) + 1) % words_.size()]);
  }
}

}  // namespace tokenyard::serve
