// The one file that sees nlohmann_json, whose templates take longer to compile than the rest of a file: text becomes values
// here, and doubles become text as that library writes them.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/input_error.h"
#include "core/base/json.h"
#include "core/base/json_text.h"

namespace tokenyard {
namespace {

constexpr std::size_t kDeepest = 200;  // walks through a document recurse
constexpr std::size_t kFewKeys = 16;
constexpr int kNumberOverflow = 406;  // the library's id of it

std::string place_of(std::string_view text, std::size_t byte, TextBegin begin) {
  const std::string_view before = text.substr(0, byte > 0 ? byte - 1 : 0);
  const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
  const std::int64_t line = std::max<std::int64_t>(1, begin.line) + std::count(before.begin(), before.end(), '\n');
  const std::int64_t first_column = line_start == 0 ? begin.column : 1;
  return "line " + std::to_string(line) + ", column " +
         std::to_string(first_column + static_cast<std::int64_t>(before.size() - line_start));
}

// The library's words without its name and without its place: "[json.exception.parse_error.101] parse error at line 1,
// column 2: syntax error ...", "[json.exception.out_of_range.406] number overflow parsing '1e400'".
std::string words_of(const std::string& message) {
  const std::string_view place_begins = "parse error at ";
  const std::size_t name = message.find("] ");
  std::string words = name == std::string::npos ? message : message.substr(name + 2);
  if (words.starts_with(place_begins)) words = words.substr(std::min(words.find(": "), words.size() - 2) + 2);
  return words;
}

// What nlohmann's parser calls. Values whose container is still open lie on one stack, so that each container is made once,
// in its final size.
class Builder {
 public:
  Builder(std::string_view text, const std::string& file, TextBegin begin, std::size_t most_memory)
      : text_(text), file_(file), begin_(begin), most_memory_(most_memory) {}

  Json take() { return std::move(values_.front()); }

  bool null() { return add(Json()); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(std::int64_t value) { return add(value); }
  bool number_unsigned(std::uint64_t value) { return add(value); }
  bool number_float(double value, const std::string&) { return add(value); }
  bool string(const std::string& value) {
    count(memory_of(value));
    return add(value);
  }
  bool binary(const std::vector<std::uint8_t>&) { return false; }  // never in text

  bool start_array(std::size_t) { return open(/*array=*/true); }
  bool end_array() {
    const Open begin = close();
    const auto first = values_.begin() + static_cast<std::ptrdiff_t>(begin.values);
    Json::Array items(std::make_move_iterator(first), std::make_move_iterator(values_.end()));
    values_.erase(first, values_.end());
    count(sizeof(Json::Array));
    return add(std::move(items));
  }

  bool start_object(std::size_t) { return open(/*array=*/false); }
  bool key(const std::string& key) {
    count(memory_of(key));
    keys_.push_back(key);
    return true;
  }
  bool end_object() {
    const Open begin = close();
    refuse_equal_keys(begin.keys);
    Json::Object members;
    members.reserve(keys_.size() - begin.keys);
    for (std::size_t i = begin.keys, value = begin.values; i < keys_.size(); ++i, ++value) {
      members.push_back({std::move(keys_[i]), std::move(values_[value])});
    }
    keys_.resize(begin.keys);
    values_.resize(begin.values);
    count(sizeof(Json::Object));
    return add(std::move(members));
  }

  bool parse_error(std::size_t byte, const std::string& token, const nlohmann::json::exception& error) {
    const std::string place = file_ + ": " + place_of(text_, byte, begin_) + ": ";
    if (error.id == kNumberOverflow)
      throw InputError(place + pointer() + ": expected a number below 1.8e308, found " + shown(token));
    if (byte > text_.size()) {
      const bool nothing = text_.find_first_not_of(" \t\r\n") == std::string_view::npos;
      throw InputError(place + "expected JSON, found " + (nothing ? "nothing" : "the end of the text within it; is it whole?"));
    }
    throw InputError(place + "expected JSON: " + shown(words_of(error.what()), 200));
  }

 private:
  struct Open {
    std::size_t values, keys;  // where those of this container begin
    bool array;
  };

  bool add(Json value) {
    count(sizeof(Json));
    values_.push_back(std::move(value));
    return true;
  }
  bool open(bool array) {
    if (open_.size() == kDeepest) {
      throw InputError(begin_.in(file_) + ": nested more than " + std::to_string(kDeepest) + " levels deep");
    }
    open_.push_back({values_.size(), keys_.size(), array});
    return true;
  }
  // Of the value that comes next.
  std::string pointer() const {
    std::string out;
    for (std::size_t i = 0; i < open_.size(); ++i) {
      const bool last = i + 1 == open_.size();
      if (open_[i].array) {
        out += "/" + std::to_string((last ? values_.size() : open_[i + 1].values) - open_[i].values);
      } else {
        append_pointer(out, keys_[(last ? keys_.size() : open_[i + 1].keys) - 1]);
      }
    }
    return out.empty() ? "/" : out;
  }
  Open close() {
    const Open begin = open_.back();
    open_.pop_back();
    return begin;
  }

  static std::size_t memory_of(const std::string& text) {
    return sizeof(std::string) + (text.size() > std::string().capacity() ? text.size() : 0);
  }
  void count(std::size_t bytes) {
    memory_ += bytes;
    if (memory_ > most_memory_) {
      throw InputError(begin_.in(file_) + ": expected a document that takes at most " + std::to_string(most_memory_) +
                       " bytes of memory, found a larger one");
    }
  }

  // Of the object whose keys begin at `first`. The library would keep the last.
  void refuse_equal_keys(std::size_t first) {
    const auto refuse = [&](const std::string& key) {
      throw InputError(begin_.in(file_) + ": the key \"" + shown(key) + "\" stands twice in one object");
    };
    if (keys_.size() - first <= kFewKeys) {
      for (std::size_t i = first; i < keys_.size(); ++i) {
        for (std::size_t k = first; k < i; ++k) {
          if (keys_[i] == keys_[k]) refuse(keys_[i]);
        }
      }
      return;
    }
    std::vector<std::string_view> sorted(keys_.begin() + static_cast<std::ptrdiff_t>(first), keys_.end());
    std::sort(sorted.begin(), sorted.end());
    const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
    if (twice != sorted.end()) refuse(std::string(*twice));
  }

  std::string_view text_;
  const std::string& file_;
  TextBegin begin_;
  std::vector<Json> values_;
  std::vector<std::string> keys_;
  std::vector<Open> open_;
  std::size_t most_memory_, memory_ = 0;
};

}  // namespace

Json Json::parse(std::string_view text, const std::string& file, TextBegin begin, std::size_t most_memory) {
  Builder builder(text, file, begin, most_memory);
  nlohmann::json::sax_parse(text.data(), text.data() + text.size(), &builder);
  return builder.take();
}

void append_double(std::string& out, double value) { out += nlohmann::json(value).dump(); }

}  // namespace tokenyard
