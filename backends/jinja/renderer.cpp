#include "backends/jinja/renderer.h"

#include <algorithm>
#include <cstdint>
#include <optional>

namespace tokenyard::jinja {
namespace {

using Kind = Node::Kind;

constexpr int kDeepestCalls = 600;  // calls of the renderer within each other

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

Renderer::Level::Level(Renderer& of) : renderer(of) {
  if (++of.depth_ > kDeepestCalls) throw Trouble("the template is nested too deep, or a macro calls itself too often");
}

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

}  // namespace tokenyard::jinja
