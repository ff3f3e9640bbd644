// Filters: value | name(arguments).
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <functional>
#include <limits>
#include <optional>

#include "backends/jinja/renderer.h"
#include "core/base/json_text.h"

namespace tokenyard::jinja {
namespace {

using List_ = std::vector<Value>;

// "a.b.0": what map, select and sort look at in each item. Undefined becomes `otherwise`.
Value look_up(Renderer& renderer, Value object, Value path, std::optional<Value> otherwise) {
  if (!path.is(Type::string)) return renderer.item(object, path);
  std::string_view left = path.string();
  while (true) {
    const std::size_t dot = left.find('.');
    const std::string_view part = left.substr(0, dot);
    std::int64_t index = 0;
    const auto read = std::from_chars(part.data(), part.data() + part.size(), index);
    const bool whole = !part.empty() && read.ec == std::errc() && read.ptr == part.data() + part.size() && part[0] != '-';
    object = renderer.item(object, whole ? Value::of(index) : renderer.text(std::string(part)));
    if (otherwise && object.is(Type::undefined)) object = *otherwise;
    if (dot == left.npos) return object;
    left.remove_prefix(dot + 1);
  }
}

Value folded(Renderer& renderer, Value value, bool case_sensitive) {
  return case_sensitive || !value.is(Type::string) ? value : renderer.text(lower(value.string()));
}

// std::stable_sort may not meet an order that contradicts itself, which NaN makes and which a comparison may refuse in the
// middle; this merge is sound with any answer.
void merge_sort(std::vector<std::size_t>& order, const std::function<bool(std::size_t, std::size_t)>& before) {
  std::vector<std::size_t> other(order.size());
  for (std::size_t width = 1; width < order.size(); width *= 2) {
    for (std::size_t start = 0; start < order.size(); start += 2 * width) {
      const std::size_t middle = std::min(start + width, order.size());
      const std::size_t end = std::min(start + 2 * width, order.size());
      std::size_t left = start;
      std::size_t right = middle;
      for (std::size_t out = start; out < end; ++out) {
        const bool takes_right = left == middle || (right < end && before(order[right], order[left]));
        other[out] = order[takes_right ? right++ : left++];
      }
    }
    order.swap(other);
  }
}

List_ sorted(Renderer& renderer, const List_& items, const List_& keys, bool reverse) {
  std::vector<std::size_t> order(items.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  merge_sort(order, [&](std::size_t a, std::size_t b) {
    if (keys[a].is(Type::undefined) && keys[b].is(Type::undefined)) return false;
    return reverse ? less(renderer.heap, keys[b], keys[a]) : less(renderer.heap, keys[a], keys[b]);
  });
  List_ out;
  for (const std::size_t i : order) out.push_back(items[i]);
  return out;
}

List_ keys_of(Renderer& renderer, const List_& items, Value attribute, bool case_sensitive) {
  List_ keys;
  for (const Value& item : items) {
    Value key = attribute.is(Type::none) ? item : look_up(renderer, item, attribute, std::nullopt);
    keys.push_back(folded(renderer, key, case_sensitive));
  }
  return keys;
}

// The first letter of each word large and the others small. A word ends at white space and at - ( { [ <.
std::string titled(std::string_view text) {
  std::string out;
  std::size_t start = 0;
  const auto put = [&](std::size_t end) {
    if (end == start) return;
    const std::size_t first = char_bytes(text[start]);
    out += upper(text.substr(start, first));
    out += lower(text.substr(start + first, end - start - first));
    start = end;
  };
  bool parts = false;
  for (std::size_t at = 0; at < text.size(); at += char_bytes(text[at])) {
    const bool is_part =
        std::string_view("-({[<").find(text[at]) != std::string_view::npos || is_space(code_point(text.substr(at)));
    if (is_part != parts) put(at);
    parts = is_part;
  }
  put(text.size());
  return out;
}

std::string indented(Renderer& renderer, std::string_view text, const std::string& by, bool first, bool blank) {
  std::string out = first ? by : "";
  const List_ lines = lines_of(renderer, text);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string& line = lines[i].string();
    if (i > 0) {
      out += '\n';
      if (blank || !line.empty()) out += by;
    }
    renderer.heap.charge(by.size() + line.size());
    out += line;
  }
  return out;
}

Value escaped(Renderer& renderer, Value value) {
  if (is_safe(value)) return value;
  std::string out;
  for (const char c : renderer.str(value)) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '\'': out += "&#39;"; break;
      case '"': out += "&#34;"; break;
      default: out += c;
    }
  }
  return renderer.heap.text(std::move(out), /*safe=*/true);
}

