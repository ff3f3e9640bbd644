#include "backends/jinja/value.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace tokenyard::jinja {
namespace {

constexpr int kDeepest = 100;  // lists in lists: what goes through them calls itself

int depth_of(Value value) {
  if (value.is(Type::list)) return value.list->depth;
  if (value.is(Type::dict)) return value.dict->depth;
  return 0;
}

int checked_depth(int deepest_item) {
  if (deepest_item >= kDeepest) throw Trouble("lists and dicts are nested too deep");
  return deepest_item + 1;
}

// Python's repr of a float: the shortest digits that give it back, with an exponent below 1e-4 and from 1e16 on.
std::string repr_of(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number < 0 ? "-inf" : "inf";
  std::array<char, 40> buffer;
  const auto write = [&](std::chars_format format) {
    return std::string(buffer.data(), std::to_chars(buffer.data(), buffer.data() + buffer.size(), number, format).ptr);
  };
  const double size = std::abs(number);
  if (number != 0 && (size < 1e-4 || size >= 1e16)) return write(std::chars_format::scientific);
  std::string out = write(std::chars_format::fixed);
  if (out.find('.') == std::string::npos) out += ".0";
  return out;
}

// Does Python's repr write it as it is? Without tables of Unicode: code points that are assigned to nothing count as printable.
bool is_printable(char32_t c) {
  if (c < 0x20 || (c >= 0x7F && c <= 0xA0) || c == 0xAD) return false;
  if (c < 0x600) return true;
  if (is_space(c) || (c >= 0x200B && c <= 0x200F) || (c >= 0x202A && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F)) return false;
  return (c < 0xE000 || c > 0xF8FF) && c != 0xFEFF && (c < 0xFFF9 || c > 0xFFFB) && c < 0xE0000;
}

std::string repr_of(std::string_view text) {
  const char quote = text.find('\'') != text.npos && text.find('"') == text.npos ? '"' : '\'';
  std::string out(1, quote);
  const auto hex = [&](char kind, char32_t c, int digits) {
    out += '\\';
    out += kind;
    for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) out += "0123456789abcdef"[c >> shift & 15];
  };
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = char_bytes(text[at]);
    const char32_t c = code_point(text.substr(at));
    if (c == static_cast<unsigned char>(quote) || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c == '\n' || c == '\r' || c == '\t') {
      out += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
    } else if (is_printable(c)) {
      out += text.substr(at, size);
    } else if (c < 0x100) {
      hex('x', c, 2);
    } else if (c < 0x10000) {
      hex('u', c, 4);
    } else {
      hex('U', c, 8);
    }
    at += size;
  }
  return out + quote;
}

int order(double a, double b) { return a < b ? -1 : a > b ? 1 : 0; }

// REQUIRES: both numeric, neither is NaN.
int order(Value a, Value b) {
  if (a.is_integral() && b.is_integral()) return a.whole() < b.whole() ? -1 : a.whole() > b.whole() ? 1 : 0;
  if (a.is(Type::number) && b.is(Type::number)) return order(a.number, b.number);
  if (a.is(Type::number)) return -order(b, a);
  // An integer and a float: beyond 2^63 the float decides; within, its integer part is exact.
  if (b.number >= 0x1p63) return -1;
  if (b.number < -0x1p63) return 1;
  const auto part = static_cast<std::int64_t>(b.number);
  if (a.whole() != part) return a.whole() < part ? -1 : 1;
  return order(0, b.number - static_cast<double>(part));
}

bool is_nan(Value value) { return value.is(Type::number) && std::isnan(value.number); }

// Where the key stands; the number of keys where it does not.
std::size_t place_of(Heap& heap, const Dict& dict, Value key) {
  if (!can_be_key(key)) {
    throw Trouble(std::string("a value of type ") + type_name(key) + " cannot be a key");
  }
  std::size_t place = 0;
  while (place < dict.items.size() && !equal(heap, dict.items[place].first, key)) ++place;
  return place;
}

}  // namespace

const std::string& Value::string() const { return text->bytes; }

Value Function::attribute(Renderer&, std::string_view) { return {}; }

void Heap::step(std::size_t count) {
  if (count > static_cast<std::size_t>(steps_)) throw Trouble("the template takes too many steps");
  steps_ -= static_cast<std::int64_t>(count);
}

void Heap::charge(std::size_t bytes) {
  if (bytes > bytes_) throw Trouble("the template takes too much memory");
  bytes_ -= bytes;
  touch(bytes);
}

Value Heap::text(std::string bytes, bool safe) {
  charge(bytes.size() + sizeof(Text));
  Value value = Value::of(Type::string);
  value.text = &texts_.emplace_back(Text{std::move(bytes), safe});
  return value;
}

Value Heap::list(std::vector<Value> items, List::Kind kind) {
  charge(items.size() * sizeof(Value) + sizeof(List));
  int deepest = 0;
  for (const Value& item : items) deepest = std::max(deepest, depth_of(item));
  Value value = Value::of(Type::list);
  value.list = &lists_.emplace_back(List{kind, std::move(items), checked_depth(deepest)});
  return value;
}

