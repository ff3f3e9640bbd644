// A template's text as tokens and as a tree.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "backends/jinja/value.h"

namespace tokenyard::jinja {

struct Token {
  enum class Kind : std::uint8_t {
    data,
    begin_block,
    end_block,
    begin_print,
    end_print,
    name,
    string,
    integer,
    number,
    sign,
    end
  };
  Kind kind;
  std::string text;  // of a string what it means, else what is written
  int line;          // from 1
};

// REQUIRES: UTF-8. Throws Trouble; `line` is then the line it is about.
std::vector<Token> tokens_of(std::string_view source, int& line);

struct Node {
  enum class Kind : std::uint8_t {
    // Expressions. What `parts` holds stands behind each.
    constant,   // `value`
    name,       // `text`
    list,       // items
    tuple,      // items
    dict,       // key, value, key, value ...
    attribute,  // object; .`text`
    item,       // object, index
    slice,      // from, to, step; null where left out. Only as an index
    call,       // what, arguments, named arguments: the last of `parts`, one for each of `names`
    filter,     // value (null in a filter block: the block's text), arguments as of a call; |`text`
    test,       // value, arguments as of a call; is `text`
    invert,     // value: not
    negate,     // value
    plus,       // value
    both,       // two values: and
    either,     // two values: or
    choose,     // condition, value, other value or null
    binary,     // two values; `text` is the operator
    join,       // values: ~
    compare,    // first value, and one for each operator of `names`
    // Statements.
    data,          // `text`
    print,         // value
    when,          // condition; body; other
    loop,          // target, what to go through, condition or null; body; other; flag: recursive
    leave,         // break
    next,          // continue
    set,           // target, value
    set_block,     // target, filter or null; body
    with,          // target, value, target, value ...; body
    macro,         // defaults of the last parameters; `names` are the parameters; body; `text` is its name
    call_block,    // the call, defaults; `names` as of a macro; body
    filter_block,  // filter; body
    generation,    // body
  };
  Kind kind;
  int line;
  std::string text = {};
  Value value = {};
  Text literal = {};  // what `value` refers to where it is a string
  std::vector<const Node*> parts = {};
  std::vector<std::string> names = {};
  std::vector<const Node*> body = {}, other = {};
  bool flag = false;
  bool varargs = false, kwargs = false, caller = false;  // of a macro or call block: which of these its body reads
};

struct Syntax {
  std::string name;
  std::vector<std::unique_ptr<const Node>> nodes;  // owns them all, so that no tree is freed by recursion
  std::vector<const Node*> body;
  std::set<std::string, std::less<>> reads;  // variables that are read before a statement sets them
};

// As tokens_of.
Syntax syntax_of(std::string_view source, int& line);

}  // namespace tokenyard::jinja
