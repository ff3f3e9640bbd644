#include "backends/model/added_tokens.h"

#include <algorithm>
#include <utility>

#include "backends/model/unicode.h"

namespace tokenyard {

AddedTokenFinder::AddedTokenFinder(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)), nodes_(1), starts_(256) {
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    const std::string& content = tokens_[i].content;
    starts_[static_cast<unsigned char>(content[0])] = true;
    std::int32_t node = 0;
    for (const char byte : content) {
      std::int32_t to = child(node, byte);
      if (to == -1) {
        to = static_cast<std::int32_t>(nodes_.size());
        auto& children = nodes_[static_cast<std::size_t>(node)].children;
        const std::pair<unsigned char, std::int32_t> edge{static_cast<unsigned char>(byte), to};
        children.insert(std::lower_bound(children.begin(), children.end(), edge), edge);
        nodes_.emplace_back();
      }
      node = to;
    }
    std::int32_t& token = nodes_[static_cast<std::size_t>(node)].token;
    if (token == -1) token = static_cast<std::int32_t>(i);
  }
}

std::int32_t AddedTokenFinder::child(std::int32_t node, char byte) const {
  const auto& children = nodes_[static_cast<std::size_t>(node)].children;
  const auto key = static_cast<unsigned char>(byte);
  const auto at =
      std::lower_bound(children.begin(), children.end(), key, [](const auto& edge, unsigned char b) { return edge.first < b; });
  return at != children.end() && at->first == key ? at->second : -1;
}

// Stripped white space does not move the search, and may end before what is already done: both as in `tokenizers`.
AddedTokenFinder::Match AddedTokenFinder::next(std::string_view text, std::size_t from, std::size_t done) const {
  const std::uint8_t* const classes = char_classes();
  while (from < text.size()) {
    if (!starts_[static_cast<unsigned char>(text[from])]) {
      ++from;
      continue;
    }
    std::int32_t longest = -1;
    std::size_t end = from;
    std::int32_t node = 0;
    for (std::size_t at = from; at < text.size(); ++at) {
      node = child(node, text[at]);
      if (node == -1) break;
      if (nodes_[static_cast<std::size_t>(node)].token != -1) {
        longest = nodes_[static_cast<std::size_t>(node)].token;
        end = at + 1;
      }
    }
    if (longest == -1) {
      ++from;
      continue;
    }
    Match match{&tokens_[static_cast<std::size_t>(longest)], from, end, end};
    from = end;
    const AddedToken& token = *match.token;
    if (token.single_word) {
      std::size_t before = match.begin;
      std::size_t after = match.end;
      if (before > 0 && (classes[previous_char(text, before)] & kWord) != 0) continue;
      if (after < text.size() && (classes[next_char(text, after)] & kWord) != 0) continue;
    }
    if (token.lstrip) {
      while (match.begin > done) {
        std::size_t before = match.begin;
        if ((classes[previous_char(text, before)] & kSpace) == 0) break;
        match.begin = before;
      }
      match.begin = std::max(match.begin, done);
    }
    if (token.rstrip) {
      while (match.end < text.size()) {
        std::size_t after = match.end;
        if ((classes[next_char(text, after)] & kSpace) == 0) break;
        match.end = after;
      }
    }
    return match;
  }
  return {};
}

}  // namespace tokenyard
