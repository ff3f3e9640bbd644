// Methods of strings, lists and dicts, and Python's two ways to format a text.
#include <algorithm>
#include <array>
#include <charconv>

#include "backends/jinja/renderer.h"

namespace tokenyard::jinja {
namespace {

using Method = Value (*)(Renderer& renderer, Value object, Taken& taken);
struct NamedMethod {
  std::string_view name;
  Method run;  // null: Python has it, and it is not known here
};

struct BoundMethod final : Function {
  BoundMethod(Value of, const NamedMethod& named) : object(of), method(named) {}
  Value call(Renderer& renderer, Arguments arguments) override {
    if (method.run == nullptr) throw Trouble("the method ." + std::string(method.name) + "() is not known here");
    renderer.heap.step();
    Taken taken("." + std::string(method.name) + "()", std::move(arguments));
    return method.run(renderer, object, taken);
  }
  Value object;
  const NamedMethod& method;
};

bool is_line_end(char32_t c) {
  return (c >= 10 && c <= 13) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

Value split(Renderer& renderer, Value object, Taken& taken, bool from_right) {
  const Value by = taken.next("sep", Value::none());
  const std::int64_t most = taken.next_whole("maxsplit", -1);
  taken.done();
  std::string_view left = object.string();
  renderer.heap.touch(left.size());
  std::vector<Value> out;
  const auto more = [&] { return most < 0 || std::ssize(out) < most; };
  if (by.is(Type::none)) {
    for (left = strip(left, !from_right, from_right); !left.empty() && more();) {
      std::size_t at = from_right ? left.size() : 0;
      // A word is what has no white space; here, up to the next one.
      if (from_right) {
        std::string_view word = left;
        while (!word.empty() && strip(word, false, true).size() == word.size()) {
          do word.remove_suffix(1);
          while (!word.empty() && (static_cast<unsigned char>(left[word.size()]) & 0xC0) == 0x80);
        }
        at = word.size();
        out.push_back(renderer.text(std::string(left.substr(at))));
        left = strip(left.substr(0, at), false, true);
      } else {
        while (at < left.size() && !is_space(code_point(left.substr(at)))) at += char_bytes(left[at]);
        out.push_back(renderer.text(std::string(left.substr(0, at))));
        left = strip(left.substr(at), true, false);
      }
    }
    if (!left.empty()) out.push_back(renderer.text(std::string(left)));
  } else {
    if (!by.is(Type::string)) taken.fail(std::string("expected a string, found ") + type_name(by));
    const std::string& separator = by.string();
    if (separator.empty()) taken.fail("the separator is empty");
    while (more()) {
      const std::size_t at = from_right ? left.rfind(separator) : left.find(separator);
      if (at == left.npos) break;
      out.push_back(renderer.text(std::string(from_right ? left.substr(at + separator.size()) : left.substr(0, at))));
      left = from_right ? left.substr(0, at) : left.substr(at + separator.size());
    }
    out.push_back(renderer.text(std::string(left)));
  }
  if (from_right) std::reverse(out.begin(), out.end());
  return renderer.heap.list(std::move(out));
}

// str.startswith and its like take one text or a tuple of them.
template <typename Holds>
Value any_of(Renderer& renderer, Taken& taken, Holds holds) {
  const Value given = taken.need("prefix");
  if (taken.next("start") != nullptr) taken.fail("a start is not known here");
  taken.done();
  const bool tuple = given.is(Type::list) && given.list->kind == List::Kind::tuple;
  for (const Value& text : tuple ? given.list->items : std::vector{given}) {
    if (!text.is(Type::string)) taken.fail(std::string("expected a string, found ") + type_name(text));
    renderer.heap.touch(text.string().size());
    if (holds(text.string())) return Value::of(true);
  }
  return Value::of(false);
}

std::string searched(Renderer& renderer, Value object, Taken& taken) {
  std::string text = taken.need_text("sub");
  if (taken.next("start") != nullptr) taken.fail("a start is not known here");
  taken.done();
  renderer.heap.touch(object.string().size());
  return text;
}

Value place(Value object, std::size_t at) {
  return Value::of(at == std::string::npos
                       ? std::int64_t{-1}
                       : static_cast<std::int64_t>(length(std::string_view(object.string()).substr(0, at))));
}

Value partition(Renderer& renderer, Value object, Taken& taken, bool from_right) {
  const std::string by = searched(renderer, object, taken);
  if (by.empty()) taken.fail("the separator is empty");
  const std::string& text = object.string();
  const std::size_t at = from_right ? text.rfind(by) : text.find(by);
  std::vector<Value> parts;
  if (at == std::string::npos) {
    parts = {object, renderer.text(""), renderer.text("")};
    if (from_right) std::swap(parts[0], parts[2]);
  } else {
    parts = {renderer.text(text.substr(0, at)), renderer.text(by), renderer.text(text.substr(at + by.size()))};
  }
  return renderer.heap.list(std::move(parts), List::Kind::tuple);
}

// "{} {0} {name}".format(...), without what may follow a colon or an exclamation mark.
Value format(Renderer& renderer, Value object, Taken& taken) {
  const std::string& text = object.string();
  const std::vector<Value> values = taken.rest();
  const auto named = taken.take_named();
  std::string out;
  std::size_t next = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c != '{' && c != '}') {
      out += c;
      continue;
    }
    if (at + 1 < text.size() && text[at + 1] == c) {
      out += c;
      ++at;
      continue;
    }
    const std::size_t end = text.find('}', at);
    if (c == '}' || end == std::string::npos) taken.fail("a brace stands alone");
    const std::string field = text.substr(at + 1, end - at - 1);
    at = end;
    if (field.find_first_of(":!.[{") != std::string::npos) taken.fail("{" + field.substr(0, 40) + "} is not known here");
    const bool is_index = field.find_first_not_of("0123456789") == std::string::npos;
    Value value;
    if (is_index) {
      std::size_t index = next;
      if (field.empty()) {
        ++next;
      } else if (std::from_chars(field.data(), field.data() + field.size(), index).ec != std::errc()) {
        taken.fail("{" + field.substr(0, 40) + "} is too large");
      }
      if (index >= values.size()) taken.fail("too few arguments");
      value = values[index];
    } else {
      const auto found = std::find_if(named.begin(), named.end(), [&](const auto& a) { return a.first == field; });
      if (found == named.end()) taken.fail("there is no argument " + field.substr(0, 40));
      value = found->second;
    }
    const std::string shown = renderer.str(value);
    renderer.heap.charge(shown.size());
    out += shown;
  }
  return renderer.text(std::move(out));
}

const std::array kStringMethods = {
    NamedMethod{"capitalize", [](Renderer& r, Value o, Taken& taken) { taken.done(); return r.text(capitalize(o.string())); }},
    NamedMethod{"count", [](Renderer& r, Value o, Taken& taken) {
      const std::string text = searched(r, o, taken);
      if (text.empty()) return Value::of(static_cast<std::int64_t>(length(o.string())) + 1);
      std::int64_t count = 0;
      for (std::size_t at = 0; (at = o.string().find(text, at)) != std::string::npos; at += text.size()) ++count;
      return Value::of(count);
    }},
    NamedMethod{"endswith", [](Renderer& r, Value o, Taken& taken) {
      return any_of(r, taken, [&](const std::string& text) { return o.string().ends_with(text); });
    }},
    NamedMethod{"find", [](Renderer& r, Value o, Taken& taken) { return place(o, o.string().find(searched(r, o, taken))); }},
    NamedMethod{"format", format},
    NamedMethod{"index", [](Renderer& r, Value o, Taken& taken) {
      const Value at = place(o, o.string().find(searched(r, o, taken)));
      if (at.whole() < 0) taken.fail("the text is not found");
      return at;
    }},
    NamedMethod{"isdigit", [](Renderer&, Value o, Taken& taken) {
      taken.done();
      const std::string& text = o.string();
      if (std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) > 0x7F; })) taken.fail("only ASCII is known here");
      return Value::of(!text.empty() && text.find_first_not_of("0123456789") == std::string::npos);
    }},
    NamedMethod{"isspace", [](Renderer&, Value o, Taken& taken) {
      taken.done();
      return Value::of(!o.string().empty() && strip(o.string(), true, false).empty());
    }},
    NamedMethod{"join", [](Renderer& r, Value o, Taken& taken) {
      const Value items = taken.need("iterable");
      taken.done();
      std::string out;
      bool first = true;
      for (const Value& item : r.heap.items(items)) {
        if (!item.is(Type::string)) taken.fail(std::string("expected strings, found ") + type_name(item));
        r.heap.charge(item.string().size() + o.string().size());
        out += first ? item.string() : o.string() + item.string();
        first = false;
      }
      return r.text(std::move(out));
    }},
    NamedMethod{"lower", [](Renderer& r, Value o, Taken& taken) { taken.done(); return r.text(lower(o.string())); }},
    NamedMethod{"lstrip", [](Renderer& r, Value o, Taken& taken) {
      const Value chars = taken.next("chars", Value::none());
      taken.done();
      return r.text(stripped(taken, o.string(), chars, true, false));
    }},
    NamedMethod{"partition", [](Renderer& r, Value o, Taken& taken) { return partition(r, o, taken, false); }},
    NamedMethod{"removeprefix", [](Renderer& r, Value o, Taken& taken) {
      const std::string text = searched(r, o, taken);
      return o.string().starts_with(text) ? r.text(o.string().substr(text.size())) : o;
    }},
    NamedMethod{"removesuffix", [](Renderer& r, Value o, Taken& taken) {
      const std::string text = searched(r, o, taken);
      return o.string().ends_with(text) ? r.text(o.string().substr(0, o.string().size() - text.size())) : o;
    }},
    NamedMethod{"replace", [](Renderer& r, Value o, Taken& taken) {
      const std::string old = taken.need_text("old");
      const std::string by = taken.need_text("new");
      const std::int64_t count = taken.next_whole("count", -1);
      taken.done();
      return r.text(replaced(r, o.string(), old, by, count));
    }},
    NamedMethod{"rfind", [](Renderer& r, Value o, Taken& taken) { return place(o, o.string().rfind(searched(r, o, taken))); }},
    NamedMethod{"rpartition", [](Renderer& r, Value o, Taken& taken) { return partition(r, o, taken, true); }},
    NamedMethod{"rsplit", [](Renderer& r, Value o, Taken& taken) { return split(r, o, taken, true); }},
    NamedMethod{"rstrip", [](Renderer& r, Value o, Taken& taken) {
      const Value chars = taken.next("chars", Value::none());
      taken.done();
      return r.text(stripped(taken, o.string(), chars, false, true));
    }},
    NamedMethod{"split", [](Renderer& r, Value o, Taken& taken) { return split(r, o, taken, false); }},
    NamedMethod{"splitlines", [](Renderer& r, Value o, Taken& taken) {
      if (taken.next_flag("keepends", false)) taken.fail("keepends is not known here");
      taken.done();
      return r.heap.list(lines_of(r, o.string()));
    }},
    NamedMethod{"startswith", [](Renderer& r, Value o, Taken& taken) {
      return any_of(r, taken, [&](const std::string& text) { return o.string().starts_with(text); });
    }},
    NamedMethod{"strip", [](Renderer& r, Value o, Taken& taken) {
      const Value chars = taken.next("chars", Value::none());
      taken.done();
      return r.text(stripped(taken, o.string(), chars, true, true));
    }},
    NamedMethod{"title", [](Renderer& r, Value o, Taken& taken) { taken.done(); return r.text(title(o.string())); }},
    NamedMethod{"upper", [](Renderer& r, Value o, Taken& taken) { taken.done(); return r.text(upper(o.string())); }},
    NamedMethod{"casefold", nullptr}, NamedMethod{"center", nullptr}, NamedMethod{"encode", nullptr}, NamedMethod{"expandtabs", nullptr},
    NamedMethod{"format_map", nullptr}, NamedMethod{"isalnum", nullptr}, NamedMethod{"isalpha", nullptr}, NamedMethod{"isascii", nullptr},
    NamedMethod{"isdecimal", nullptr}, NamedMethod{"isidentifier", nullptr}, NamedMethod{"islower", nullptr}, NamedMethod{"isnumeric", nullptr},
    NamedMethod{"isprintable", nullptr}, NamedMethod{"istitle", nullptr}, NamedMethod{"isupper", nullptr}, NamedMethod{"ljust", nullptr},
    NamedMethod{"maketrans", nullptr}, NamedMethod{"rindex", nullptr}, NamedMethod{"rjust", nullptr}, NamedMethod{"swapcase", nullptr}, NamedMethod{"translate", nullptr}, NamedMethod{"zfill", nullptr},
};

