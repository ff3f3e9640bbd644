// Cuts text into the words that BPE works on, as the pre-tokenizers of the supported models do.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tokenyard {

// The regular expressions of the supported models, each matched by a scanner of its own in one pass: O(n), no backtracking.
enum class SplitRule {
  gpt2,    // GPT-2, SmolLM2: ByteLevel with use_regex
  llama3,  // up to three digits together
  qwen2,   // Qwen2, Qwen2.5, Qwen3: every digit alone
};

// The rule that a regular expression in a tokenizer.json stands for, if any.
std::optional<SplitRule> find_split_rule(std::string_view regex);

// One step of a pre-tokenizer.
struct PreTokenizerStep {
  enum class Kind {
    split,         // by `rule`
    digit,         // every numeric character alone
    digits,        // runs of numeric characters
    prefix_space,  // a space before every piece that has none
  };
  Kind kind = Kind::split;
  SplitRule rule = SplitRule::gpt2;
};

class PreTokenizer {
 public:
  explicit PreTokenizer(std::vector<PreTokenizerStep> steps = {}) : steps_(std::move(steps)) {}

  // Calls word(std::string_view) for the words of `text`, in order. REQUIRES: `text` is UTF-8. A word's memory is good during
  // its call only. O(n).
  template <typename Word>
  void split(std::string_view text, const Word& word) const {
    split_from(0, text, word);
  }

 private:
  template <typename Word>
  void split_from(std::size_t index, std::string_view text, const Word& word) const {
    if (text.empty()) return;
    if (index == steps_.size()) return word(text);
    const PreTokenizerStep& step = steps_[index];
    if (step.kind == PreTokenizerStep::Kind::prefix_space) {
      if (text.front() == ' ') return split_from(index + 1, text, word);
      return split_from(index + 1, " " + std::string(text), word);
    }
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = piece_end(step, text, begin);
      split_from(index + 1, text.substr(begin, end - begin), word);
      begin = end;
    }
  }
  // Where the piece that starts at `begin` ends.
  static std::size_t piece_end(const PreTokenizerStep& step, std::string_view text, std::size_t begin);

  std::vector<PreTokenizerStep> steps_;
};

}  // namespace tokenyard
