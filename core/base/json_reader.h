// Checked access to JSON from outside. For .cpp files only: it brings in nlohmann_json.
//
// Every accessor throws InputError "FILE: PLACE: expected ..., found ..." where PLACE is a JSON pointer, or line and column for
// text that is no JSON. Objects are read field by field; done() refuses the fields nobody asked for.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/base/input_error.h"

namespace tokenyard {

class JsonObject;

class JsonValue {
 public:
  // `file` names the source in messages. Refuses duplicate keys.
  static JsonValue parse(std::string_view text, std::string file);
  // Refuses files of more than `max_bytes`.
  static JsonValue load(const std::string& path, std::int64_t max_bytes = std::int64_t{256} << 20);

  std::int64_t integer(std::int64_t least, std::int64_t most) const;
  std::int32_t int32(std::int32_t least, std::int32_t most) const { return static_cast<std::int32_t>(integer(least, most)); }
  double number(double least, double most) const;
  bool boolean() const;
  std::string string() const;
  std::vector<JsonValue> array() const;
  std::vector<std::int32_t> int32s(std::int32_t least, std::int32_t most) const;
  std::vector<std::string> strings() const;
  // One of `names`.
  std::string choice(const std::vector<std::string>& names) const;
  JsonObject object() const;
  bool is_null() const { return value_->is_null(); }
  bool is_object() const { return value_->is_object(); }
  bool is_array() const { return value_->is_array(); }
  bool is_string() const { return value_->is_string(); }
  bool is_integer() const { return value_->is_number_integer(); }
  const nlohmann::json& raw() const { return *value_; }

  [[noreturn]] void expected(const std::string& what) const;  // "expected `what`, found `this`"
  [[noreturn]] void fail(const std::string& sentence) const;

 private:
  friend class JsonObject;
  JsonValue(std::shared_ptr<const nlohmann::json> root, const nlohmann::json* value, std::shared_ptr<const std::string> file,
            std::string pointer)
      : root_(std::move(root)), value_(value), file_(std::move(file)), pointer_(std::move(pointer)) {}
  std::string found() const;

  std::shared_ptr<const nlohmann::json> root_;  // keeps the document alive
  const nlohmann::json* value_;
  std::shared_ptr<const std::string> file_;
  std::string pointer_;
};

class JsonObject {
 public:
  explicit JsonObject(JsonValue value) : value_(std::move(value)) {}
  JsonValue at(const std::string& key);  // required
  std::optional<JsonValue> find(const std::string& key);
  void done() const;
  const JsonValue& value() const { return value_; }

 private:
  JsonValue value_;
  std::set<std::string> asked_;
};

}  // namespace tokenyard