// What changes a list or dict, jinja2's sandbox refuses, too.
const std::array kListMethods = {
    NamedMethod{"count",
                [](Renderer& r, Value o, Taken& taken) {
                  const Value item = taken.need("value");
                  taken.done();
                  return Value::of(static_cast<std::int64_t>(std::count_if(
                      o.list->items.begin(), o.list->items.end(), [&](Value other) { return equal(r.heap, other, item); })));
                }},
    NamedMethod{"index",
                [](Renderer& r, Value o, Taken& taken) {
                  const Value item = taken.need("value");
                  taken.done();
                  const auto found = std::find_if(o.list->items.begin(), o.list->items.end(),
                                                  [&](Value other) { return equal(r.heap, other, item); });
                  if (found == o.list->items.end()) taken.fail("the value is not found");
                  return Value::of(static_cast<std::int64_t>(found - o.list->items.begin()));
                }},
    NamedMethod{"append", nullptr},
    NamedMethod{"clear", nullptr},
    NamedMethod{"copy", nullptr},
    NamedMethod{"extend", nullptr},
    NamedMethod{"insert", nullptr},
    NamedMethod{"pop", nullptr},
    NamedMethod{"remove", nullptr},
    NamedMethod{"reverse", nullptr},
    NamedMethod{"sort", nullptr},
};

