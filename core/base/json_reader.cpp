#include "core/base/json_reader.h"

#include <cmath>
#include <fstream>
#include <sstream>

namespace tokenyard {
namespace {

std::string shown(const std::string& text, std::size_t most = 60) {
  std::string out;
  for (const char c : text.substr(0, most)) out += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
  return text.size() > most ? out + "..." : out;
}

std::string escape_pointer(const std::string& key) {
  std::string out;
  for (const char c : shown(key)) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return out;
}

std::string place_of(std::string_view text, std::size_t byte) {
  std::size_t line = 1;
  std::size_t column = 1;
  for (std::size_t i = 0; i + 1 < byte && i < text.size(); ++i) {
    if (text[i] == '\n') {
      ++line;
      column = 1;
    } else {
      ++column;
    }
  }
  return "line " + std::to_string(line) + ", column " + std::to_string(column);
}

std::string plain(double value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

// nlohmann keeps the last of two equal keys and recurses on nesting; both are refused while parsing. An object with fewer
// members than keys has equal ones: counting costs nothing, only naming them (`remember`) takes a second pass.
class Guard {
 public:
  Guard(const std::string& file, bool remember) : file_(file), remember_(remember) {}
  bool operator()(int depth, nlohmann::json::parse_event_t event, nlohmann::json& parsed) {
    using Event = nlohmann::json::parse_event_t;
    if (depth > 200) throw InputError(file_ + ": nested more than 200 levels deep");
    if (event == Event::object_start) open_.emplace_back();
    if (event == Event::key) {
      ++open_.back().count;
      if (remember_ && !open_.back().keys.insert(parsed.get<std::string>()).second) {
        throw InputError(file_ + ": the key \"" + shown(parsed.get<std::string>()) + "\" stands twice in one object");
      }
    }
    if (event == Event::object_end) {
      if (parsed.size() != open_.back().count) throw EqualKeys();
      open_.pop_back();
    }
    return true;
  }
  struct EqualKeys {};

 private:
  struct Object {
    std::size_t count = 0;
    std::set<std::string> keys;
  };
  const std::string& file_;
  bool remember_;
  std::vector<Object> open_;
};

nlohmann::json parse_guarded(std::string_view text, const std::string& file) {
  try {
    return nlohmann::json::parse(text.begin(), text.end(), Guard(file, false));
  } catch (const Guard::EqualKeys&) {
    return nlohmann::json::parse(text.begin(), text.end(), Guard(file, true));
  }
}

}  // namespace

JsonValue JsonValue::parse(std::string_view text, std::string file) {
  try {
    auto root = std::make_shared<const nlohmann::json>(parse_guarded(text, file));
    const nlohmann::json* value = root.get();
    return {std::move(root), value, std::make_shared<const std::string>(std::move(file)), ""};
  } catch (const nlohmann::json::parse_error& error) {
    std::string what = error.what();  // "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error ..."
    const std::size_t colon = what.find(": ");
    if (colon != std::string::npos) what = what.substr(colon + 2);
    throw InputError(file + ": " + place_of(text, error.byte) + ": expected JSON: " + shown(what, 200));
  } catch (const nlohmann::json::exception& error) {
    throw InputError(file + ": expected JSON: " + shown(error.what(), 200));
  }
}

JsonValue JsonValue::load(const std::string& path, std::int64_t max_bytes) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in) throw InputError(path + ": cannot be read; does the file exist?");
  const std::int64_t bytes = in.tellg();
  if (bytes < 0) throw InputError(path + ": cannot be read; is it a regular file?");
  if (bytes > max_bytes) {
    throw InputError(path + ": expected at most " + std::to_string(max_bytes) + " bytes, found " + std::to_string(bytes));
  }
  std::string text(static_cast<std::size_t>(bytes), '\0');
  in.seekg(0);
  if (!in.read(text.data(), bytes)) throw InputError(path + ": cannot be read; is it a regular file?");
  return parse(text, path);
}

