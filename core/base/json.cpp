#include "core/base/json.h"

#include <algorithm>
#include <utility>

#include "core/base/input_error.h"
#include "core/base/json_text.h"

namespace tokenyard {
namespace {

class Writer {
 public:
  Writer(std::string& text, int indent, bool sort_keys) : out_(text), indent_(indent), sort_keys_(sort_keys) {}

  void write(const Json& json, int depth) {
    switch (json.type()) {
      case Json::Type::null: out_ += "null"; return;
      case Json::Type::boolean: out_ += json.boolean() ? "true" : "false"; return;
      case Json::Type::integer: append_int(out_, json.integer()); return;
      case Json::Type::large: out_ += std::to_string(json.large()); return;
      case Json::Type::number: append_double(out_, json.number()); return;
      case Json::Type::string: append_json_string(out_, json.string()); return;
      case Json::Type::array: {
        const char* separator = "";
        out_ += '[';
        for (const Json& item : json.array()) {
          out_ += std::exchange(separator, ",");
          new_line(depth + 1);
          write(item, depth + 1);
        }
        if (!json.array().empty()) new_line(depth);
        out_ += ']';
        return;
      }
      case Json::Type::object: {
        const char* separator = "";
        const auto member = [&](const Json::Member& m) {
          out_ += std::exchange(separator, ",");
          new_line(depth + 1);
          append_json_string(out_, m.key);
          out_ += indent_ < 0 ? ":" : ": ";
          write(m.value, depth + 1);
        };
        const auto before = [](const Json::Member& a, const Json::Member& b) { return a.key < b.key; };
        const Json::Object& members = json.object();
        out_ += '{';
        if (!sort_keys_ || std::is_sorted(members.begin(), members.end(), before)) {
          for (const Json::Member& m : members) member(m);
        } else {
          std::vector<const Json::Member*> sorted;
          for (const Json::Member& m : members) sorted.push_back(&m);
          std::sort(sorted.begin(), sorted.end(), [&](const auto* a, const auto* b) { return before(*a, *b); });
          for (const Json::Member* m : sorted) member(*m);
        }
        if (!members.empty()) new_line(depth);
        out_ += '}';
        return;
      }
    }
  }

 private:
  void new_line(int depth) {
    if (indent_ < 0) return;
    out_ += '\n';
    out_.append(static_cast<std::size_t>(indent_ * depth), ' ');
  }

  std::string& out_;
  int indent_;
  bool sort_keys_;
};

}  // namespace

Json::Json(std::string value) : type_(Type::string) { value_.string = new std::string(std::move(value)); }
Json::Json(Array value) : type_(Type::array) { value_.array = new Array(std::move(value)); }
Json::Json(Object value) : type_(Type::object) { value_.object = new Object(std::move(value)); }

Json::Json(const Json& other) : value_(other.value_) {
  switch (other.type_) {
    case Type::string: value_.string = new std::string(other.string()); break;
    case Type::array: value_.array = new Array(other.array()); break;
    case Type::object: value_.object = new Object(other.object()); break;
    default: break;
  }
  type_ = other.type_;
}

void Json::clear() {
  switch (type_) {
    case Type::string: delete value_.string; break;
    case Type::array: delete value_.array; break;
    case Type::object: delete value_.object; break;
    default: break;
  }
}

double Json::number() const {
  switch (type_) {
    case Type::integer: return static_cast<double>(value_.integer);
    case Type::large: return static_cast<double>(value_.large);
    default: return value_.number;
  }
}

std::size_t Json::size() const {
  switch (type_) {
    case Type::array: return array().size();
    case Type::object: return object().size();
    default: return 0;
  }
}

const Json* Json::find(std::string_view key) const {
  if (!is_object()) return nullptr;
  for (const Member& member : object()) {
    if (member.key == key) return &member.value;
  }
  return nullptr;
}

Json& Json::operator[](std::string_view key) {
  if (Json* found = find(key)) return *found;
  object().push_back({std::string(key), Json()});
  return object().back().value;
}

void Json::erase(std::string_view key) {
  std::erase_if(object(), [&](const Member& member) { return member.key == key; });
}

bool Json::operator==(const Json& other) const {
  if (type_ != other.type_) return false;
  switch (type_) {
    case Type::null: return true;
    case Type::boolean: return value_.boolean == other.value_.boolean;
    case Type::integer: return value_.integer == other.value_.integer;
    case Type::large: return value_.large == other.value_.large;
    case Type::number: return value_.number == other.value_.number;
    case Type::string: return string() == other.string();
    case Type::array: return array() == other.array();
    case Type::object: return object() == other.object();
  }
  return false;
}

std::string Json::dump(int indent, bool sort_keys) const {
  std::string out;
  Writer(out, indent, sort_keys).write(*this, 0);
  return out;
}

void append_json(std::string& out, const Json& json) { Writer(out, -1, /*sort_keys=*/true).write(json, 0); }

Json json_or_string(const std::string& text) {
  try {
    return Json::parse(text, "");
  } catch (const InputError&) {
    return text;
  }
}

}  // namespace tokenyard
