// What an expression of a template is worth.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>

#include "backends/jinja/renderer.h"

namespace tokenyard::jinja {
namespace {

using Kind = Node::Kind;

// Of what is undefined.
std::string name_of(Value undefined) { return undefined.what != nullptr ? undefined.what : "a value"; }

Value need_number(Value value, const char* what) {
  if (!value.is_numeric()) throw Trouble(std::string(what) + ": expected a number, found " + type_name(value));
  return value;
}

}  // namespace

Value Renderer::evaluate(const Node& node, Scope& scope) {
  const Level level(*this);
  heap.step();
  const Value value = evaluate_node(node, scope);
  line_ = node.line;
  return value;
}

Value Renderer::evaluate_node(const Node& node, Scope& scope) {
  const auto part = [&](std::size_t i) { return evaluate(*node.parts[i], scope); };
  switch (node.kind) {
    case Kind::constant: return node.value;
    case Kind::name: return name(node.text, scope);
    case Kind::list:
    case Kind::tuple: {
      std::vector<Value> items;
      for (const Node* item : node.parts) items.push_back(evaluate(*item, scope));
      return heap.list(std::move(items), node.kind == Kind::list ? List::Kind::list : List::Kind::tuple);
    }
    case Kind::dict: {
      std::vector<std::pair<Value, Value>> items;
      for (std::size_t i = 0; i < node.parts.size(); i += 2) {
        const Value key = part(i);
        items.emplace_back(key, part(i + 1));
      }
      return heap.dict(items);
    }
    case Kind::attribute: {
      const Value object = part(0);
      line_ = node.line;
      return attribute(object, node.text);
    }
    case Kind::item: {
      const Value object = part(0);
      if (node.parts[1]->kind == Kind::slice) return slice(object, *node.parts[1], scope);
      const Value index = part(1);
      line_ = node.line;
      return item(object, index);
    }
    case Kind::call: {
      const Value function = part(0);
      Arguments given = arguments(node, scope);
      line_ = node.line;
      return call(function, std::move(given));
    }
    case Kind::filter: {
      const Value value = node.parts[0] == nullptr ? filtered_ : part(0);
      Arguments given = arguments(node, scope);
      line_ = node.line;
      return apply_filter(*this, node.text, value, std::move(given));
    }
    case Kind::test: {
      const Value value = part(0);
      Arguments given = arguments(node, scope);
      line_ = node.line;
      return Value::of(apply_test(*this, node.text, value, std::move(given)));
    }
    case Kind::invert: return Value::of(!truth(part(0)));
    case Kind::negate: {
      const Value value = need_number(part(0), "-");
      if (value.is(Type::number)) return Value::of(-value.number);
      if (value.whole() == INT64_MIN) throw Trouble("a number is too large");
      return Value::of(-value.whole());
    }
    case Kind::plus: {
      const Value value = need_number(part(0), "+");
      return value.is(Type::number) ? value : Value::of(value.whole());
    }
    case Kind::both: {
      const Value value = part(0);
      return truth(value) ? part(1) : value;
    }
    case Kind::either: {
      const Value value = part(0);
      return truth(value) ? value : part(1);
    }
    case Kind::choose:
      if (truth(part(0))) return part(1);
      return node.parts[2] != nullptr ? part(2) : Value();
    case Kind::binary: {
      const Value a = part(0);
      const Value b = part(1);
      line_ = node.line;
      return binary(node.text, a, b);
    }
    case Kind::join: {
      std::string out;
      for (const Node* piece : node.parts) {
        const Value value = evaluate(*piece, scope);
        out += str(value);
      }
      return text(std::move(out));
    }
    case Kind::compare: return compare(node, scope);
    default: throw Trouble("internal: no expression");
  }
}

Arguments Renderer::arguments(const Node& node, Scope& scope) {
  Arguments out;
  const std::size_t named = node.parts.size() - node.names.size();
  for (std::size_t i = 1; i < node.parts.size(); ++i) {
    const Value value = evaluate(*node.parts[i], scope);
    if (i < named) {
      out.values.push_back(value);
    } else {
      out.named.emplace_back(node.names[i - named], value);
    }
  }
  return out;
}

Value Renderer::name(const std::string& name, const Scope& scope) {
  for (const Scope* in = &scope; in != nullptr; in = in->parent) {
    heap.step();
    for (const auto& [other, value] : in->variables) {
      if (other == name) return value;
    }
  }
  Value value = global(*this, name);
  if (value.is(Type::undefined)) value.what = name.c_str();
  return value;
}

Value Renderer::attribute(Value object, std::string_view name) {
  if (name.starts_with('_')) throw Trouble("." + std::string(name) + ": names that begin with _ are not known here");
  switch (object.type) {
    case Type::undefined: throw Trouble(name_of(object) + " is undefined, and has no ." + std::string(name));
    case Type::space:
      for (const auto& [other, value] : object.space->fields) {
        if (other == name) return value;
      }
      break;
    case Type::function: return object.function->attribute(*this, name);
    default: break;
  }
  const Value found = method(*this, object, name);
  if (!found.is(Type::undefined) || !object.is(Type::dict)) return found;
  const Value* member = find(heap, *object.dict, text(std::string(name)));
  return member != nullptr ? *member : Value();
}

Value Renderer::item(Value object, Value index) {
  if (object.is(Type::undefined)) throw Trouble(name_of(object) + " is undefined, and has no items");
  if (object.is(Type::dict)) {
    const Value* found = can_be_key(index) ? find(heap, *object.dict, index) : nullptr;
    if (found != nullptr) return *found;
  }
  if (index.is(Type::string)) {
    const std::string& name = index.string();
    // As jinja2: what is no item may be an attribute.
    return object.is(Type::dict) ? method(*this, object, name) : attribute(object, name);
  }
  if (!index.is_integral()) return {};
  std::int64_t at = index.whole();
  if (object.is(Type::string)) {
    const std::vector<std::size_t> starts = char_starts(object);
    const std::int64_t size = std::ssize(starts) - 1;
    if (at < 0) at += size;
    if (at < 0 || at >= size) return {};
    const std::size_t start = starts[static_cast<std::size_t>(at)];
    return heap.text(object.string().substr(start, starts[static_cast<std::size_t>(at) + 1] - start), is_safe(object));
  }
  if (!object.is(Type::list) || object.list->kind > List::Kind::range) return {};
  const std::vector<Value>& items = object.list->items;
  if (at < 0) at += std::ssize(items);
  return at < 0 || at >= std::ssize(items) ? Value() : items[static_cast<std::size_t>(at)];
}

// Where each character begins, and the end.
std::vector<std::size_t> Renderer::char_starts(Value value) {
  const std::string& bytes = value.string();
  heap.touch(bytes.size() * 8);
  std::vector<std::size_t> starts;
  for (std::size_t at = 0; at < bytes.size(); at += char_bytes(bytes[at])) starts.push_back(at);
  starts.push_back(bytes.size());
  return starts;
}

Value Renderer::slice(Value object, const Node& node, Scope& scope) {
  line_ = node.line;
  std::optional<std::int64_t> parts[3];
  for (std::size_t i = 0; i < 3; ++i) {
    if (node.parts[i] == nullptr) continue;
    const Value value = evaluate(*node.parts[i], scope);
    if (value.is(Type::none)) continue;
    if (!value.is_integral()) throw Trouble(std::string("a slice: expected whole numbers, found ") + type_name(value));
    parts[i] = value.whole();
  }
  if (!object.is(Type::string) && !(object.is(Type::list) && object.list->kind <= List::Kind::range)) {
    if (object.is(Type::undefined)) throw Trouble(name_of(object) + " is undefined, and has no items");
    throw Trouble(std::string("a value of type ") + type_name(object) + " has no slices");
  }
  const bool is_text = object.is(Type::string);
  const std::vector<std::size_t> starts = is_text ? char_starts(object) : std::vector<std::size_t>();
  const std::int64_t size = is_text ? std::ssize(starts) - 1 : std::ssize(object.list->items);
  const std::int64_t step = parts[2].value_or(1);
  if (step == 0) throw Trouble("a slice: the step must not be 0");
  const std::int64_t least = step > 0 ? 0 : -1;
  const std::int64_t most = step > 0 ? size : size - 1;
  const auto bound = [&](std::optional<std::int64_t> given, std::int64_t otherwise) {
    if (!given) return otherwise;
    return std::clamp(*given < 0 ? *given + size : *given, least, most);
  };
  const std::int64_t from = bound(parts[0], step > 0 ? 0 : size - 1);
  const std::int64_t to = bound(parts[1], step > 0 ? size : -1);
  std::string bytes;
  std::vector<Value> items;
  for (std::int64_t at = from; step > 0 ? at < to : at > to;) {
    const auto i = static_cast<std::size_t>(at);
    if (is_text) {
      bytes.append(object.string(), starts[i], starts[i + 1] - starts[i]);
    } else {
      items.push_back(object.list->items[i]);
    }
    if (step > 0 ? step >= to - at : step <= to - at) break;
    at += step;
  }
  return is_text ? heap.text(std::move(bytes), is_safe(object)) : heap.list(std::move(items), object.list->kind);
}

Value Renderer::call(Value function, Arguments arguments) {
  if (function.is(Type::undefined)) throw Trouble(name_of(function) + " is undefined");
  if (!function.is(Type::function)) throw Trouble(std::string("a value of type ") + type_name(function) + " cannot be called");
  const Level level(*this);
  return function.function->call(*this, std::move(arguments));
}

Value Renderer::binary(const std::string& sign, Value a, Value b) {
  for (const Value& value : {a, b}) {
    if (value.is(Type::undefined)) throw Trouble(name_of(value) + " is undefined: " + sign);
  }
  const auto refuse = [&]() -> Value {
    throw Trouble(sign + ": not for values of type " + type_name(a) + " and " + type_name(b));
  };
  const char op = sign == "//" ? 'd' : sign == "**" ? 'p' : sign[0];
  const auto is_sequence = [](Value v) { return v.is(Type::list) && v.list->kind <= List::Kind::tuple; };
  if (op == '+' && a.is(Type::string) && b.is(Type::string)) {
    heap.touch(a.string().size() + b.string().size());
    const bool safe = is_safe(a) || is_safe(b);
    if (safe && !is_safe(a)) a = apply_filter(*this, "escape", a, {});
    if (safe && !is_safe(b)) b = apply_filter(*this, "escape", b, {});
    return heap.text(a.string() + b.string(), safe);
  }
  if (op == '+' && is_sequence(a) && is_sequence(b) && a.list->kind == b.list->kind) {
    std::vector<Value> items = a.list->items;
    items.insert(items.end(), b.list->items.begin(), b.list->items.end());
    return heap.list(std::move(items), a.list->kind);
  }
  if (op == '%' && a.is(Type::string)) {
    if (is_safe(a)) throw Trouble("%: not known here for what the filter safe or escape made");
    return text(format_percent(*this, a.string(),
                               is_sequence(b) && b.list->kind == List::Kind::tuple ? b.list->items : std::vector{b}));
  }
  if (op == '*' && (a.is(Type::string) || is_sequence(a) || b.is(Type::string) || is_sequence(b))) {
    if (!a.is_integral()) std::swap(a, b);
    if (!a.is_integral()) return refuse();
    const auto wanted = static_cast<std::uint64_t>(std::max<std::int64_t>(a.whole(), 0));
    const std::size_t size = b.is(Type::string) ? b.string().size() : b.list->items.size() * sizeof(Value);
    if (size == 0 || wanted == 0) return b.is(Type::string) ? text("") : heap.list({}, b.list->kind);
    constexpr std::uint64_t most = std::min<std::uint64_t>(std::uint64_t{1} << 40, SIZE_MAX);
    if (wanted > most / size) throw Trouble("the template takes too much memory");
    const auto count = static_cast<std::size_t>(wanted);
    heap.charge(count * size);
    if (b.is(Type::string)) {
      std::string out;
      for (std::size_t i = 0; i < count; ++i) out += b.string();
      return heap.text(std::move(out), is_safe(b));
    }
    std::vector<Value> items;
    for (std::size_t i = 0; i < count; ++i) items.insert(items.end(), b.list->items.begin(), b.list->items.end());
    return heap.list(std::move(items), b.list->kind);
  }
  if (!a.is_numeric() || !b.is_numeric()) return refuse();
  const bool whole = a.is_integral() && b.is_integral();
  if ((op == '/' || op == 'd' || op == '%') && b.real() == 0) throw Trouble(sign + ": a division by zero");
  if (op == '/') return Value::of(a.real() / b.real());
  if (!whole) {
    const double x = a.real();
    const double y = b.real();
    switch (op) {
      case '+': return Value::of(x + y);
      case '-': return Value::of(x - y);
      case '*': return Value::of(x * y);
      case 'p': {
        const double power = std::pow(x, y);
        if (!std::isfinite(power) && std::isfinite(x) && std::isfinite(y)) throw Trouble("**: the number is too large");
        return Value::of(power);
      }
      default: break;
    }
    // The remainder has the sign of the divisor.
    double rest = std::fmod(x, y);
    if (rest != 0 && (rest < 0) != (y < 0)) rest += y;
    if (op == '%') return Value::of(rest == 0 ? std::copysign(0.0, y) : rest);
    return Value::of(std::round((x - rest) / y));
  }
  const std::int64_t x = a.whole();
  const std::int64_t y = b.whole();
  std::int64_t out = 0;
  bool too_large = false;
  switch (op) {
    case '+': too_large = __builtin_add_overflow(x, y, &out); break;
    case '-': too_large = __builtin_sub_overflow(x, y, &out); break;
    case '*': too_large = __builtin_mul_overflow(x, y, &out); break;
    case 'p': {
      if (y < 0) {
        if (x == 0) throw Trouble("**: a division by zero");
        return Value::of(std::pow(static_cast<double>(x), static_cast<double>(y)));
      }
      out = 1;
      if (x == 0 || x == 1 || x == -1) {
        out = y == 0 ? 1 : x < 0 && y % 2 == 0 ? 1 : x;
      } else {
        for (std::int64_t i = 0; i < y && !too_large; ++i) too_large = __builtin_mul_overflow(out, x, &out);
      }
      break;
    }
    default: {
      if (y == -1) {  // INT64_MIN / -1 does not fit
        too_large = op == 'd' && __builtin_sub_overflow(std::int64_t{0}, x, &out);
        break;
      }
      const std::int64_t rest = x % y;
      const bool down = rest != 0 && (rest < 0) != (y < 0);
      out = op == 'd' ? x / y - (down ? 1 : 0) : rest + (down ? y : 0);
    }
  }
  if (too_large) throw Trouble(sign + ": the number is too large");
  return Value::of(out);
}

Value Renderer::compare(const Node& node, Scope& scope) {
  Value left = evaluate(*node.parts[0], scope);
  for (std::size_t i = 0; i < node.names.size(); ++i) {
    const Value right = evaluate(*node.parts[i + 1], scope);
    line_ = node.line;
    const std::string& op = node.names[i];
    bool holds = false;
    if (op == "==" || op == "!=") {
      holds = equal(heap, left, right) == (op == "==");
    } else if (op == "in" || op == "not in") {
      holds = contains(heap, right, left) == (op == "in");
    } else if (op == "<" || op == ">") {
      holds = op == "<" ? less(heap, left, right) : less(heap, right, left);
    } else {
      holds = less_or_equal(heap, op == "<=" ? left : right, op == "<=" ? right : left);
    }
    if (!holds) return Value::of(false);
    left = right;
  }
  return Value::of(true);
}

}  // namespace tokenyard::jinja