// The number a text is for Python's int() and float(): white space around it, single underscores between digits.
std::optional<std::string> number_text(std::string_view text) {
  text = strip(text, true, true);
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      out += text[i];
      continue;
    }
    const auto digit = [&](std::size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '9'; };
    if (i == 0 || !digit(i - 1) || !digit(i + 1)) return std::nullopt;
  }
  if (out.starts_with('+') && !out.starts_with("+-")) out.erase(0, 1);
  return out;
}

std::optional<double> float_of(Value value) {
  if (value.is(Type::undefined)) throw Trouble("what is undefined is no number");
  if (value.is_numeric()) return value.real();
  if (!value.is(Type::string)) return std::nullopt;
  std::optional<std::string> text = number_text(value.string());
  if (!text || text->empty()) return std::nullopt;
  double out = 0;
  const auto read = std::from_chars(text->data(), text->data() + text->size(), out);
  if (read.ptr != text->data() + text->size()) return std::nullopt;
  if (text->find('(') != std::string::npos) return std::nullopt;  // nan(...)
  if (read.ec == std::errc::result_out_of_range) {
    throw Trouble("float: the number " + text->substr(0, 40) + " is too large or small");
  }
  return read.ec == std::errc() ? std::optional(out) : std::nullopt;
}

Value int_of(Taken& taken, Value value) {
  const Value otherwise = taken.next("default", Value::of(std::int64_t{0}));
  const std::int64_t base = taken.next_whole("base", 10);
  taken.done();
  if (value.is_integral()) return Value::of(value.whole());
  if (value.is(Type::string)) {
    if (base < 2 || base > 36) taken.fail("base: expected 2 to 36");
    const std::optional<std::string> text = number_text(value.string());
    std::int64_t out = 0;
    if (text && !text->empty()) {
      const auto read = std::from_chars(text->data(), text->data() + text->size(), out, static_cast<int>(base));
      if (read.ptr == text->data() + text->size()) {
        if (read.ec == std::errc::result_out_of_range) taken.fail("the number " + text->substr(0, 40) + " is too large");
        if (read.ec == std::errc()) return Value::of(out);
      }
    }
  }
  const std::optional<double> number = float_of(value);
  if (!number || !std::isfinite(*number)) return otherwise;
  if (std::abs(*number) >= 0x1p63) taken.fail("a number is too large");
  return Value::of(static_cast<std::int64_t>(*number));
}