const std::array kDictMethods = {
    NamedMethod{"get",
                [](Renderer& r, Value o, Taken& taken) {
                  const Value key = taken.need("key");
                  const Value otherwise = taken.next("default", Value::none());
                  taken.done();
                  const Value* found = find(r.heap, *o.dict, key);
                  return found != nullptr ? *found : otherwise;
                }},
    NamedMethod{"items",
                [](Renderer& r, Value o, Taken& taken) {
                  taken.done();
                  std::vector<Value> out;
                  for (const auto& [key, value] : o.dict->items) out.push_back(r.heap.list({key, value}, List::Kind::tuple));
                  return r.heap.list(std::move(out), List::Kind::view);
                }},
    NamedMethod{"keys",
                [](Renderer& r, Value o, Taken& taken) {
                  taken.done();
                  return r.heap.list(r.heap.items(o), List::Kind::view);
                }},
    NamedMethod{"values",
                [](Renderer& r, Value o, Taken& taken) {
                  taken.done();
                  std::vector<Value> out;
                  for (const auto& item : o.dict->items) out.push_back(item.second);
                  return r.heap.list(std::move(out), List::Kind::view);
                }},
    NamedMethod{"clear", nullptr},
    NamedMethod{"copy", nullptr},
    NamedMethod{"fromkeys", nullptr},
    NamedMethod{"pop", nullptr},
    NamedMethod{"popitem", nullptr},
    NamedMethod{"setdefault", nullptr},
    NamedMethod{"update", nullptr},
};

}  // namespace

