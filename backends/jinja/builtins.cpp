// Functions that every template finds, tests (`is`), and how the arguments of either are read.
#include <algorithm>
#include <array>
#include <cmath>
#include <ctime>

#include "backends/jinja/renderer.h"

namespace tokenyard::jinja {
namespace {

constexpr std::int64_t kLongestRange = 100'000;  // as in jinja2's sandbox

using Builtin = Value (*)(Renderer& renderer, Taken& taken);

struct BuiltinFunction final : Function {
  BuiltinFunction(std::string_view its_name, Builtin builtin) : name(its_name), run(builtin) {}
  Value call(Renderer& renderer, Arguments arguments) override {
    Taken taken(std::string(name), std::move(arguments));
    return run(renderer, taken);
  }
  std::string_view name;
  Builtin run;
};

std::int64_t whole(const Taken& taken, Value value) {
  if (!value.is_integral()) taken.fail(std::string("expected a whole number, found ") + type_name(value));
  return value.whole();
}

Value make_range(Renderer& renderer, Taken& taken) {
  const std::vector<Value> bounds = taken.rest();
  taken.done();
  if (bounds.empty() || bounds.size() > 3) taken.fail("expected one to three numbers");
  const std::int64_t from = bounds.size() > 1 ? whole(taken, bounds[0]) : 0;
  const std::int64_t to = whole(taken, bounds[bounds.size() > 1 ? 1 : 0]);
  const std::int64_t step = bounds.size() > 2 ? whole(taken, bounds[2]) : 1;
  if (step == 0) taken.fail("the step must not be 0");
  std::vector<Value> items;
  for (std::int64_t at = from; step > 0 ? at < to : at > to;) {
    items.push_back(Value::of(at));
    if (std::ssize(items) > kLongestRange) taken.fail("longer than " + std::to_string(kLongestRange));
    if (__builtin_add_overflow(at, step, &at)) break;
  }
  return renderer.heap.list(std::move(items), List::Kind::range);
}

// dict(a=1) and dict(other): pairs.
std::vector<std::pair<Value, Value>> pairs_of(Renderer& renderer, Taken& taken) {
  std::vector<std::pair<Value, Value>> items;
  const std::vector<Value> from = taken.rest();
  if (from.size() > 1) taken.fail("expected one argument without a name at most");
  if (!from.empty() && from[0].is(Type::dict)) {
    items = from[0].dict->items;
  } else if (!from.empty()) {
    for (const Value& item : renderer.heap.items(from[0])) {
      const std::vector<Value>& pair = renderer.heap.items(item);
      if (pair.size() != 2) taken.fail("expected pairs");
      items.emplace_back(pair[0], pair[1]);
    }
  }
  for (auto& [name, value] : taken.take_named()) items.emplace_back(renderer.text(name), value);
  return items;
}

Value make_dict(Renderer& renderer, Taken& taken) { return renderer.heap.dict(pairs_of(renderer, taken)); }

Value make_namespace(Renderer& renderer, Taken& taken) {
  Value value = renderer.heap.space();
  const Value fields = renderer.heap.dict(pairs_of(renderer, taken));
  for (const auto& [key, field] : fields.dict->items) {
    if (!key.is(Type::string)) taken.fail("expected names");
    value.space->fields.emplace_back(key.string(), field);
  }
  return value;
}

Value raise_exception(Renderer& renderer, Taken& taken) {
  const Value message = taken.need("message");
  taken.done();
  throw Trouble("the template refuses: " + renderer.str(message));
}

Value strftime_now(Renderer& renderer, Taken& taken) {
  const std::string format = taken.need_text("format");
  taken.done();
  if (format.empty()) return renderer.text("");
  std::tm local = {};
  localtime_r(&renderer.now, &local);
  std::string out(format.size() * 16 + 256, '\0');
  renderer.heap.charge(out.size());
  // strftime cannot tell an empty text from one that does not fit: the space after it tells.
  const std::size_t size = std::strftime(out.data(), out.size(), (format + " ").c_str(), &local);
  if (size == 0) taken.fail("the format \"" + format.substr(0, 40) + "\" is not known here");
  out.resize(size - 1);
  return renderer.text(std::move(out));
}

constexpr std::array<std::pair<std::string_view, Builtin>, 5> kFunctions = {{
    {"range", make_range},
    {"dict", make_dict},
    {"namespace", make_namespace},
    {"raise_exception", raise_exception},
    {"strftime_now", strftime_now},
}};

Value number_of(const Taken& taken, Value value) {
  if (!value.is_numeric()) taken.fail(std::string("expected a number, found ") + type_name(value));
  return value;
}

bool is_divisible(Renderer&, Value value, Taken& taken) {
  const Value by = number_of(taken, taken.need("num"));
  number_of(taken, value);
  if (by.real() == 0) taken.fail("a division by zero");
  if (!value.is_integral() || !by.is_integral()) return std::fmod(value.real(), by.real()) == 0;
  return by.whole() == -1 || value.whole() % by.whole() == 0;
}

bool is_same(Renderer& renderer, Value value, Taken& taken) {
  const Value other = taken.need("other");
  if (value.type != other.type) return false;
  if (value.is(Type::list)) return value.list == other.list;
  if (value.is(Type::dict)) return value.dict == other.dict;
  if (value.is(Type::string) || value.is(Type::number)) taken.fail("not known here for strings and floats");
  return equal(renderer.heap, value, other);
}

// Has the text letters, and are all of them of this case?
bool has_case(Renderer& renderer, Value value, bool is_upper) {
  const std::string text = renderer.str(value);
  const std::string small = lower(text);
  const std::string large = upper(text);
  return small != large && text == (is_upper ? large : small);
}

using Test = bool (*)(Renderer& renderer, Value value, Taken& taken);
struct NamedTest {
  std::string_view name;
  Test run;
};

#define TOKENYARD_TEST(condition)                  \
  [](Renderer& r, Value v, Taken& taken) -> bool { \
    (void)r, (void)v, (void)taken;                 \
    return condition;                              \
  }
const std::array kTests = {
    NamedTest{"defined", TOKENYARD_TEST(!v.is(Type::undefined))},
    NamedTest{"undefined", TOKENYARD_TEST(v.is(Type::undefined))},
    NamedTest{"none", TOKENYARD_TEST(v.is(Type::none))},
    NamedTest{"boolean", TOKENYARD_TEST(v.is(Type::boolean))},
    NamedTest{"true", TOKENYARD_TEST(v.is(Type::boolean) && v.boolean)},
    NamedTest{"false", TOKENYARD_TEST(v.is(Type::boolean) && !v.boolean)},
    NamedTest{"integer", TOKENYARD_TEST(v.is(Type::integer))},
    NamedTest{"float", TOKENYARD_TEST(v.is(Type::number))},
    NamedTest{"number", TOKENYARD_TEST(v.is_numeric())},
    NamedTest{"string", TOKENYARD_TEST(v.is(Type::string))},
    NamedTest{"mapping", TOKENYARD_TEST(v.is(Type::dict))},
    NamedTest{"iterable", TOKENYARD_TEST(v.is(Type::undefined) || v.is(Type::string) || v.is(Type::list) || v.is(Type::dict))},
    // What has a length and can be indexed: a dict has both, what keys() gives has not.
    NamedTest{"sequence", TOKENYARD_TEST(v.is(Type::undefined) || v.is(Type::string) || v.is(Type::dict) ||
                                         (v.is(Type::list) && v.list->kind <= List::Kind::range))},
    NamedTest{"callable", TOKENYARD_TEST(v.is(Type::function))},
    NamedTest{"escaped", TOKENYARD_TEST(is_safe(v))},
    NamedTest{"sameas", is_same},
    NamedTest{"odd", TOKENYARD_TEST(whole(taken, v) % 2 != 0)},
    NamedTest{"even", TOKENYARD_TEST(whole(taken, v) % 2 == 0)},
    NamedTest{"divisibleby", is_divisible},
    NamedTest{"upper", TOKENYARD_TEST(has_case(r, v, true))},
    NamedTest{"lower", TOKENYARD_TEST(has_case(r, v, false))},
    NamedTest{"in", TOKENYARD_TEST(contains(r.heap, taken.need("seq"), v))},
    NamedTest{"==", TOKENYARD_TEST(equal(r.heap, v, taken.need("other")))},
    NamedTest{"!=", TOKENYARD_TEST(!equal(r.heap, v, taken.need("other")))},
    NamedTest{"<", TOKENYARD_TEST(less(r.heap, v, taken.need("other")))},
    NamedTest{">", TOKENYARD_TEST(less(r.heap, taken.need("other"), v))},
    NamedTest{"<=", TOKENYARD_TEST(less_or_equal(r.heap, v, taken.need("other")))},
    NamedTest{">=", TOKENYARD_TEST(less_or_equal(r.heap, taken.need("other"), v))},
};
#undef TOKENYARD_TEST

constexpr std::array<std::pair<std::string_view, std::string_view>, 10> kOtherNames = {{
    {"eq", "=="},
    {"equalto", "=="},
    {"ne", "!="},
    {"lt", "<"},
    {"lessthan", "<"},
    {"gt", ">"},
    {"greaterthan", ">"},
    {"le", "<="},
    {"ge", ">="},
    {"None", "none"},
}};

}  // namespace

Value global(Renderer& renderer, std::string_view name) {
  for (const auto& [known, run] : kFunctions) {
    if (known == name) return renderer.heap.function<BuiltinFunction>(known, run);
  }
  if (name == "lipsum" || name == "cycler" || name == "joiner")
    throw Trouble("the function " + std::string(name) + " is not known here");
  return {};
}

bool apply_test(Renderer& renderer, const std::string& name, Value value, Arguments arguments) {
  std::string_view plain = name;
  for (const auto& [other, known] : kOtherNames) {
    if (other == plain) plain = known;
  }
  for (const NamedTest& test : kTests) {
    if (test.name != plain) continue;
    Taken taken("the test " + name, std::move(arguments));
    const bool holds = test.run(renderer, value, taken);
    taken.done();
    return holds;
  }
  throw Trouble("the test \"" + name + "\" is not known here");
}

// Arguments --------------------------------------------------------------------------------------------------------------

void Taken::fail(const std::string& why) const { throw Trouble(what_ + ": " + why); }

const Value* Taken::next(std::string_view name) {
  const auto named =
      std::find_if(arguments_.named.begin(), arguments_.named.end(), [&](const auto& a) { return a.first == name; });
  if (used_ < arguments_.values.size()) {
    if (named != arguments_.named.end()) fail("the argument " + std::string(name) + " is given twice");
    return &arguments_.values[used_++];
  }
  if (named == arguments_.named.end()) return nullptr;
  taken_.push_back(named->second);
  arguments_.named.erase(named);
  return &taken_.back();
}

Value Taken::next(std::string_view name, Value otherwise) {
  const Value* value = next(name);
  return value != nullptr ? *value : otherwise;
}

bool Taken::next_flag(std::string_view name, bool otherwise) {
  const Value* value = next(name);
  return value != nullptr ? truth(*value) : otherwise;
}

std::int64_t Taken::next_whole(std::string_view name, std::int64_t otherwise) {
  const Value* value = next(name);
  if (value == nullptr) return otherwise;
  if (!value->is_integral()) fail(std::string(name) + ": expected a whole number, found " + type_name(*value));
  return value->whole();
}

std::string Taken::next_text(std::string_view name, const char* otherwise) {
  const Value* value = next(name);
  if (value == nullptr) return otherwise;
  if (!value->is(Type::string)) fail(std::string(name) + ": expected a string, found " + type_name(*value));
  return value->string();
}

Value Taken::need(std::string_view name) {
  const Value* value = next(name);
  if (value == nullptr) fail("expected the argument " + std::string(name));
  return *value;
}

std::string Taken::need_text(std::string_view name) {
  const Value value = need(name);
  if (!value.is(Type::string)) fail(std::string(name) + ": expected a string, found " + type_name(value));
  return value.string();
}

std::vector<Value> Taken::rest() {
  std::vector<Value> out(arguments_.values.begin() + static_cast<std::ptrdiff_t>(used_), arguments_.values.end());
  used_ = arguments_.values.size();
  return out;
}

std::vector<std::pair<std::string, Value>> Taken::take_named() { return std::exchange(arguments_.named, {}); }

void Taken::done() const {
  if (used_ < arguments_.values.size()) fail("too many arguments");
  if (!arguments_.named.empty()) fail("the argument " + arguments_.named.front().first + " is not known here");
}

}  // namespace tokenyard::jinja