Value rounded(Taken& taken, Value value) {
  const std::int64_t precision = taken.next_whole("precision", 0);
  const std::string way = taken.next_text("method", "common");
  taken.done();
  if (!value.is_numeric()) taken.fail(std::string("expected a number, found ") + type_name(value));
  if (precision < 0 || precision > 300) taken.fail("precision: expected 0 to 300");
  if (way == "ceil" || way == "floor") {
    const double scale = std::pow(10.0, static_cast<double>(precision));
    const double scaled = value.real() * scale;
    return Value::of((way == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
  }
  if (way != "common") taken.fail("method: expected common, ceil or floor");
  if (value.is_integral()) return Value::of(value.whole());
  if (!std::isfinite(value.number)) return value;
  std::array<char, 700> buffer;  // correctly rounded, half to even
  char* const end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value.number, std::chars_format::fixed,
                                  static_cast<int>(precision))
                        .ptr;
  double out = 0;
  std::from_chars(buffer.data(), end, out);
  return Value::of(out);
}

// What is left of the arguments: a test (or none: is it true?) with its arguments.
List_ selected(Renderer& renderer, Value value, Taken& taken, bool by_attribute, bool wanted) {
  const Value attribute = by_attribute ? taken.need("attribute") : Value();
  List_ rest = taken.rest();
  Arguments arguments;
  std::string test;
  if (!rest.empty()) {
    if (!rest[0].is(Type::string)) taken.fail("expected the name of a test");
    test = rest[0].string();
    arguments.values.assign(rest.begin() + 1, rest.end());
  }
  arguments.named = taken.take_named();
  if (test.empty()) taken.done();
  List_ out;
  if (!truth(value)) return out;  // None, too
  for (const Value& item : renderer.heap.items(value)) {
    const Value looked = by_attribute ? look_up(renderer, item, attribute, std::nullopt) : item;
    if ((test.empty() ? truth(looked) : apply_test(renderer, test, looked, arguments)) == wanted) out.push_back(item);
  }
  return out;
}

List_ mapped(Renderer& renderer, Value value, Taken& taken) {
  List_ out;
  List_ rest = taken.rest();
  Arguments arguments;
  arguments.named = taken.take_named();
  if (!truth(value)) return out;  // None, too
  if (!rest.empty()) {
    if (!rest[0].is(Type::string)) taken.fail("expected the name of a filter");
    arguments.values.assign(rest.begin() + 1, rest.end());
    for (const Value& item : renderer.heap.items(value))
      out.push_back(apply_filter(renderer, rest[0].string(), item, arguments));
    return out;
  }
  Taken named("the filter map", std::move(arguments));
  const Value attribute = named.need("attribute");
  const Value* otherwise = named.next("default");
  named.done();
  for (const Value& item : renderer.heap.items(value)) {
    out.push_back(look_up(renderer, item, attribute, otherwise != nullptr ? std::optional(*otherwise) : std::nullopt));
  }
  return out;
}

Value joined(Renderer& renderer, Value value, Taken& taken) {
  const std::string between = renderer.str(taken.next("d", renderer.text("")));
  const Value attribute = taken.next("attribute", Value::none());
  taken.done();
  std::string out;
  bool first = true;
  for (const Value& item : renderer.heap.items(value)) {
    if (!first) out += between;
    first = false;
    const Value piece = attribute.is(Type::none) ? item : look_up(renderer, item, attribute, std::nullopt);
    const std::string text = renderer.str(piece);
    renderer.heap.charge(text.size() + between.size());
    out += text;
  }
  return renderer.text(std::move(out));
}

// The least or the largest; of equals the first.
Value extreme(Renderer& renderer, Value value, Taken& taken, bool largest) {
  const bool case_sensitive = taken.next_flag("case_sensitive", false);
  const Value attribute = taken.next("attribute", Value::none());
  taken.done();
  const List_& items = renderer.heap.items(value);
  const List_ keys = keys_of(renderer, items, attribute, case_sensitive);
  std::size_t best = 0;
  for (std::size_t i = 1; i < items.size(); ++i) {
    if (largest ? less(renderer.heap, keys[best], keys[i]) : less(renderer.heap, keys[i], keys[best])) best = i;
  }
  return items.empty() ? Value() : items[best];
}

Value unique(Renderer& renderer, Value value, Taken& taken) {
  const bool case_sensitive = taken.next_flag("case_sensitive", false);
  const Value attribute = taken.next("attribute", Value::none());
  taken.done();
  const List_& items = renderer.heap.items(value);
  const List_ keys = keys_of(renderer, items, attribute, case_sensitive);
  List_ out;
  List_ seen;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (std::any_of(seen.begin(), seen.end(), [&](Value key) { return equal(renderer.heap, key, keys[i]); })) continue;
    seen.push_back(keys[i]);
    out.push_back(items[i]);
  }
  return renderer.heap.list(std::move(out), List::Kind::iterator);
}