Value method(Renderer& renderer, Value object, std::string_view name) {
  const auto look = [&](const auto& methods) -> Value {
    for (const NamedMethod& method : methods) {
      if (method.name == name) return renderer.heap.function<BoundMethod>(object, method);
    }
    return {};
  };
  if (object.is(Type::string)) {
    if (is_safe(object)) throw Trouble("." + std::string(name) + ": not known here for what the filter safe or escape made");
    return look(kStringMethods);
  }
  if (object.is(Type::dict)) return look(kDictMethods);
  if (object.is(Type::list) && object.list->kind <= List::Kind::range) return look(kListMethods);
  return {};
}

std::string stripped(const Taken& taken, std::string_view text, Value chars, bool left, bool right) {
  if (chars.is(Type::none)) return std::string(strip(text, left, right));
  if (!chars.is(Type::string)) taken.fail(std::string("expected a string, found ") + type_name(chars));
  const std::string& any = chars.string();
  const auto is_one = [&](std::string_view c) {
    for (std::size_t at = 0; at < any.size(); at += char_bytes(any[at])) {
      if (std::string_view(any).substr(at, char_bytes(any[at])) == c) return true;
    }
    return false;
  };
  while (left && !text.empty() && is_one(text.substr(0, char_bytes(text[0])))) text.remove_prefix(char_bytes(text[0]));
  while (right && !text.empty()) {
    std::size_t start = text.size() - 1;
    while (start > 0 && (static_cast<unsigned char>(text[start]) & 0xC0) == 0x80) --start;
    if (!is_one(text.substr(start))) break;
    text = text.substr(0, start);
  }
  return std::string(text);
}

