// Goes through a template's tree and writes its text.
#pragma once

#include <cstdint>
#include <ctime>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/jinja/syntax.h"
#include "backends/jinja/value.h"

namespace tokenyard::jinja {

// Variables: of the template, of one round of a loop, of a macro's call ...
struct Scope {
  Scope* parent = nullptr;
  std::vector<std::pair<std::string_view, Value>> variables = {};  // names are the tree's or static
};

class Renderer {
 public:
  Renderer(const Syntax& syntax, const RenderLimits& limits, std::time_t time) : heap(limits), now(time), syntax_(syntax) {}

  // Throws Trouble, about line().
  std::string run(const Json::Object& variables);
  int line() const { return line_; }

  Heap heap;
  const std::time_t now;

  Value text(std::string bytes) { return heap.text(std::move(bytes)); }
  std::string str(Value value) { return jinja::str(heap, value); }

  Value attribute(Value object, std::string_view name);  // object.name
  Value item(Value object, Value index);                 // object[index]
  Value call(Value function, Arguments arguments);
  // Sets what `target` names.
  void assign(const Node& target, Value value, Scope& scope);
  std::string body(const std::vector<const Node*>& nodes, Scope& scope);  // its text
  Scope& scope(Scope* parent);
  Value evaluate(const Node& node, Scope& scope);
  Value add(Value a, Value b) { return binary("+", a, b); }
  // The text of a recursive loop's next level.
  Value recurse(const Node& node, Value over, Scope& scope, int depth);

 private:
  // One call of the renderer within others; throws Trouble where they are too many.
  struct Level {
    explicit Level(Renderer& of);
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;
    ~Level() { --renderer.depth_; }
    Renderer& renderer;
  };
  enum class Flow { normal, leave, next };
  Flow loop(const Node& node, Value over, Scope& scope, int depth);
  Value evaluate_node(const Node& node, Scope& scope);
  Arguments arguments(const Node& node, Scope& scope);
  std::vector<std::size_t> char_starts(Value value);
  Value slice(Value object, const Node& node, Scope& scope);
  Value name(const std::string& name, const Scope& scope);
  Value binary(const std::string& sign, Value a, Value b);
  Value compare(const Node& node, Scope& scope);
  Flow run_nodes(const std::vector<const Node*>& nodes, Scope& scope);
  Flow run_node(const Node& node, Scope& scope);
  void write(std::string_view text);

  const Syntax& syntax_;
  Scope* globals_ = nullptr;
  std::deque<Scope> scopes_;
  std::string* out_ = nullptr;
  Value filtered_;  // the text of the filter block or set block whose filters are evaluated
  int line_ = 1;
  int depth_ = 0;
};

// What templates find without its being given: in builtins.cpp, filters.cpp and methods.cpp. Each throws Trouble.
Value global(Renderer& renderer, std::string_view name);  // undefined where there is none
Value apply_filter(Renderer& renderer, const std::string& name, Value value, Arguments arguments);
bool apply_test(Renderer& renderer, const std::string& name, Value value, Arguments arguments);
// A method of a string, list or dict; undefined where it has none of this name.
Value method(Renderer& renderer, Value object, std::string_view name);
std::string format_percent(Renderer& renderer, const std::string& format, const std::vector<Value>& values);
// The arguments of a filter, test, function or method, by place or by name, in the order of its parameters. All but done()
// throw Trouble for what does not fit.
class Taken {
 public:
  // `what` names it in messages.
  Taken(std::string what, Arguments arguments) : what_(std::move(what)), arguments_(std::move(arguments)) {}

  const Value* next(std::string_view name);  // null: not given
  Value next(std::string_view name, Value otherwise);
  bool next_flag(std::string_view name, bool otherwise);
  std::int64_t next_whole(std::string_view name, std::int64_t otherwise);
  std::string next_text(std::string_view name, const char* otherwise);
  Value need(std::string_view name);
  std::string need_text(std::string_view name);
  std::vector<Value> rest();  // what is left without a name
  std::vector<std::pair<std::string, Value>> take_named();
  // Throws Trouble when something is left.
  void done() const;
  [[noreturn]] void fail(const std::string& why) const;

 private:
  std::string what_;
  Arguments arguments_;
  std::deque<Value> taken_;  // by name
  std::size_t used_ = 0;
};

// As Python's methods of these names.
std::string stripped(const Taken& taken, std::string_view text, Value chars, bool left, bool right);
std::vector<Value> lines_of(Renderer& renderer, std::string_view text);
std::string replaced(Renderer& renderer, const std::string& text, const std::string& old, const std::string& by,
                     std::int64_t most);

}  // namespace tokenyard::jinja
