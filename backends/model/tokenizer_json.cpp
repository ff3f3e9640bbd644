#include "backends/model/tokenizer_json.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <unordered_set>
#include <utility>

#include "backends/model/unicode.h"
#include "core/base/json_reader.h"

namespace tokenyard {
namespace {

// tokenizer.json writes each byte as a character that can be seen: itself where it can, else the next one from U+0100.
class ByteAlphabet {
 public:
  ByteAlphabet() {
    byte_of_.fill(-1);
    int next = 256;
    for (int byte = 0; byte < 256; ++byte) {
      const bool seen = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
      byte_of_[static_cast<std::size_t>(seen ? byte : next++)] = static_cast<std::int16_t>(byte);
    }
  }

  // Nothing if a character stands for no byte.
  std::optional<std::string> bytes(std::string_view token) const {
    std::string out;
    for (std::size_t at = 0; at < token.size();) {
      const char32_t c = next_char(token, at);
      if (c >= byte_of_.size() || byte_of_[c] < 0) return std::nullopt;
      out += static_cast<char>(byte_of_[c]);
    }
    return out;
  }

 private:
  std::array<std::int16_t, 256 + 68> byte_of_;
};

void require_null(JsonObject& object, std::string_view key) {
  const auto value = object.find(key);
  if (value && !value->is_null()) value->expected("null");
}

// Null or "": nothing is put around the parts of a word.
void require_no_affix(JsonObject& object, std::string_view key) {
  const auto value = object.find(key);
  if (value && !value->is_null() && !value->string().empty()) value->expected("null or \"\"");
}

bool flag(JsonObject& object, std::string_view key) {
  const auto value = object.find(key);
  return value && value->boolean();
}

void require_off(JsonObject& object, std::string_view key) {
  if (flag(object, key)) object.value().fail("expected \"" + std::string(key) + "\" to be false, found true");
}

class Reader {
 public:
  explicit Reader(const JsonValue& value) : root_(value.object()) {}

  TokenizerFile read() {
    root_.find("version");
    // Saved with a fine-tune are those of the last call in training; transformers and vLLM set both anew at every call.
    for (const char* key : {"truncation", "padding"}) {
      if (const auto saved = root_.find_set(key)) file_.notes.push_back(saved->place() + ": saved from training, passed over");
    }
    read_model(root_.at("model").object());
    if (const auto added = root_.find("added_tokens"); added && !added->is_null()) read_added(*added);
    if (const auto normalizer = root_.find("normalizer")) read_normalizer(*normalizer);
    normalize_added();
    read_pre_tokenizer(root_.at("pre_tokenizer"));
    if (!byte_level_) root_.at("pre_tokenizer").fail("expected a ByteLevel, found none");
    if (const auto post = root_.find("post_processor")) read_post_processor(*post);
    JsonObject decoder = root_.at("decoder").object();
    decoder.at("type").choice({"ByteLevel"});
    root_.done();
    return std::move(file_);
  }

 private:
  void read_model(JsonObject model) {
    model.at("type").choice({"BPE"});
    require_null(model, "dropout");
    require_no_affix(model, "continuing_subword_prefix");
    require_no_affix(model, "end_of_word_suffix");
    require_off(model, "byte_fallback");
    file_.bpe.ignore_merges = flag(model, "ignore_merges");
    file_.bpe.fuse_unknown = flag(model, "fuse_unk");
    const JsonValue vocab = model.at("vocab");
    read_vocab(vocab);
    if (const auto unknown = model.find("unk_token"); unknown && !unknown->is_null()) {
      const Token id = find(unknown->string());
      if (id == -1) unknown->expected("a token of the vocabulary");
      file_.bpe.unknown = id;
    }
    read_merges(model.at("merges"));
    model.done();
  }

  // An id no other token has.
  void take_id(Token id, const JsonValue& place) {
    const auto index = static_cast<std::size_t>(id);
    if (index >= used_.size()) {
      used_.resize(index + 1);
      file_.bytes.resize(index + 1);
      file_.words.resize(index + 1);
    }
    if (used_[index]) place.fail("expected an id of its own, found " + std::to_string(id) + ", which another token has");
    used_[index] = true;
  }

  // Of the vocabulary; -1: none.
  Token find(std::string_view content) const {
    return by_content_.find(content, [&](Token id) { return contents_[static_cast<std::size_t>(id)]; });
  }

