#include "backends/jinja/renderer.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>

namespace tokenyard::jinja {
namespace {

using Kind = Node::Kind;

constexpr int kDeepestCalls = 600;  // calls of the renderer within each other

// Of what is undefined.
std::string name_of(Value undefined) { return undefined.what != nullptr ? undefined.what : "a value"; }

Value need_number(Value value, const char* what) {
  if (!value.is_numeric()) throw Trouble(std::string(what) + ": expected a number, found " + type_name(value));
  return value;
}

bool is_macro_argument(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

class Macro final : public Function {
 public:
  Macro(const Node& node, Scope& scope) : node_(node), scope_(scope) {}

  Value call(Renderer& renderer, Arguments arguments) override {
    const std::string what = node_.kind == Kind::macro ? "macro " + node_.text : "caller()";
    Scope& scope = renderer.scope(&scope_);
    const std::size_t count = node_.names.size();
    const std::size_t first_default = node_.kind == Kind::macro ? 0 : 1;
    const std::size_t without_default = count - (node_.parts.size() - first_default);
    for (std::size_t i = 0; i < count; ++i) {
      const std::string& name = node_.names[i];
      const auto named =
          std::find_if(arguments.named.begin(), arguments.named.end(), [&](const auto& a) { return a.first == name; });
      Value value;
      value.what = name.c_str();
      if (i < arguments.values.size()) {
        if (named != arguments.named.end()) throw Trouble(what + ": the argument " + name + " is given twice");
        value = arguments.values[i];
      } else if (named != arguments.named.end()) {
        value = named->second;
        arguments.named.erase(named);
      } else if (i >= without_default) {
        value = renderer.evaluate(*node_.parts[first_default + i - without_default], scope);
      }
      scope.variables.emplace_back(name, value);
    }
    const auto caller =
        std::find_if(arguments.named.begin(), arguments.named.end(), [](const auto& a) { return a.first == "caller"; });
    if (node_.caller && !is_macro_argument(node_.names, "caller")) {
      Value value;
      value.what = "caller";
      if (caller != arguments.named.end()) {
        value = caller->second;
        arguments.named.erase(caller);
      }
      scope.variables.emplace_back("caller", value);
    }
    std::vector<Value> more;
    if (arguments.values.size() > count)
      more.assign(arguments.values.begin() + static_cast<std::ptrdiff_t>(count), arguments.values.end());
    if (node_.varargs) {
      scope.variables.emplace_back("varargs", renderer.heap.list(std::move(more), List::Kind::tuple));
    } else if (!more.empty()) {
      throw Trouble(what + ": takes " + std::to_string(count) + " arguments, found " + std::to_string(arguments.values.size()));
    }
    if (node_.kwargs) {
      std::vector<std::pair<Value, Value>> items;
      for (const auto& [name, value] : arguments.named) items.emplace_back(renderer.text(name), value);
      scope.variables.emplace_back("kwargs", renderer.heap.dict(items));
    } else if (!arguments.named.empty()) {
      throw Trouble(what + ": has no argument " + arguments.named.front().first);
    }
    return renderer.text(renderer.body(node_.body, scope));
  }

 private:
  const Node& node_;
  Scope& scope_;
};

// The variable `loop`: what is left is looked at only as far as is asked, because a condition may depend on what the rounds
// set.
class Loop final : public Function {
 public:
  Loop(const Node& node, const std::vector<Value>& items, Scope& scope, int depth)
      : node_(node), items_(items), scope_(scope), depth_(depth) {}

  std::optional<Value> next(Renderer& renderer) {
    std::optional<Value> found = look(renderer);
    if (!found) return found;
    ahead_.erase(ahead_.begin());
    ++index_;
    if (index_ > 0) previous_ = current_;
    current_ = *found;
    return found;
  }

  Value call(Renderer& renderer, Arguments arguments) override {
    if (!node_.flag) throw Trouble("loop(...): the loop is not recursive");
    if (arguments.values.size() != 1 || !arguments.named.empty()) throw Trouble("loop(...): expected one argument");
    return renderer.recurse(node_, arguments.values[0], scope_, depth_ + 1);
  }

  Value attribute(Renderer& renderer, std::string_view name) override {
    const std::int64_t index = index_;
    const auto length = [&] {
      while (fetch(renderer)) {
      }
      return index + 1 + static_cast<std::int64_t>(ahead_.size());
    };
    if (name == "index") return Value::of(index + 1);
    if (name == "index0") return Value::of(index);
    if (name == "first") return Value::of(index == 0);
    if (name == "last") return Value::of(!look(renderer).has_value());
    if (name == "length") return Value::of(length());
    if (name == "revindex") return Value::of(length() - index);
    if (name == "revindex0") return Value::of(length() - index - 1);
    if (name == "depth") return Value::of(std::int64_t{depth_} + 1);
    if (name == "depth0") return Value::of(std::int64_t{depth_});
    if (name == "previtem") return index == 0 ? named("there is no previous item") : previous_;
    if (name == "nextitem") return look(renderer).value_or(named("there is no next item"));
    if (name == "cycle" || name == "changed") return renderer.heap.function<Method>(*this, name == "cycle");
    return {};
  }

 private:
  struct Method final : Function {
    Method(Loop& of, bool is_cycle) : loop(of), cycles(is_cycle) {}
    Value call(Renderer& renderer, Arguments arguments) override {
      if (!arguments.named.empty()) throw Trouble("loop: expected arguments without names");
      std::vector<Value>& values = arguments.values;
      if (cycles) {
        if (values.empty()) throw Trouble("loop.cycle: expected an argument");
        return values[static_cast<std::size_t>(loop.index_) % values.size()];
      }
      const bool same =
          loop.compared_ && std::equal(values.begin(), values.end(), loop.compared_->begin(), loop.compared_->end(),
                                       [&](Value a, Value b) { return equal(renderer.heap, a, b); });
      if (!same) loop.compared_ = std::move(values);
      return Value::of(!same);
    }
    Loop& loop;
    bool cycles;
  };

  static Value named(const char* what) {
    Value value;
    value.what = what;
    return value;
  }

  std::optional<Value> look(Renderer& renderer) {
    if (ahead_.empty() && !fetch(renderer)) return std::nullopt;
    return ahead_.front();
  }
  // One more that meets the loop's condition.
  bool fetch(Renderer& renderer) {
    while (at_ < items_.size()) {
      renderer.heap.step();
      const Value item = items_[at_++];
      if (const Node* condition = node_.parts[2]) {
        Scope& scope = renderer.scope(&scope_);
        renderer.assign(*node_.parts[0], item, scope);
        if (!truth(renderer.evaluate(*condition, scope))) continue;
      }
      ahead_.push_back(item);
      return true;
    }
    return false;
  }

  const Node& node_;
  const std::vector<Value>& items_;
  Scope& scope_;
  int depth_;
  std::size_t at_ = 0;
  std::deque<Value> ahead_;
  std::int64_t index_ = -1;
  Value previous_, current_;
  std::optional<std::vector<Value>> compared_;
};

}  // namespace

struct Renderer::Level {
  explicit Level(Renderer& of) : renderer(of) {
    if (++of.depth_ > kDeepestCalls) throw Trouble("the template is nested too deep, or a macro calls itself too often");
  }
  Level(const Level&) = delete;
  Level& operator=(const Level&) = delete;
  ~Level() { --renderer.depth_; }
  Renderer& renderer;
};

std::string Renderer::run(const Json::Object& variables) {
  globals_ = &scope(nullptr);
  for (const Json::Member& member : variables) globals_->variables.emplace_back(member.key, heap.json(member.value));
  return body(syntax_.body, scope(globals_));
}

Scope& Renderer::scope(Scope* parent) {
  heap.charge(sizeof(Scope) + sizeof(Value));
  return scopes_.emplace_back(Scope{parent});
}

void Renderer::write(std::string_view text) {
  heap.charge(text.size());
  out_->append(text);
}

std::string Renderer::body(const std::vector<const Node*>& nodes, Scope& scope) {
  std::string out;
  std::string* const outer = std::exchange(out_, &out);
  run_nodes(nodes, scope);
  out_ = outer;
  return out;
}

// Statements -------------------------------------------------------------------------------------------------------------

Renderer::Flow Renderer::run_nodes(const std::vector<const Node*>& nodes, Scope& scope) {
  const Level level(*this);
  for (const Node* node : nodes) {
    heap.step();
    line_ = node->line;
    if (const Flow flow = run_node(*node, scope); flow != Flow::normal) return flow;
  }
  return Flow::normal;
}

Renderer::Flow Renderer::run_node(const Node& node, Scope& outer) {
  switch (node.kind) {
    case Kind::data: write(node.text); break;
    case Kind::print: {
      const Value value = evaluate(*node.parts[0], outer);
      if (value.is(Type::string)) {
        write(value.string());
      } else {
        write(str(value));
      }
      break;
    }
    case Kind::when: return run_nodes(truth(evaluate(*node.parts[0], outer)) ? node.body : node.other, outer);
    case Kind::loop: return loop(node, evaluate(*node.parts[1], outer), outer, 0);
    case Kind::leave: return Flow::leave;
    case Kind::next: return Flow::next;
    case Kind::set: assign(*node.parts[0], evaluate(*node.parts[1], outer), outer); break;
    case Kind::set_block: {
      Value value = text(body(node.body, scope(&outer)));
      if (node.parts[1] != nullptr) {
        const Value held = std::exchange(filtered_, value);
        value = evaluate(*node.parts[1], outer);
        filtered_ = held;
      }
      assign(*node.parts[0], value, outer);
      break;
    }
    case Kind::with: {
      Scope& inner = scope(&outer);
      std::vector<Value> values;
      for (std::size_t i = 1; i < node.parts.size(); i += 2) values.push_back(evaluate(*node.parts[i], outer));
      for (std::size_t i = 0; i < values.size(); ++i) assign(*node.parts[2 * i], values[i], inner);
      return run_nodes(node.body, inner);
    }
    case Kind::macro: {
      assign(node, heap.function<Macro>(node, outer), outer);
      break;
    }
    case Kind::call_block: {
      const Node& call_node = *node.parts[0];
      const Value function = evaluate(*call_node.parts[0], outer);
      Arguments given = arguments(call_node, outer);
      given.named.emplace_back("caller", heap.function<Macro>(node, outer));
      write(str(call(function, std::move(given))));
      break;
    }
    case Kind::filter_block: {
      const Value held = std::exchange(filtered_, text(body(node.body, scope(&outer))));
      const Value filtered = evaluate(*node.parts[0], outer);
      if (!filtered.is(Type::string)) throw Trouble(std::string("{% filter %}: expected a text, found ") + type_name(filtered));
      write(filtered.string());
      filtered_ = held;
      break;
    }
    case Kind::generation: run_nodes(node.body, scope(&outer)); break;
    default: throw Trouble("internal: no statement");
  }
  return Flow::normal;
}

Renderer::Flow Renderer::loop(const Node& node, Value over, Scope& outer, int depth) {
  Value value = heap.function<Loop>(node, heap.items(over), outer, depth);
  auto& state = static_cast<Loop&>(*value.function);
  bool any = false;
  while (const std::optional<Value> item = state.next(*this)) {
    any = true;
    Scope& inner = scope(&outer);
    inner.variables.emplace_back("loop", value);
    assign(*node.parts[0], *item, inner);
    if (run_nodes(node.body, inner) == Flow::leave) break;
  }
  return any ? Flow::normal : run_nodes(node.other, outer);
}

Value Renderer::recurse(const Node& node, Value over, Scope& outer, int depth) {
  std::string out;
  std::string* const held = std::exchange(out_, &out);
  loop(node, over, outer, depth);
  out_ = held;
  return text(std::move(out));
}

void Renderer::assign(const Node& target, Value value, Scope& scope) {
  switch (target.kind) {
    case Kind::attribute: {
      const Value space = evaluate(*target.parts[0], scope);
      if (!space.is(Type::space))
        throw Trouble("only the fields of a namespace can be set, found " + std::string(type_name(space)));
      heap.charge(sizeof(Value));
      for (auto& [name, field] : space.space->fields) {
        if (name == target.text) {
          field = value;
          return;
        }
      }
      space.space->fields.emplace_back(target.text, value);
      return;
    }
    case Kind::tuple: {
      const std::vector<Value>& values = heap.items(value);
      if (values.size() != target.parts.size()) {
        throw Trouble("expected " + std::to_string(target.parts.size()) + " values, found " + std::to_string(values.size()));
      }
      for (std::size_t i = 0; i < values.size(); ++i) assign(*target.parts[i], values[i], scope);
      return;
    }
    default: break;
  }
  for (auto& [name, variable] : scope.variables) {
    if (name == target.text) {
      variable = value;
      return;
    }
  }
  heap.charge(sizeof(scope.variables[0]));
  scope.variables.emplace_back(target.text, value);
}

// Expressions ------------------------------------------------------------------------------------------------------------

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