std::vector<Value> lines_of(Renderer& renderer, std::string_view text) {
  std::vector<Value> out;
  for (std::size_t start = 0; start < text.size();) {
    std::size_t end = start;
    while (end < text.size() && !is_line_end(code_point(text.substr(end)))) end += char_bytes(text[end]);
    out.push_back(renderer.text(std::string(text.substr(start, end - start))));
    if (end < text.size()) end += text.substr(end).starts_with("\r\n") ? 2 : char_bytes(text[end]);
    start = end;
  }
  return out;
}

std::string replaced(Renderer& renderer, const std::string& text, const std::string& old, const std::string& by,
                     std::int64_t most) {
  std::string out;
  std::size_t start = 0;
  const auto put = [&](std::string_view piece) {
    renderer.heap.charge(piece.size());
    out += piece;
  };
  if (old.empty()) {  // Python puts it before each character and at the end
    while (most != 0) {
      put(by);
      --most;
      if (start == text.size()) break;
      const std::size_t size = char_bytes(text[start]);
      put(std::string_view(text).substr(start, size));
      start += size;
    }
  } else {
    for (std::size_t at = 0; most != 0 && (at = text.find(old, start)) != std::string::npos; --most) {
      put(std::string_view(text).substr(start, at - start));
      put(by);
      start = at + old.size();
    }
  }
  put(std::string_view(text).substr(start));
  return out;
}

std::string format_percent(Renderer& renderer, const std::string& format, const std::vector<Value>& values) {
  std::string out;
  std::size_t next = 0;
  for (std::size_t at = 0; at < format.size(); ++at) {
    if (format[at] != '%') {
      out += format[at];
      continue;
    }
    const char kind = ++at < format.size() ? format[at] : ' ';
    if (kind == '%') {
      out += '%';
      continue;
    }
    if (kind != 's' && kind != 'd' && kind != 'i' && kind != 'r')
      throw Trouble("%: a format other than %s, %d, %i and %r is not known here");
    if (next == values.size()) throw Trouble("%: too few values for the format");
    Value value = values[next++];
    if (kind == 'd' || kind == 'i') {
      if (!value.is_integral()) throw Trouble(std::string("%d: expected a whole number, found ") + type_name(value));
      value = Value::of(value.whole());
    }
    const std::string shown = kind == 'r' ? repr(renderer.heap, value) : renderer.str(value);
    renderer.heap.charge(shown.size());
    out += shown;
  }
  if (next != values.size()) throw Trouble("%: too many values for the format");
  return out;
}

}  // namespace tokenyard::jinja