  // Vocabulary and merges are read by hand: JsonValues for 300,000 items would double the time to load.
  void read_vocab(const JsonValue& vocab) {
    JsonObject object = vocab.object();
    const Json::Object& tokens = vocab.json().object();
    by_content_ = TokenTable(tokens.size());
    vocab_size_ = static_cast<Token>(tokens.size());
    for (const auto& [content, value] : tokens) {
      const bool fine = value.type() == Json::Type::integer && value.integer() >= 0 && value.integer() < kMaxTokenIds;
      if (!fine) object.at(content).integer(0, kMaxTokenIds - 1);
      const auto id = static_cast<Token>(value.integer());
      const auto index = static_cast<std::size_t>(id);
      if (index < used_.size() && used_[index]) take_id(id, object.at(content));
      take_id(id, vocab);
      if (index >= contents_.size()) contents_.resize(index + 1);
      contents_[index] = content;
      by_content_.add(content, id);
      if (auto bytes = alphabet_.bytes(content)) {
        file_.words[index] = *bytes;
        file_.bytes[index] = std::move(*bytes);
      } else {
        file_.bytes[index] = content;
      }
    }
  }

  void read_merges(const JsonValue& merges) {
    if (!merges.is_array()) merges.expected("an array");
    const Json::Array& pairs = merges.json().array();
    file_.merges.reserve(pairs.size());
    std::string merged;
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      const auto place = [&] { return merges.array()[i]; };
      std::string_view left;
      std::string_view right;
      if (pairs[i].is_string()) {
        const std::string_view both = pairs[i].string();
        const std::size_t space = both.find(' ');
        if (space == both.npos || both.find(' ', space + 1) != both.npos) place().expected("two tokens with one space between");
        left = both.substr(0, space);
        right = both.substr(space + 1);
      } else {
        const bool fine =
            pairs[i].is_array() && pairs[i].size() == 2 && pairs[i].array()[0].is_string() && pairs[i].array()[1].is_string();
        if (!fine) place().expected("\"LEFT RIGHT\" or [\"LEFT\", \"RIGHT\"]");
        left = pairs[i].array()[0].string();
        right = pairs[i].array()[1].string();
      }
      // An empty part would join a token to itself without end.
      merged.assign(left).append(right);
      const Token a = left.empty() ? -1 : find(left);
      const Token b = right.empty() ? -1 : find(right);
      const Token ab = find(merged);
      if (a == -1 || b == -1 || ab == -1) place().expected("two tokens of the vocabulary that joined are a third");
      file_.merges.push_back({a, b, ab});
    }
    refuse_equal(merges);
  }

  void refuse_equal(const JsonValue& merges) const {
    std::vector<std::pair<std::uint64_t, std::size_t>> pairs;
    pairs.reserve(file_.merges.size());
    for (const Bpe::Merge& merge : file_.merges) {
      pairs.emplace_back(static_cast<std::uint64_t>(merge.left) << 32 | static_cast<std::uint64_t>(merge.right), pairs.size());
    }
    std::sort(pairs.begin(), pairs.end());
    const auto twice =
        std::adjacent_find(pairs.begin(), pairs.end(), [](const auto& x, const auto& y) { return x.first == y.first; });
    if (twice != pairs.end()) merges.array()[std::next(twice)->second].expected("a merge not listed before");
  }

  void read_added(const JsonValue& list) {
    // What `tokenizers` would number the next token that is not in the vocabulary; it reads no "id".
    Token next = vocab_size_;
    std::unordered_set<std::string> contents;
    for (const JsonValue& item : list.array()) {
      JsonObject object = item.object();
      AddedToken token;
      token.id = object.at("id").int32(0, kMaxTokenIds - 1);
      token.content = object.at("content").string();
      token.single_word = object.at("single_word").boolean();
      token.lstrip = object.at("lstrip").boolean();
      token.rstrip = object.at("rstrip").boolean();
      token.normalized = object.at("normalized").boolean();
      token.special = object.at("special").boolean();
      object.done();
      if (token.content.empty()) object.at("content").expected("a text");
      if (!contents.insert(token.content).second) object.at("content").expected("a text that no other added token has");
      if (const Token id = find(token.content); id != -1) {
        if (id != token.id) object.at("id").expected(std::to_string(id) + ", as in the vocabulary");
      } else {
        if (token.id != next) object.at("id").expected(std::to_string(next) + ", the next free one");
        take_id(token.id, object.at("id"));
        file_.bytes[static_cast<std::size_t>(token.id)] = alphabet_.bytes(token.content).value_or(token.content);
      }
      next = std::max(next, token.id + 1);
      file_.added.push_back(std::move(token));
    }
  }

