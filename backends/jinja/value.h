// The values of a template, which are Python's: what equals what, what comes first, how each is printed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/jinja/template.h"

namespace tokenyard::jinja {

// What went wrong; the renderer adds the place.
struct Trouble : std::runtime_error {
  using std::runtime_error::runtime_error;
};

enum class Type : std::uint8_t { undefined, none, boolean, integer, number, string, list, dict, space, function };

struct Text;
struct List;
struct Dict;
struct Space;
struct Function;

// A number, or a reference to what a Heap owns. Values do not change, but for namespaces and iterators.
struct Value {
  Type type = Type::undefined;
  union {
    const char* what = nullptr;  // undefined: the name that is, or null
    bool boolean;
    std::int64_t integer;  // Python's have no bound: what does not fit is refused
    double number;
    const Text* text;
    List* list;
    const Dict* dict;
    Space* space;
    Function* function;
  };

  static Value none() { return of(Type::none); }
  static Value of(Type type) {
    Value value;
    value.type = type;
    return value;
  }
  static Value of(bool boolean) {
    Value value = of(Type::boolean);
    value.boolean = boolean;
    return value;
  }
  static Value of(std::int64_t integer) {
    Value value = of(Type::integer);
    value.integer = integer;
    return value;
  }
  static Value of(double number) {
    Value value = of(Type::number);
    value.number = number;
    return value;
  }

  bool is(Type t) const { return type == t; }
  bool is_integral() const { return is(Type::boolean) || is(Type::integer); }
  bool is_numeric() const { return is_integral() || is(Type::number); }
  std::int64_t whole() const { return is(Type::boolean) ? std::int64_t{boolean} : integer; }  // REQUIRES: is_integral()
  double real() const { return is(Type::number) ? number : static_cast<double>(whole()); }    // REQUIRES: is_numeric()
  const std::string& string() const;                                                          // REQUIRES: a string
};

struct Text {
  std::string bytes;  // UTF-8
  bool safe;          // by the filters `safe` and `escape` (markupsafe's Markup): what is added to it is escaped
};

struct List {
  // An iterator is used up by whoever goes through it. A view is what keys(), values() and items() give.
  enum class Kind : std::uint8_t { list, tuple, range, iterator, view };
  Kind kind;
  std::vector<Value> items;
  int depth;  // levels of lists and dicts in it
};

struct Dict {
  std::vector<std::pair<Value, Value>> items;  // in the order they were written
  int depth;
};

// namespace(): what a loop may change for those outside of it.
struct Space {
  std::vector<std::pair<std::string, Value>> fields;
};

// What is written between the brackets of a call.
struct Arguments {
  std::vector<Value> values;
  std::vector<std::pair<std::string, Value>> named;
};

class Renderer;
struct Function {
  virtual ~Function() = default;
  virtual Value call(Renderer& renderer, Arguments arguments) = 0;
  virtual Value attribute(Renderer& renderer, std::string_view name);  // undefined, but for `loop`
};

// Owns every value of a rendering until its end, so that no value frees another: neither cycles nor depth matter. Counts what
// is done and throws Trouble when it is too much.
class Heap {
 public:
  explicit Heap(const RenderLimits& limits) : steps_(limits.steps), bytes_(limits.bytes) {}
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;

  void step(std::size_t count = 1);
  void touch(std::size_t bytes) { step(bytes / 16 + 1); }  // reading through so much text
  void charge(std::size_t bytes);                          // before so much memory is taken

  Value text(std::string bytes, bool safe = false);
  Value list(std::vector<Value> items, List::Kind kind = List::Kind::list);
  // Of equal keys the last value counts, at the place of the first. Throws Trouble for keys that cannot be looked up.
  Value dict(const std::vector<std::pair<Value, Value>>& items);
  Value space();
  template <typename F, typename... Args>
  Value function(Args&&... args) {
    charge(sizeof(F));
    functions_.push_back(std::make_unique<F>(std::forward<Args>(args)...));
    Value value = Value::of(Type::function);
    value.function = functions_.back().get();
    return value;
  }
  Value json(const Json& json);

  // What a loop over the value sees; valid as long as the heap.
  const std::vector<Value>& items(Value value);

 private:
  std::int64_t steps_;
  std::size_t bytes_;
  std::deque<Text> texts_;
  std::deque<List> lists_;
  std::deque<Dict> dicts_;
  std::deque<Space> spaces_;
  std::deque<std::unique_ptr<Function>> functions_;
};

const char* type_name(Value value);  // as Python's messages have it
bool truth(Value value);
bool is_safe(Value value);                  // a string that is
std::string str(Heap& heap, Value value);   // as Python's str()
std::string repr(Heap& heap, Value value);  // as Python's repr()
bool equal(Heap& heap, Value a, Value b);
bool less(Heap& heap, Value a, Value b);  // throws Trouble where Python knows no order
bool less_or_equal(Heap& heap, Value a, Value b);
bool contains(Heap& heap, Value container, Value item);
bool can_be_key(Value value);  // of a dict: Python's hashable
// The value at this key, or null. Throws Trouble for what cannot be a key.
const Value* find(Heap& heap, const Dict& dict, Value key);

// Text by characters, which are code points.
bool is_space(char32_t c);           // as str.isspace()
std::size_t char_bytes(char first);  // of the character that begins so
std::size_t length(std::string_view text);
char32_t code_point(std::string_view text);  // of its first character
void append_char(std::string& out, char32_t c);
std::string_view strip(std::string_view text, bool left, bool right);  // white space
// As Python's methods of strings.
std::string upper(std::string_view text);
std::string lower(std::string_view text);
std::string capitalize(std::string_view text);
std::string title(std::string_view text);

}  // namespace tokenyard::jinja
