// A JSON document as a tree of values: built, edited, parsed and written. What a user wrote is read through json_reader.h,
// which says where something is wrong.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <ranges>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tokenyard {

// Where the first character of a text stands in its file, when the text is a part of it: a line of JSON Lines, one object of an
// array. Both count from 1; with line 0 the text is the whole file.
struct TextBegin {
  std::int64_t line = 0, column = 1;
  std::string in(const std::string& file) const { return line == 0 ? file : file + ": line " + std::to_string(line); }
};

class Json {
 public:
  // Integers are those of 64 bits: `large` from 2^63 on. All other numbers are doubles.
  enum class Type : std::uint8_t { null, boolean, integer, large, number, string, array, object };
  struct Member;
  using Array = std::vector<Json>;
  using Object = std::vector<Member>;  // in the order they were written; no key twice

  Json() = default;  // null
  Json(std::nullptr_t) {}
  Json(std::same_as<bool> auto value) : type_(Type::boolean) { value_.boolean = value; }
  template <std::integral T>
  requires(!std::same_as<T, bool>) Json(T value) {
    if (std::in_range<std::int64_t>(value)) {
      type_ = Type::integer;
      value_.integer = static_cast<std::int64_t>(value);
    } else {
      type_ = Type::large;
      value_.large = static_cast<std::uint64_t>(value);
    }
  }
  Json(double value) : type_(Type::number) { value_.number = value; }
  Json(std::string value);
  Json(std::string_view value) : Json(std::string(value)) {}
  Json(const char* value) : Json(std::string(value)) {}
  Json(Array value);
  Json(Object value);
  static Json list(const std::ranges::range auto& values) { return Array(std::begin(values), std::end(values)); }
  Json(const Json& other);
  Json(Json&& other) noexcept : type_(std::exchange(other.type_, Type::null)), value_(other.value_) {}
  Json& operator=(Json other) noexcept {
    std::swap(type_, other.type_);
    std::swap(value_, other.value_);
    return *this;
  }
  ~Json() {
    if (type_ >= Type::string) clear();
  }

  // Throws InputError "FILE: PLACE: expected JSON: ..." for what is no JSON, holds a key twice in one object, is nested more
  // than 200 levels deep or would take more than `most_memory`. Linear in the text.
  static Json parse(std::string_view text, const std::string& file, TextBegin begin = {},
                    std::size_t most_memory = std::size_t{1} << 30);

  Type type() const { return type_; }
  bool is_null() const { return type_ == Type::null; }
  bool is_integer() const { return type_ == Type::integer || type_ == Type::large; }
  bool is_number() const { return is_integer() || type_ == Type::number; }
  bool is_string() const { return type_ == Type::string; }
  bool is_array() const { return type_ == Type::array; }
  bool is_object() const { return type_ == Type::object; }

  // REQUIRES: the type asked for.
  bool boolean() const { return value_.boolean; }
  std::int64_t integer() const { return value_.integer; }  // Type::integer
  std::uint64_t large() const { return value_.large; }     // Type::large
  double number() const;                                   // of any number
  const std::string& string() const { return *value_.string; }
  const Array& array() const { return *value_.array; }
  Array& array() { return *value_.array; }
  const Object& object() const { return *value_.object; }
  Object& object() { return *value_.object; }

  std::size_t size() const;  // of an array or an object, else 0
  // The member, or null: also where this is no object.
  const Json* find(std::string_view key) const;
  Json* find(std::string_view key) { return const_cast<Json*>(std::as_const(*this).find(key)); }
  // Adds the member when there is none. REQUIRES: an object.
  Json& operator[](std::string_view key);
  void erase(std::string_view key);  // REQUIRES: an object

  bool operator==(const Json& other) const;

  // As text: in one line, or with every level `indent` columns further in. Keys in their own order, or sorted, so that equal
  // documents are equal texts.
  std::string dump(int indent = -1, bool sort_keys = true) const;

 private:
  void clear();

  Type type_ = Type::null;
  union {
    bool boolean;
    std::int64_t integer;
    std::uint64_t large;
    double number;
    std::string* string;
    Array* array;
    Object* object;
  } value_ = {};
};

struct Json::Member {
  std::string key;
  Json value;
  bool operator==(const Member&) const = default;
};

// What a value on a command line means: JSON, or else the text itself.
Json json_or_string(const std::string& text);

}  // namespace tokenyard