  // The package decodes an added token as its normalised content, and looks that up to see if the token is special.
  void normalize_added() {
    std::unordered_set<std::string> special;
    for (const AddedToken& token : file_.added) {
      if (token.special) special.insert(token.content);
    }
    for (AddedToken& token : file_.added) {
      if (!token.normalized || !file_.nfc) continue;
      const std::string content = nfc(token.content);
      token.special = special.contains(content);
      file_.bytes[static_cast<std::size_t>(token.id)] = alphabet_.bytes(content).value_or(content);
    }
  }

  void read_normalizer(const JsonValue& value) {
    if (value.is_null()) return;
    JsonObject normalizer = value.object();
    if (normalizer.at("type").choice({"NFC", "Sequence"}) == "NFC") {
      file_.nfc = true;
    } else {
      for (const JsonValue& step : normalizer.at("normalizers").array()) read_normalizer(step);
    }
    normalizer.done();
  }

  void read_pre_tokenizer(const JsonValue& value) {
    using Kind = PreTokenizerStep::Kind;
    JsonObject step = value.object();
    const std::string type = step.at("type").choice({"ByteLevel", "Digits", "Sequence", "Split"});
    if (byte_level_) value.fail("expected nothing after ByteLevel, found " + type);
    if (type == "Sequence") {
      for (const JsonValue& item : step.at("pretokenizers").array()) read_pre_tokenizer(item);
    } else if (type == "Digits") {
      file_.steps.push_back({step.at("individual_digits").boolean() ? Kind::digit : Kind::digits, {}});
    } else if (type == "Split") {
      JsonObject pattern = step.at("pattern").object();
      const JsonValue regex = pattern.at("Regex");
      const auto rule = find_split_rule(regex.string());
      if (!rule) regex.expected("the regular expression of Qwen2, Llama 3 or GPT-2");
      pattern.done();
      step.at("behavior").choice({"Isolated"});
      require_off(step, "invert");
      file_.steps.push_back({Kind::split, *rule});
    } else {
      if (flag(step, "add_prefix_space")) file_.steps.push_back({Kind::prefix_space, {}});
      step.find("trim_offsets");  // concerns offsets, which nobody asks for here
      const auto use_regex = step.find("use_regex");
      if (!use_regex || use_regex->boolean()) file_.steps.push_back({Kind::split, SplitRule::gpt2});
      byte_level_ = true;
    }
    step.done();
  }

  void read_post_processor(const JsonValue& value) {
    if (value.is_null()) return;
    JsonObject post = value.object();
    const std::string type = post.at("type").choice({"ByteLevel", "Sequence", "TemplateProcessing"});
    if (type == "ByteLevel") return;  // concerns offsets only
    if (type == "Sequence") {
      for (const JsonValue& item : post.at("processors").array()) read_post_processor(item);
    } else {
      read_template(post);
    }
    post.done();
  }

  void read_template(JsonObject& post) {
    post.find("pair");  // of two texts, which nobody encodes here
    const JsonValue specials = post.at("special_tokens");
    JsonObject special_tokens = specials.object();
    std::vector<Token> before;
    std::vector<Token> after;
    bool seen = false;
    const JsonValue single = post.at("single");
    for (const JsonValue& item : single.array()) {
      JsonObject part = item.object();
      if (const auto sequence = part.find("Sequence")) {
        if (seen) item.fail("expected the text once, found it again");
        seen = true;
      } else {
        const std::string name = part.at("SpecialToken").object().at("id").string();
        const JsonValue ids = special_tokens.at(name).object().at("ids");
        for (const Token id : ids.int32s(0, kMaxTokenIds - 1)) {
          if (static_cast<std::size_t>(id) >= used_.size() || !used_[static_cast<std::size_t>(id)])
            ids.expected("ids of tokens");
          (seen ? after : before).push_back(id);
        }
      }
      part.done();
    }
    if (!seen) single.fail("expected the text once, found it nowhere");
    file_.prefix.insert(file_.prefix.begin(), before.begin(), before.end());
    file_.suffix.insert(file_.suffix.end(), after.begin(), after.end());
  }

  JsonObject root_;
  TokenizerFile file_;
  ByteAlphabet alphabet_;
  std::vector<std::string_view> contents_;  // of the vocabulary, by id; the texts lie in root_
  TokenTable by_content_{0};
  Token vocab_size_ = 0;
  std::vector<bool> used_;  // by id
  bool byte_level_ = false;
};

}  // namespace

TokenizerFile load_tokenizer_file(const std::string& path) { return Reader(JsonValue::load(path)).read(); }

TokenizerFile parse_tokenizer_file(std::string_view json, const std::string& file) {
  return Reader(JsonValue::parse(json, file)).read();
}

}  // namespace tokenyard