Value Heap::dict(const std::vector<std::pair<Value, Value>>& items) {
  charge(items.size() * 2 * sizeof(Value) + sizeof(Dict));
  Dict dict = {};
  int deepest = 0;
  for (const auto& [key, value] : items) {
    const std::size_t place = place_of(*this, dict, key);
    if (place == dict.items.size()) dict.items.emplace_back(key, value);
    dict.items[place].second = value;
    deepest = std::max({deepest, depth_of(key), depth_of(value)});
  }
  dict.depth = checked_depth(deepest);
  Value value = Value::of(Type::dict);
  value.dict = &dicts_.emplace_back(std::move(dict));
  return value;
}

Value Heap::space() {
  charge(sizeof(Space));
  Value value = Value::of(Type::space);
  value.space = &spaces_.emplace_back();
  return value;
}

Value Heap::json(const Json& json) {
  switch (json.type()) {
    case Json::Type::null: return Value::none();
    case Json::Type::boolean: return Value::of(json.boolean());
    case Json::Type::integer: return Value::of(json.integer());
    case Json::Type::large: throw Trouble("a number is too large: " + std::to_string(json.large()));
    case Json::Type::number: return Value::of(json.number());
    case Json::Type::string: return text(json.string());
    case Json::Type::array: {
      std::vector<Value> items;
      for (const Json& item : json.array()) items.push_back(this->json(item));
      return list(std::move(items));
    }
    case Json::Type::object: break;
  }
  std::vector<std::pair<Value, Value>> items;
  for (const Json::Member& member : json.object()) items.emplace_back(text(member.key), this->json(member.value));
  return dict(items);
}

const std::vector<Value>& Heap::items(Value value) {
  std::vector<Value> out;
  switch (value.type) {
    case Type::undefined: break;
    case Type::list:
      if (value.list->kind != List::Kind::iterator) return value.list->items;
      out = std::exchange(value.list->items, {});
      break;
    case Type::dict:
      for (const auto& item : value.dict->items) out.push_back(item.first);
      break;
    case Type::string: {
      const std::string& bytes = value.string();
      charge(bytes.size() * (sizeof(Value) + sizeof(Text)));
      for (std::size_t at = 0; at < bytes.size(); at += char_bytes(bytes[at])) {
        out.push_back(text(bytes.substr(at, char_bytes(bytes[at]))));
      }
      break;
    }
    default: throw Trouble(std::string("a value of type ") + type_name(value) + " cannot be gone through");
  }
  return list(std::move(out)).list->items;
}

const char* type_name(Value value) {
  switch (value.type) {
    case Type::undefined: return "undefined";
    case Type::none: return "None";
    case Type::boolean: return "bool";
    case Type::integer: return "int";
    case Type::number: return "float";
    case Type::string: return "str";
    case Type::list: {
      constexpr std::array<const char*, 5> kNames = {"list", "tuple", "range", "iterator", "view"};
      return kNames[static_cast<std::size_t>(value.list->kind)];
    }
    case Type::dict: return "dict";
    case Type::space: return "namespace";
    case Type::function: break;
  }
  return "function";
}

bool truth(Value value) {
  switch (value.type) {
    case Type::undefined:
    case Type::none: return false;
    case Type::boolean: return value.boolean;
    case Type::integer: return value.integer != 0;
    case Type::number: return value.number != 0;
    case Type::string: return !value.string().empty();
    case Type::list: return value.list->kind == List::Kind::iterator || !value.list->items.empty();
    case Type::dict: return !value.dict->items.empty();
    case Type::space:
    case Type::function: break;
  }
  return true;
}

bool is_safe(Value value) { return value.is(Type::string) && value.text->safe; }

std::string repr(Heap& heap, Value value) {
  heap.step();
  switch (value.type) {
    case Type::undefined: return "Undefined";
    case Type::none: return "None";
    case Type::boolean: return value.boolean ? "True" : "False";
    case Type::integer: return std::to_string(value.integer);
    case Type::number: return repr_of(value.number);
    case Type::string:
      heap.charge(value.string().size());
      return is_safe(value) ? "Markup(" + repr_of(value.string()) + ")" : repr_of(value.string());
    case Type::list: {
      const List& list = *value.list;
      if (list.kind != List::Kind::list && list.kind != List::Kind::tuple) break;
      const bool tuple = list.kind == List::Kind::tuple;
      std::string out(1, tuple ? '(' : '[');
      for (const Value& item : list.items) {
        if (out.size() > 1) out += ", ";
        out += repr(heap, item);
      }
      if (tuple && list.items.size() == 1) out += ',';
      out += tuple ? ')' : ']';
      heap.charge(out.size());
      return out;
    }
    case Type::dict: {
      std::string out = "{";
      for (const auto& [key, item] : value.dict->items) {
        if (out.size() > 1) out += ", ";
        out += repr(heap, key);
        out += ": ";
        out += repr(heap, item);
      }
      heap.charge(out.size());
      return out + "}";
    }
    case Type::space:
    case Type::function: break;
  }
  throw Trouble(std::string("a value of type ") + type_name(value) + " cannot be printed here");
}