Value dict_sorted(Renderer& renderer, Value value, Taken& taken) {
  const bool case_sensitive = taken.next_flag("case_sensitive", false);
  const std::string by = taken.next_text("by", "key");
  const bool reverse = taken.next_flag("reverse", false);
  taken.done();
  if (by != "key" && by != "value") taken.fail("by: expected key or value");
  if (!value.is(Type::dict)) taken.fail(std::string("expected a dict, found ") + type_name(value));
  List_ items;
  List_ keys;
  for (const auto& [key, item] : value.dict->items) {
    items.push_back(renderer.heap.list({key, item}, List::Kind::tuple));
    keys.push_back(folded(renderer, by == "key" ? key : item, case_sensitive));
  }
  return renderer.heap.list(sorted(renderer, items, keys, reverse));
}

Value summed(Renderer& renderer, Value value, Taken& taken) {
  const Value attribute = taken.next("attribute", Value::none());
  Value out = taken.next("start", Value::of(std::int64_t{0}));
  taken.done();
  for (const Value& item : renderer.heap.items(value)) {
    out = renderer.add(out, attribute.is(Type::none) ? item : look_up(renderer, item, attribute, std::nullopt));
  }
  return out;
}

Value batched(Renderer& renderer, Value value, Taken& taken) {
  const std::int64_t count = taken.next_whole("linecount", 0);
  const Value fill = taken.next("fill_with", Value::none());
  taken.done();
  if (count < 1) taken.fail("expected a number from 1");
  List_ out;
  List_ row;
  for (const Value& item : renderer.heap.items(value)) {
    if (std::ssize(row) == count) out.push_back(renderer.heap.list(std::exchange(row, {})));
    row.push_back(item);
  }
  if (!row.empty()) {
    if (!fill.is(Type::none)) {
      renderer.heap.charge(static_cast<std::size_t>(std::min<std::int64_t>(count, std::int64_t{1} << 40)) * sizeof(Value));
      row.resize(static_cast<std::size_t>(count), fill);
    }
    out.push_back(renderer.heap.list(std::move(row)));
  }
  return renderer.heap.list(std::move(out), List::Kind::iterator);
}

Value reversed(Renderer& renderer, Value value) {
  if (!value.is(Type::string)) {
    List_ items = renderer.heap.items(value);
    std::reverse(items.begin(), items.end());
    return renderer.heap.list(std::move(items), List::Kind::iterator);
  }
  std::string out;
  const List_& chars = renderer.heap.items(value);
  for (auto c = chars.rbegin(); c != chars.rend(); ++c) out += c->string();
  return renderer.text(std::move(out));
}

// \uXXXX, two of them beyond 0xFFFF, for all that is not ASCII.
std::string escaped_ascii(std::string_view text) {
  std::string out;
  const auto put = [&](char32_t unit) {
    out += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) out += "0123456789abcdef"[unit >> shift & 15];
  };
  for (std::size_t at = 0; at < text.size(); at += char_bytes(text[at])) {
    const char32_t c = code_point(text.substr(at));
    if (c < 0x80) {
      out += text[at];
    } else if (c < 0x10000) {
      put(c);
    } else {
      put(0xD800 + ((c - 0x10000) >> 10));
      put(0xDC00 + ((c - 0x10000) & 0x3FF));
    }
  }
  return out;
}

