#include "core/base/json_reader.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "core/base/json_text.h"
#include "core/base/text_file.h"

namespace tokenyard {
namespace {

constexpr std::size_t kUsualKeys = 24;

// Appends the way from `from` to the value at `to`. False, and nothing appended, where it is not inside.
bool find_pointer(const Json& from, const Json* to, std::string& out) {
  if (&from == to) return true;
  const std::size_t length = out.size();
  if (from.is_array()) {
    for (std::size_t i = 0; i < from.size(); ++i) {
      out += "/" + std::to_string(i);
      if (find_pointer(from.array()[i], to, out)) return true;
      out.resize(length);
    }
  } else if (from.is_object()) {
    for (const Json::Member& member : from.object()) {
      append_pointer(out, member.key);
      if (find_pointer(member.value, to, out)) return true;
      out.resize(length);
    }
  }
  return false;
}

std::string plain(double value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

}  // namespace

JsonValue::JsonValue(Json document, std::string file)
    : document_(std::make_shared<const Document>(Document{std::move(document), std::move(file)})), value_(&document_->root) {}

JsonValue JsonValue::parse(std::string_view text, const std::string& file, TextBegin begin) {
  Json document = Json::parse(text, file, begin);
  return {std::move(document), begin.in(file)};
}

JsonValue JsonValue::load(const std::string& path, std::size_t max_bytes) {
  return parse(read_text_file(path, max_bytes), path);
}

// Looked for only when something is wrong, so that reading costs nothing for it.
std::string JsonValue::pointer() const {
  std::string out;
  find_pointer(document_->root, value_, out);
  return out.empty() ? "/" : out;
}

std::string JsonValue::found() const {
  switch (value_->type()) {
    case Json::Type::object: return "an object";
    case Json::Type::array: return "an array of " + std::to_string(value_->size());
    case Json::Type::string: return "\"" + shown(value_->string()) + "\"";
    default: return shown(value_->dump());
  }
}

void JsonValue::fail(const std::string& sentence) const { throw InputError(place() + ": " + sentence); }

std::string JsonValue::place() const { return document_->file + ": " + pointer(); }

void JsonValue::expected(const std::string& what) const { fail("expected " + what + ", found " + found()); }

std::int64_t JsonValue::integer(std::int64_t least, std::int64_t most) const {
  std::optional<std::int64_t> integer;
  if (value_->type() == Json::Type::integer) {
    integer = value_->integer();
  } else if (constexpr double kExact = 1LL << 53;  // beyond, a double may stand for another integer
             value_->type() == Json::Type::number && std::abs(value_->number()) <= kExact &&
             std::trunc(value_->number()) == value_->number()) {
    integer = static_cast<std::int64_t>(value_->number());
  }
  if (!integer || *integer < least || *integer > most) {
    expected("an integer between " + std::to_string(least) + " and " + std::to_string(most));
  }
  return *integer;
}

double JsonValue::number(double least, double most) const {
  if (!value_->is_number() || !(value_->number() >= least && value_->number() <= most)) {
    expected("a number between " + plain(least) + " and " + plain(most));
  }
  return value_->number();
}

bool JsonValue::boolean() const {
  if (value_->type() != Json::Type::boolean) expected("true or false");
  return value_->boolean();
}

std::string JsonValue::string() const {
  if (!value_->is_string()) expected("a string");
  return value_->string();
}

std::vector<JsonValue> JsonValue::array() const {
  if (!value_->is_array()) expected("an array");
  std::vector<JsonValue> out;
  out.reserve(value_->size());
  for (const Json& item : value_->array()) out.push_back(at(item));
  return out;
}

std::vector<std::int64_t> JsonValue::integers(std::int64_t least, std::int64_t most) const {
  if (!value_->is_array()) expected("an array of integers");
  std::vector<std::int64_t> out;
  out.reserve(value_->size());
  for (const Json& item : value_->array()) out.push_back(at(item).integer(least, most));
  return out;
}

std::vector<std::int32_t> JsonValue::int32s(std::int32_t least, std::int32_t most) const {
  if (!value_->is_array()) expected("an array of integers");
  std::vector<std::int32_t> out;
  out.reserve(value_->size());
  for (const Json& item : value_->array()) out.push_back(at(item).int32(least, most));
  return out;
}

std::vector<std::string> JsonValue::strings() const {
  std::vector<std::string> out;
  for (const JsonValue& item : array()) out.push_back(item.string());
  return out;
}

std::string JsonValue::choice(const std::vector<std::string>& names) const {
  std::string list;
  for (const std::string& name : names) {
    if (value_->is_string() && value_->string() == name) return name;
    list += (list.empty() ? "" : ", ") + name;
  }
  expected("one of " + list);
}

JsonObject JsonValue::object() const {
  if (!value_->is_object()) expected("an object");
  return JsonObject(*this);
}

JsonValue JsonObject::required(std::optional<JsonValue> value, std::string_view key) const {
  if (!value) value_.fail("expected the key \"" + std::string(key) + "\", which is missing");
  return *std::move(value);
}

std::optional<JsonValue> JsonObject::find_stable(std::string_view key) {
  if (asked_.empty()) asked_.reserve(kUsualKeys);
  asked_.push_back(key);
  const Json* value = value_.json().find(key);
  if (value == nullptr) return std::nullopt;
  return value_.at(*value);
}

std::optional<JsonValue> JsonObject::unless_null(std::optional<JsonValue> value) {
  if (value && value->is_null()) value.reset();
  return value;
}

std::vector<std::pair<std::string, JsonValue>> JsonObject::members() {
  std::vector<std::pair<std::string, JsonValue>> out;
  for (const Json::Member& member : value_.json().object()) {
    asked_.push_back(member.key);
    out.emplace_back(member.key, value_.at(member.value));
  }
  return out;
}

void JsonObject::done() const {
  const std::string* unknown = nullptr;  // the first in the order of the alphabet
  for (const Json::Member& member : value_.json().object()) {
    const bool asked = std::find(asked_.begin(), asked_.end(), member.key) != asked_.end();
    if (!asked && (unknown == nullptr || member.key < *unknown)) unknown = &member.key;
  }
  if (unknown == nullptr) return;
  std::vector<std::string_view> known = asked_;
  std::sort(known.begin(), known.end());
  known.erase(std::unique(known.begin(), known.end()), known.end());
  std::string list;
  for (const std::string_view name : known) list += (list.empty() ? "" : ", ") + std::string(name);
  value_.fail("unknown key \"" + shown(*unknown) + "\"; known are " + list);
}

}  // namespace tokenyard