std::string str(Heap& heap, Value value) {
  if (value.is(Type::undefined)) return "";
  if (!value.is(Type::string)) return repr(heap, value);
  heap.touch(value.string().size());
  return value.string();
}

bool equal(Heap& heap, Value a, Value b) {
  heap.step();
  if (a.is_numeric() && b.is_numeric()) return !is_nan(a) && !is_nan(b) && order(a, b) == 0;
  if (a.type != b.type) return false;
  const auto same = [&](Value x, Value y) { return equal(heap, x, y); };
  switch (a.type) {
    case Type::string:
      if (a.string().size() != b.string().size()) return false;
      heap.touch(a.string().size());
      return a.string() == b.string();
    case Type::list:
      if (a.list == b.list) return true;
      return a.list->kind == b.list->kind && a.list->kind != List::Kind::iterator &&
             std::equal(a.list->items.begin(), a.list->items.end(), b.list->items.begin(), b.list->items.end(), same);
    case Type::dict:
      return a.dict->items.size() == b.dict->items.size() &&
             std::all_of(a.dict->items.begin(), a.dict->items.end(), [&](const auto& item) {
               const Value* other = find(heap, *b.dict, item.first);
               return other != nullptr && same(item.second, *other);
             });
    case Type::space: return a.space == b.space;
    case Type::function: return a.function == b.function;
    default: return true;  // undefined, None
  }
}

bool less(Heap& heap, Value a, Value b) {
  heap.step();
  if (a.is_numeric() && b.is_numeric()) return !is_nan(a) && !is_nan(b) && order(a, b) < 0;
  if (a.is(Type::string) && b.is(Type::string)) {
    heap.touch(std::min(a.string().size(), b.string().size()));
    return a.string() < b.string();  // UTF-8 has the order of code points
  }
  if (a.is(Type::list) && b.is(Type::list) && a.list->kind == b.list->kind && a.list->kind <= List::Kind::tuple) {
    const auto [x, y] = std::mismatch(a.list->items.begin(), a.list->items.end(), b.list->items.begin(), b.list->items.end(),
                                      [&](Value p, Value q) { return equal(heap, p, q); });
    if (y == b.list->items.end()) return false;
    return x == a.list->items.end() || less(heap, *x, *y);
  }
  throw Trouble(std::string("values of type ") + type_name(a) + " and " + type_name(b) + " have no order");
}

bool less_or_equal(Heap& heap, Value a, Value b) { return less(heap, a, b) || equal(heap, a, b); }

bool contains(Heap& heap, Value container, Value item) {
  if (container.is(Type::string)) {
    if (!item.is(Type::string)) throw Trouble(std::string("\"in\" a string: expected a string, found ") + type_name(item));
    heap.touch(container.string().size());
    return container.string().find(item.string()) != std::string::npos;
  }
  if (container.is(Type::dict)) return find(heap, *container.dict, item) != nullptr;
  const std::vector<Value>& items = heap.items(container);
  return std::any_of(items.begin(), items.end(), [&](Value other) { return equal(heap, other, item); });
}

bool can_be_key(Value value) {
  if (value.is(Type::list) && value.list->kind == List::Kind::tuple) {
    return std::all_of(value.list->items.begin(), value.list->items.end(), can_be_key);
  }
  return !value.is(Type::dict) && !(value.is(Type::list) && value.list->kind != List::Kind::range);
}

const Value* find(Heap& heap, const Dict& dict, Value key) {
  const std::size_t place = place_of(heap, dict, key);
  return place < dict.items.size() ? &dict.items[place].second : nullptr;
}

bool is_space(char32_t c) {
  return (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

std::size_t char_bytes(char first) {
  const auto byte = static_cast<unsigned char>(first);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

std::size_t length(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

char32_t code_point(std::string_view text) {
  const std::size_t size = char_bytes(text[0]);
  const auto first = static_cast<unsigned char>(text[0]);
  char32_t c = size == 1 ? first : first & (0x7F >> size);
  for (std::size_t i = 1; i < size; ++i) c = c << 6 | (static_cast<unsigned char>(text[i]) & 0x3F);
  return c;
}

void append_char(std::string& out, char32_t c) {
  const auto tail = [&](int shift) { out += static_cast<char>(0x80 | (c >> shift & 0x3F)); };
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | c >> 6);
    tail(0);
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | c >> 12);
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xF0 | c >> 18);
    tail(12);
    tail(6);
    tail(0);
  }
}

std::string_view strip(std::string_view text, bool left, bool right) {
  while (left && !text.empty() && is_space(code_point(text))) text.remove_prefix(char_bytes(text[0]));
  while (right && !text.empty()) {
    std::size_t start = text.size() - 1;
    while (start > 0 && (static_cast<unsigned char>(text[start]) & 0xC0) == 0x80) --start;
    if (!is_space(code_point(text.substr(start)))) break;
    text = text.substr(0, start);
  }
  return text;
}

}  // namespace tokenyard::jinja