Value tojson(Renderer& renderer, Value value, Taken& taken) {
  // As transformers defines it: no escapes for HTML and letters as they are.
  const bool ensure_ascii = taken.next_flag("ensure_ascii", false);
  const Value indent = taken.next("indent", Value::none());
  const Value separators = taken.next("separators", Value::none());
  const bool sort_keys = taken.next_flag("sort_keys", false);
  taken.done();
  std::optional<std::string> step;
  if (indent.is(Type::string)) {
    step = indent.string();
  } else if (indent.is_integral()) {
    if (indent.whole() > 1000) taken.fail("indent: expected at most 1000");
    step = std::string(static_cast<std::size_t>(std::max<std::int64_t>(indent.whole(), 0)), ' ');
  } else if (!indent.is(Type::none)) {
    taken.fail(std::string("indent: expected a number or a string, found ") + type_name(indent));
  }
  std::string comma = step ? "," : ", ";
  std::string colon = ": ";
  if (!separators.is(Type::none)) {
    const List_& given = renderer.heap.items(separators);
    if (given.size() != 2 || !given[0].is(Type::string) || !given[1].is(Type::string))
      taken.fail("separators: expected two strings");
    comma = given[0].string();
    colon = given[1].string();
  }
  std::string out;
  const auto write = [&](std::string_view text) {
    renderer.heap.charge(text.size());
    out += text;
  };
  const auto new_line = [&](std::size_t level) {
    if (!step) return;
    write("\n");
    for (; level > 0; --level) write(*step);
  };
  // Python's json takes numbers, True and None as keys, too.
  const auto scalar = [&](Value of) -> std::optional<std::string> {
    switch (of.type) {
      case Type::none: return "null";
      case Type::boolean: return of.boolean ? "true" : "false";
      case Type::integer: return std::to_string(of.integer);
      case Type::number:
        if (std::isnan(of.number)) return "NaN";
        if (std::isinf(of.number)) return of.number < 0 ? "-Infinity" : "Infinity";
        return repr(renderer.heap, of);
      default: return std::nullopt;
    }
  };
  const auto quoted = [&](const std::string& text) {
    renderer.heap.touch(text.size());
    std::string quotes;
    append_json_string(quotes, text);
    write(ensure_ascii ? escaped_ascii(quotes) : quotes);
  };
  const std::function<void(Value, std::size_t)> put = [&](Value of, std::size_t level) {
    renderer.heap.step();
    if (of.is(Type::string)) {
      quoted(of.string());
    } else if (const std::optional<std::string> text = scalar(of)) {
      write(*text);
    } else if (of.is(Type::list) && of.list->kind <= List::Kind::tuple) {
      write("[");
      for (std::size_t i = 0; i < of.list->items.size(); ++i) {
        if (i > 0) write(comma);
        new_line(level + 1);
        put(of.list->items[i], level + 1);
      }
      if (!of.list->items.empty()) new_line(level);
      write("]");
    } else if (of.is(Type::dict)) {
      List_ keys;
      List_ values;
      for (const auto& [key, item] : of.dict->items) {
        keys.push_back(key);
        values.push_back(item);
      }
      if (sort_keys) {
        values = sorted(renderer, values, keys, false);
        keys = sorted(renderer, keys, keys, false);
      }
      write("{");
      for (std::size_t i = 0; i < keys.size(); ++i) {
        if (i > 0) write(comma);
        new_line(level + 1);
        const std::optional<std::string> name = keys[i].is(Type::string) ? keys[i].string() : scalar(keys[i]);
        if (!name) taken.fail(std::string("a key of type ") + type_name(keys[i]));
        quoted(*name);
        write(colon);
        put(values[i], level + 1);
      }
      if (!keys.empty()) new_line(level);
      write("}");
    } else {
      taken.fail(std::string("a value of type ") + type_name(of) + " has no JSON");
    }
  };
  put(value, 0);
  return renderer.text(std::move(out));
}

Value length_of(Taken& taken, Value value) {
  if (value.is(Type::undefined)) return Value::of(std::int64_t{0});
  if (value.is(Type::string)) return Value::of(static_cast<std::int64_t>(length(value.string())));
  if (value.is(Type::dict)) return Value::of(static_cast<std::int64_t>(value.dict->items.size()));
  if (value.is(Type::list) && value.list->kind != List::Kind::iterator)
    return Value::of(static_cast<std::int64_t>(value.list->items.size()));
  taken.fail(std::string("a value of type ") + type_name(value) + " has no length");
}

using Filter = Value (*)(Renderer& renderer, Value value, Taken& taken);
struct NamedFilter {
  std::string_view name;
  Filter run;
};

Value iterator(Renderer& renderer, List_ items) { return renderer.heap.list(std::move(items), List::Kind::iterator); }