std::string JsonValue::found() const {
  using Type = nlohmann::json::value_t;
  switch (value_->type()) {
    case Type::null: return "null";
    case Type::object: return "an object";
    case Type::array: return "an array of " + std::to_string(value_->size());
    case Type::string: return "\"" + shown(value_->get<std::string>()) + "\"";
    default: return shown(value_->dump());
  }
}

void JsonValue::fail(const std::string& sentence) const {
  throw InputError(*file_ + ": " + (pointer_.empty() ? "/" : pointer_) + ": " + sentence);
}

void JsonValue::expected(const std::string& what) const { fail("expected " + what + ", found " + found()); }

std::int64_t JsonValue::integer(std::int64_t least, std::int64_t most) const {
  const auto what = [&] { return "an integer between " + std::to_string(least) + " and " + std::to_string(most); };
  if (!value_->is_number_integer()) expected(what());
  if (value_->is_number_unsigned() && value_->get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX)) expected(what());
  const auto value = value_->get<std::int64_t>();
  if (value < least || value > most) expected(what());
  return value;
}

double JsonValue::number(double least, double most) const {
  const auto what = [&] { return "a number between " + plain(least) + " and " + plain(most); };
  if (!value_->is_number()) expected(what());
  const auto value = value_->get<double>();
  if (!std::isfinite(value) || value < least || value > most) expected(what());
  return value;
}

bool JsonValue::boolean() const {
  if (!value_->is_boolean()) expected("true or false");
  return value_->get<bool>();
}

std::string JsonValue::string() const {
  if (!value_->is_string()) expected("a string");
  return value_->get<std::string>();
}

std::vector<JsonValue> JsonValue::array() const {
  if (!value_->is_array()) expected("an array");
  std::vector<JsonValue> out;
  out.reserve(value_->size());
  for (std::size_t i = 0; i < value_->size(); ++i) {
    out.push_back(JsonValue(root_, &(*value_)[i], file_, pointer_ + "/" + std::to_string(i)));
  }
  return out;
}

std::vector<std::int32_t> JsonValue::int32s(std::int32_t least, std::int32_t most) const {
  if (!value_->is_array()) expected("an array of integers");
  std::vector<std::int32_t> out;
  out.reserve(value_->size());
  for (std::size_t i = 0; i < value_->size(); ++i) {
    const nlohmann::json& item = (*value_)[i];
    const bool fine = item.is_number_integer() && (!item.is_number_unsigned() || item.get<std::uint64_t>() <= INT32_MAX) &&
                      item.get<std::int64_t>() >= least && item.get<std::int64_t>() <= most;
    if (!fine) JsonValue(root_, &item, file_, pointer_ + "/" + std::to_string(i)).integer(least, most);
    out.push_back(item.get<std::int32_t>());
  }
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
    if (value_->is_string() && value_->get<std::string>() == name) return name;
    list += (list.empty() ? "" : ", ") + name;
  }
  expected("one of " + list);
}

JsonObject JsonValue::object() const {
  if (!value_->is_object()) expected("an object");
  return JsonObject(*this);
}

JsonValue JsonObject::at(const std::string& key) {
  auto value = find(key);
  if (!value) value_.fail("expected the key \"" + key + "\", which is missing");
  return *value;
}

std::optional<JsonValue> JsonObject::find(const std::string& key) {
  asked_.insert(key);
  const auto it = value_.value_->find(key);
  if (it == value_.value_->end()) return std::nullopt;
  return JsonValue(value_.root_, &*it, value_.file_, value_.pointer_ + "/" + escape_pointer(key));
}

void JsonObject::done() const {
  for (const auto& [key, value] : value_.value_->items()) {
    if (asked_.contains(key)) continue;
    std::string known;
    for (const std::string& name : asked_) known += (known.empty() ? "" : ", ") + name;
    value_.fail("unknown key \"" + shown(key) + "\"; known are " + known);
  }
}

}  // namespace tokenyard
