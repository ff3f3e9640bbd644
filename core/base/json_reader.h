// Checked access to JSON from outside.
//
// Every accessor throws InputError "FILE: PLACE: expected ..., found ..." where PLACE is a JSON pointer, or line and column for
// text that is no JSON. Objects are read field by field; done() refuses the fields nobody asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <forward_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/input_error.h"
#include "core/base/json.h"

namespace tokenyard {

inline constexpr std::size_t kMostJsonBytes = std::size_t{256} << 20;  // of a file, where nothing else is said

class JsonObject;

// One value of a document. Copies are cheap: all share the document and keep it alive.
class JsonValue {
 public:
  // `file` names the source in messages.
  JsonValue(Json document, std::string file);
  static JsonValue parse(std::string_view text, const std::string& file, TextBegin begin = {});
  // Refuses files of more than `max_bytes`, after unpacking (text_file.h).
  static JsonValue load(const std::string& path, std::size_t max_bytes = kMostJsonBytes);

  std::int64_t integer(std::int64_t least, std::int64_t most) const;  // also 16.0: some writers know doubles alone
  std::int32_t int32(std::int32_t least, std::int32_t most) const { return static_cast<std::int32_t>(integer(least, most)); }
  double number(double least, double most) const;
  bool boolean() const;
  std::string string() const;
  std::vector<JsonValue> array() const;
  std::vector<std::int64_t> integers(std::int64_t least, std::int64_t most) const;
  std::vector<std::int32_t> int32s(std::int32_t least, std::int32_t most) const;
  std::vector<std::string> strings() const;
  // One of `names`.
  std::string choice(const std::vector<std::string>& names) const;
  JsonObject object() const;
  bool is_null() const { return value_->is_null(); }
  bool is_object() const { return value_->is_object(); }
  bool is_array() const { return value_->is_array(); }
  bool is_string() const { return value_->is_string(); }
  bool is_integer() const { return value_->is_integer(); }
  bool has(std::string_view key) const { return value_->find(key) != nullptr; }  // false where this is no object
  std::size_t size() const { return value_->size(); }                            // of an array or an object, else 0
  const Json& json() const { return *value_; }

  std::string place() const;                                  // "FILE: PLACE", for a message
  [[noreturn]] void expected(const std::string& what) const;  // "expected `what`, found `this`"
  [[noreturn]] void fail(const std::string& sentence) const;

 private:
  friend class JsonObject;
  struct Document {
    Json root;
    std::string file;
  };
  JsonValue(std::shared_ptr<const Document> document, const Json* value) : document_(std::move(document)), value_(value) {}
  JsonValue at(const Json& inside) const { return {document_, &inside}; }
  std::string pointer() const;
  std::string found() const;

  std::shared_ptr<const Document> document_;
  const Json* value_;  // in the document
};

class JsonObject {
 public:
  explicit JsonObject(JsonValue value) : value_(std::move(value)) {}
  JsonObject(JsonObject&&) = default;  // what was asked for stays where it is
  JsonObject& operator=(JsonObject&&) = default;

  std::optional<JsonValue> find(std::string_view key) { return find_stable(named_.emplace_front(key)); }
  JsonValue at(std::string_view key) { return required(find(key), key); }
  // Null counts as absent: Hugging Face writes it for what is not set.
  std::optional<JsonValue> find_set(std::string_view key) { return unless_null(find(key)); }
  // The same for literals, without a copy: a million requests ask for eighteen keys each.
  template <std::size_t N>
  std::optional<JsonValue> find(const char (&key)[N]) {
    return find_stable({key, N - 1});
  }
  template <std::size_t N>
  JsonValue at(const char (&key)[N]) {
    return required(find_stable({key, N - 1}), key);
  }
  template <std::size_t N>
  std::optional<JsonValue> find_set(const char (&key)[N]) {
    return unless_null(find_stable({key, N - 1}));
  }
  // All members, each of which counts as asked for.
  std::vector<std::pair<std::string, JsonValue>> members();
  void done() const;
  const JsonValue& value() const { return value_; }

 private:
  // `key` lives as long as this object.
  std::optional<JsonValue> find_stable(std::string_view key);
  JsonValue required(std::optional<JsonValue> value, std::string_view key) const;
  static std::optional<JsonValue> unless_null(std::optional<JsonValue> value);

  JsonValue value_;
  std::vector<std::string_view> asked_;
  std::forward_list<std::string> named_;  // those of asked_ that are no literals
};

}  // namespace tokenyard