const std::array kFilters = {
    NamedFilter{"abs", [](Renderer&, Value v, Taken& taken) {
      taken.done();
      if (v.is(Type::number)) return Value::of(std::abs(v.number));
      if (!v.is_integral()) taken.fail(std::string("expected a number, found ") + type_name(v));
      if (v.whole() == INT64_MIN) taken.fail("a number is too large");
      return Value::of(std::abs(v.whole()));
    }},
    NamedFilter{"attr", [](Renderer& r, Value v, Taken& taken) {
      const std::string name = taken.need_text("name");
      taken.done();
      return v.is(Type::dict) ? method(r, v, name) : r.attribute(v, name);  // of a dict no item, as jinja2
    }},
    NamedFilter{"batch", batched},
    NamedFilter{"capitalize", [](Renderer& r, Value v, Taken& taken) {
      taken.done();
      return r.heap.text(capitalize(r.str(v)), is_safe(v));
    }},
    NamedFilter{"default", [](Renderer& r, Value v, Taken& taken) {
      const Value otherwise = taken.next("default_value", r.text(""));
      const bool boolean = taken.next_flag("boolean", false);
      taken.done();
      return v.is(Type::undefined) || (boolean && !truth(v)) ? otherwise : v;
    }},
    NamedFilter{"dictsort", dict_sorted},
    NamedFilter{"escape", [](Renderer& r, Value v, Taken& taken) { taken.done(); return escaped(r, v); }},
    NamedFilter{"first", [](Renderer& r, Value v, Taken& taken) {
      taken.done();
      if (v.is(Type::string)) return v.string().empty() ? Value() : r.text(v.string().substr(0, char_bytes(v.string()[0])));
      const List_& items = r.heap.items(v);
      return items.empty() ? Value() : items.front();
    }},
    NamedFilter{"float", [](Renderer&, Value v, Taken& taken) {
      const Value otherwise = taken.next("default", Value::of(0.0));
      taken.done();
      const std::optional<double> number = float_of(v);
      return number ? Value::of(*number) : otherwise;
    }},
    NamedFilter{"format", [](Renderer& r, Value v, Taken& taken) {
      const List_ values = taken.rest();
      taken.done();
      return r.text(format_percent(r, r.str(v), values));
    }},
    NamedFilter{"indent", [](Renderer& r, Value v, Taken& taken) {
      const Value width = taken.next("width", Value::of(std::int64_t{4}));
      const bool first = taken.next_flag("first", false);
      const bool blank = taken.next_flag("blank", false);
      taken.done();
      if (!v.is(Type::string)) taken.fail(std::string("expected a string, found ") + type_name(v));
      if (!width.is(Type::string) && !width.is_integral()) taken.fail("width: expected a number or a string");
      if (width.is(Type::string)) return r.text(indented(r, v.string(), width.string(), first, blank));
      if (width.whole() > 10'000) taken.fail("width: expected at most 10000");
      const std::string by(static_cast<std::size_t>(std::max<std::int64_t>(width.whole(), 0)), ' ');
      return r.text(indented(r, v.string(), by, first, blank));
    }},
    NamedFilter{"int", [](Renderer&, Value v, Taken& taken) { return int_of(taken, v); }},
    NamedFilter{"items", [](Renderer& r, Value v, Taken& taken) {
      taken.done();
      if (v.is(Type::undefined)) return iterator(r, {});
      if (!v.is(Type::dict)) taken.fail(std::string("expected a dict, found ") + type_name(v));
      List_ items;
      for (const auto& [key, value] : v.dict->items) items.push_back(r.heap.list({key, value}, List::Kind::tuple));
      return iterator(r, std::move(items));
    }},
    NamedFilter{"join", joined},
    NamedFilter{"last", [](Renderer& r, Value v, Taken& taken) {
      taken.done();
      if (v.is(Type::list) && v.list->kind == List::Kind::iterator) taken.fail("an iterator has no last item");
      const List_& items = r.heap.items(v);
      return items.empty() ? Value() : items.back();
    }},
    NamedFilter{"length", [](Renderer&, Value v, Taken& taken) { taken.done(); return length_of(taken, v); }},
    NamedFilter{"list", [](Renderer& r, Value v, Taken& taken) { taken.done(); return r.heap.list(r.heap.items(v)); }},
    NamedFilter{"lower", [](Renderer& r, Value v, Taken& taken) { taken.done(); return r.heap.text(lower(r.str(v)), is_safe(v)); }},
    NamedFilter{"map", [](Renderer& r, Value v, Taken& taken) { return iterator(r, mapped(r, v, taken)); }},
    NamedFilter{"max", [](Renderer& r, Value v, Taken& taken) { return extreme(r, v, taken, true); }},
    NamedFilter{"min", [](Renderer& r, Value v, Taken& taken) { return extreme(r, v, taken, false); }},
    NamedFilter{"reject", [](Renderer& r, Value v, Taken& taken) { return iterator(r, selected(r, v, taken, false, false)); }},
    NamedFilter{"rejectattr", [](Renderer& r, Value v, Taken& taken) { return iterator(r, selected(r, v, taken, true, false)); }},
    NamedFilter{"replace", [](Renderer& r, Value v, Taken& taken) {
      const std::string old = r.str(taken.need("old"));
      const std::string by = r.str(taken.need("new"));
      const Value count = taken.next("count", Value::none());
      taken.done();
      if (!count.is(Type::none) && !count.is_integral()) taken.fail("count: expected a whole number");
      return r.text(replaced(r, r.str(v), old, by, count.is(Type::none) ? -1 : count.whole()));
    }},
    NamedFilter{"reverse", [](Renderer& r, Value v, Taken& taken) { taken.done(); return reversed(r, v); }},
    NamedFilter{"round", [](Renderer&, Value v, Taken& taken) { return rounded(taken, v); }},
    NamedFilter{"safe", [](Renderer& r, Value v, Taken& taken) { taken.done(); return r.heap.text(r.str(v), /*safe=*/true); }},
    NamedFilter{"select", [](Renderer& r, Value v, Taken& taken) { return iterator(r, selected(r, v, taken, false, true)); }},
    NamedFilter{"selectattr", [](Renderer& r, Value v, Taken& taken) { return iterator(r, selected(r, v, taken, true, true)); }},
    NamedFilter{"sort", [](Renderer& r, Value v, Taken& taken) {
      const bool reverse = taken.next_flag("reverse", false);
      const bool case_sensitive = taken.next_flag("case_sensitive", false);
      const Value attribute = taken.next("attribute", Value::none());
      taken.done();
      if (attribute.is(Type::string) && attribute.string().find(',') != std::string::npos) taken.fail("several attributes are not known here");
      const List_& items = r.heap.items(v);
      return r.heap.list(sorted(r, items, keys_of(r, items, attribute, case_sensitive), reverse));
    }},
    NamedFilter{"string", [](Renderer& r, Value v, Taken& taken) { taken.done(); return v.is(Type::string) ? v : r.text(r.str(v)); }},
    NamedFilter{"sum", summed},
    NamedFilter{"title", [](Renderer& r, Value v, Taken& taken) { taken.done(); return r.text(titled(r.str(v))); }},
    NamedFilter{"tojson", tojson},
    NamedFilter{"trim", [](Renderer& r, Value v, Taken& taken) {
      const Value chars = taken.next("chars", Value::none());
      taken.done();
      return r.heap.text(stripped(taken, r.str(v), chars, true, true), is_safe(v));
    }},
    NamedFilter{"unique", unique},
    NamedFilter{"upper", [](Renderer& r, Value v, Taken& taken) { taken.done(); return r.heap.text(upper(r.str(v)), is_safe(v)); }},
};

}  // namespace

Value apply_filter(Renderer& renderer, const std::string& name, Value value, Arguments arguments) {
  const std::string_view plain = name == "count" ? "length"
                                 : name == "d"   ? "default"
                                 : name == "e"   ? "escape"
                                                 : std::string_view(name);
  for (const NamedFilter& filter : kFilters) {
    if (filter.name != plain) continue;
    if (is_safe(value) && (plain == "format" || plain == "indent")) {
      throw Trouble("the filter " + name + ": not known here for what the filter safe or escape made");
    }
    renderer.heap.step();
    Taken taken("the filter " + name, std::move(arguments));
    return filter.run(renderer, value, taken);
  }
  throw Trouble("the filter \"" + name + "\" is not known here");
}

}  // namespace tokenyard::jinja
