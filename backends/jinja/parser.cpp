#include <algorithm>
#include <array>
#include <charconv>

#include "backends/jinja/syntax.h"

namespace tokenyard::jinja {
namespace {

using Kind = Node::Kind;

constexpr int kDeepestTree = 400;

class Parser {
 public:
  Parser(std::vector<Token> tokens, int& line) : tokens_(std::move(tokens)), line_(line) {}

  Syntax run() {
    syntax_.body = statements({});
    return std::move(syntax_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) {
    line_ = now().line;
    throw Trouble(what);
  }
  [[noreturn]] void expected(const std::string& what) { fail("expected " + what + ", found " + shown_token()); }
  std::string shown_token() const {
    switch (now().kind) {
      case Token::Kind::end: return "the end";
      case Token::Kind::data: return "text";
      case Token::Kind::end_block: return "%}";
      case Token::Kind::end_print: return "}}";
      default: return "\"" + now().text.substr(0, 40) + "\"";
    }
  }

  const Token& now() const { return tokens_[at_]; }
  const Token& ahead() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  bool is(Token::Kind kind) const { return now().kind == kind; }
  bool is_sign(std::string_view text) const { return is(Token::Kind::sign) && now().text == text; }
  bool is_word(std::string_view text) const { return is(Token::Kind::name) && now().text == text; }
  void advance() {
    if (at_ + 1 < tokens_.size()) ++at_;
  }
  bool skip_sign(std::string_view text) {
    const bool found = is_sign(text);
    if (found) advance();
    return found;
  }
  bool skip_word(std::string_view text) {
    const bool found = is_word(text);
    if (found) advance();
    return found;
  }
  void take_sign(std::string_view text) {
    if (!skip_sign(text)) expected("\"" + std::string(text) + "\"");
  }
  void take(Token::Kind kind, const char* what) {
    if (!is(kind)) expected(what);
    advance();
  }
  std::string take_name() {
    if (!is(Token::Kind::name)) expected("a name");
    std::string name = now().text;
    advance();
    return name;
  }

  // What calls itself for what is nested holds one of these.
  struct Level {
    explicit Level(Parser& of) : parser(of) {
      if (++of.depth_ > kDeepestTree) of.fail("the template is nested too deep");
    }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;
    ~Level() { --parser.depth_; }
    Parser& parser;
  };

  Node& make(Kind kind, std::vector<const Node*> parts = {}) {
    auto node = std::make_unique<Node>();
    node->kind = kind;
    node->line = now().line;
    node->parts = std::move(parts);
    Node& out = *node;
    syntax_.nodes.push_back(std::move(node));
    return out;
  }
  Node& make(Kind kind, int line, std::vector<const Node*> parts = {}) {
    Node& node = make(kind, std::move(parts));
    node.line = line;
    return node;
  }

  void reads(const std::string& name) {
    if (name == "varargs" || name == "kwargs" || name == "caller") {
      for (Node* macro : macros_)
        (name == "varargs" ? macro->varargs : name == "kwargs" ? macro->kwargs : macro->caller) = true;
    }
    if (!sets_.contains(name)) syntax_.reads.insert(name);
  }

  // Statements -----------------------------------------------------------------------------------------------------------

  // Until one of `ends`, which is now() when this returns; without any, until the text's end.
  std::vector<const Node*> statements(const std::vector<std::string_view>& ends) {
    const Level level(*this);
    std::vector<const Node*> out;
    const int line = at_ > 0 ? tokens_[at_ - 1].line : 1;  // of the tag that begins them
    while (!is(Token::Kind::end)) {
      if (is(Token::Kind::data)) {
        Node& node = make(Kind::data);
        node.text = now().text;
        out.push_back(&node);
        advance();
      } else if (is(Token::Kind::begin_print)) {
        const int print_line = now().line;
        advance();
        out.push_back(&make(Kind::print, print_line, {&tuple_or_expression()}));
        take(Token::Kind::end_print, "}}");
      } else {
        advance();  // {%
        if (std::any_of(ends.begin(), ends.end(), [&](std::string_view end) { return is_word(end); })) return out;
        out.push_back(&statement());
        take(Token::Kind::end_block, "%}");
      }
    }
    if (ends.empty()) return out;
    line_ = line;
    throw Trouble("a statement has no end: expected {% " + std::string(ends.back()) + " %}");
  }

  // The body of a statement whose {% ... is read so far; now() is one of `ends` after it.
  std::vector<const Node*> body(const std::vector<std::string_view>& ends) {
    take(Token::Kind::end_block, "%}");
    return statements(ends);
  }
  std::vector<const Node*> body_to(std::string_view end) {
    auto out = body({end});
    advance();
    return out;
  }

  Node& statement() {
    const int line = now().line;
    const std::string word = take_name();
    if (word == "if") return when(line);
    if (word == "for") return loop(line);
    if (word == "set") return set(line);
    if (word == "macro") return macro(line);
    if (word == "call") return call_block(line);
    if (word == "break" || word == "continue") {
      if (loops_ == 0) fail("{% " + word + " %} stands outside of a loop");
      return make(word == "break" ? Kind::leave : Kind::next, line);
    }
    if (word == "generation") {
      Node& node = make(Kind::generation, line);
      node.body = inner_body("endgeneration");
      return node;
    }
    if (word == "filter") {
      Node& filter = filters(nullptr, true);
      Node& node = make(Kind::filter_block, line, {&filter});
      node.body = body_to("endfilter");
      return node;
    }
    if (word == "with") return with(line);
    line_ = line;
    throw Trouble("{% " + word.substr(0, 40) + " %} is not known here");
  }

  // Of what becomes a function: a loop around it cannot be left from within.
  std::vector<const Node*> inner_body(std::string_view end) {
    const int loops = std::exchange(loops_, 0);
    auto out = body_to(end);
    loops_ = loops;
    return out;
  }

  Node& when(int line) {
    const Level level(*this);  // each elif is nested in the one before
    Node& node = make(Kind::when, line, {&tuple_or_expression(false)});
    node.body = body({"elif", "else", "endif"});
    const int next_line = now().line;
    if (skip_word("elif")) {
      node.other = {&when(next_line)};
    } else if (skip_word("else")) {
      node.other = body_to("endif");
    } else {
      advance();
    }
    return node;
  }

  Node& loop(int line) {
    Node& target = targets("in");
    if (!skip_word("in")) expected("\"in\"");
    Node& items = tuple_or_expression(false);
    assign(target);
    const Node* condition = skip_word("if") ? &expression() : nullptr;
    const bool recursive = skip_word("recursive");
    sets_.insert("loop");
    Node& node = make(Kind::loop, line, {&target, &items, condition});
    node.flag = recursive;
    ++loops_;
    node.body = body({"else", "endfor"});
    --loops_;
    if (skip_word("else")) {
      node.other = body_to("endfor");
    } else {
      advance();
    }
    return node;
  }

  Node& set(int line) {
    Node& target = targets("");
    if (skip_sign("=")) {
      Node& value = tuple_or_expression();
      assign(target);
      return make(Kind::set, line, {&target, &value});
    }
    const Node* filter = is_sign("|") ? &filters(nullptr, false) : nullptr;
    Node& node = make(Kind::set_block, line, {&target, filter});
    node.body = body_to("endset");
    assign(target);
    return node;
  }

  Node& with(int line) {
    Node& node = make(Kind::with, line);
    while (!is(Token::Kind::end_block)) {
      if (!node.parts.empty()) take_sign(",");
      Node& target = targets("", /*several=*/false);
      take_sign("=");
      node.parts.push_back(&target);
      node.parts.push_back(&expression());
    }
    for (std::size_t i = 0; i < node.parts.size(); i += 2) assign(*node.parts[i]);
    node.body = body_to("endwith");
    return node;
  }

  void parameters(Node& node) {
    take_sign("(");
    bool first = true;
    while (!is_sign(")")) {
      if (!first) take_sign(",");
      first = false;
      node.names.push_back(take_name());
      sets_.insert(node.names.back());
      if (skip_sign("=")) {
        node.parts.push_back(&expression());
      } else if (node.parts.size() > (node.kind == Kind::call_block ? 1U : 0U)) {
        fail("a parameter without default follows one with a default");
      }
    }
    take_sign(")");
  }

  Node& macro(int line) {
    Node& node = make(Kind::macro, line);
    node.text = take_name();
    sets_.insert(node.text);
    macros_.push_back(&node);
    parameters(node);
    node.body = inner_body("endmacro");
    macros_.pop_back();
    return node;
  }

  Node& call_block(int line) {
    Node& node = make(Kind::call_block, line, {nullptr});
    macros_.push_back(&node);
    if (is_sign("(")) parameters(node);
    macros_.pop_back();
    Node& call = expression();
    if (call.kind != Kind::call) fail("{% call %}: expected a call");
    node.parts[0] = &call;
    macros_.push_back(&node);
    node.body = inner_body("endcall");
    macros_.pop_back();
    return node;
  }

  // Names that are set: a, (a, b), or space.field
  Node& targets(std::string_view end, bool several = true) {
    std::vector<const Node*> parts;
    const int line = now().line;
    Node* node = nullptr;
    bool tuple = false;
    do {
      if (tuple && (is_word(end) || is_sign("=") || is_sign(")") || is(Token::Kind::end_block))) break;
      parts.push_back(node = &target());
      tuple |= is_sign(",");
    } while (several && skip_sign(","));
    if (!tuple) return *node;
    return make(Kind::tuple, line, std::move(parts));
  }

  Node& target() {
    const Level level(*this);
    const int line = now().line;
    if (skip_sign("(")) {
      Node& node = targets("");
      take_sign(")");
      return node;
    }
    Node& name = make(Kind::name, line);
    name.text = take_name();
    if (!skip_sign(".")) {
      constexpr std::array<std::string_view, 6> kTaken = {"true", "false", "none", "True", "False", "None"};
      if (std::find(kTaken.begin(), kTaken.end(), name.text) != kTaken.end()) fail("\"" + name.text + "\" cannot be set");
      return name;
    }
    reads(name.text);
    Node& node = make(Kind::attribute, line, {&name});
    node.text = take_name();
    return node;
  }

  void assign(const Node& target) {
    if (target.kind == Kind::name) sets_.insert(target.text);
    if (target.kind != Kind::tuple) return;
    for (const Node* part : target.parts) assign(*part);
  }

  // Expressions ----------------------------------------------------------------------------------------------------------

  Node& tuple_or_expression(bool choices = true, bool brackets = false) {
    std::vector<const Node*> parts;
    const int line = now().line;
    Node* node = nullptr;
    bool tuple = false;
    const auto ends = [&] {
      return is_sign(")") || is(Token::Kind::end_block) || is(Token::Kind::end_print) || is_word("recursive");
    };
    if (brackets && is_sign(")")) return make(Kind::tuple, line);
    do {
      if (tuple && ends()) break;
      parts.push_back(node = choices ? &expression() : &either());
      tuple |= is_sign(",");
    } while (skip_sign(","));
    if (!tuple) return *node;
    return make(Kind::tuple, line, std::move(parts));
  }

  Node& expression() {
    const Level level(*this);
    const int line = now().line;
    Node* value = &either();
    int choices = 0;
    while (skip_word("if")) {
      if (++choices > kDeepestTree) fail("the template is nested too deep");
      Node& condition = either();
      const Node* other = skip_word("else") ? &expression() : nullptr;
      value = &make(Kind::choose, line, {&condition, value, other});
    }
    return *value;
  }

  // Operators of one rank join from the left, so a long row of them is as deep as it is long.
  template <typename Next, typename Take>
  Node& row(Next next, Take take) {
    Node* left = &next();
    int length = 0;
    for (int line = now().line; Node* const node = take(line); line = now().line) {
      if (++length > kDeepestTree) fail("too many operators in a row");
      node->parts = {left, &next()};
      left = node;
    }
    return *left;
  }

  Node& either() {
    return row([&]() -> Node& { return both(); },
               [&](int line) { return skip_word("or") ? &make(Kind::either, line) : nullptr; });
  }
  Node& both() {
    return row([&]() -> Node& { return inverted(); },
               [&](int line) { return skip_word("and") ? &make(Kind::both, line) : nullptr; });
  }
  Node& inverted() {
    const Level level(*this);
    const int line = now().line;
    if (skip_word("not")) return make(Kind::invert, line, {&inverted()});
    return comparison();
  }

  Node& comparison() {
    const int line = now().line;
    Node& first = sum();
    std::vector<const Node*> parts = {&first};
    std::vector<std::string> names;
    while (true) {
      constexpr std::array<std::string_view, 6> kSigns = {"==", "!=", "<", "<=", ">", ">="};
      if (is(Token::Kind::sign) && std::find(kSigns.begin(), kSigns.end(), now().text) != kSigns.end()) {
        names.push_back(now().text);
        advance();
      } else if (skip_word("in")) {
        names.emplace_back("in");
      } else if (is_word("not") && ahead().kind == Token::Kind::name && ahead().text == "in") {
        advance();
        advance();
        names.emplace_back("not in");
      } else {
        break;
      }
      parts.push_back(&sum());
    }
    if (names.empty()) return first;
    Node& node = make(Kind::compare, line, std::move(parts));
    node.names = std::move(names);
    return node;
  }

  Node* binary(int line, std::initializer_list<std::string_view> signs) {
    for (const std::string_view sign : signs) {
      if (!skip_sign(sign)) continue;
      Node& node = make(Kind::binary, line);
      node.text = sign;
      return &node;
    }
    return nullptr;
  }
  Node& sum() {
    return row([&]() -> Node& { return joined(); }, [&](int line) { return binary(line, {"+", "-"}); });
  }
  Node& joined() {
    const int line = now().line;
    Node& first = product();
    if (!is_sign("~")) return first;
    std::vector<const Node*> parts = {&first};
    while (skip_sign("~")) parts.push_back(&product());
    return make(Kind::join, line, std::move(parts));
  }
  Node& product() {
    return row([&]() -> Node& { return power(); }, [&](int line) { return binary(line, {"*", "/", "//", "%"}); });
  }
  Node& power() {
    return row([&]() -> Node& { return unary(true); }, [&](int line) { return binary(line, {"**"}); });
  }

  Node& unary(bool with_filters) {
    const Level level(*this);
    const int line = now().line;
    Node* node = nullptr;
    if (is_sign("-") || is_sign("+")) {
      const Kind kind = is_sign("-") ? Kind::negate : Kind::plus;
      advance();
      node = &make(kind, line, {&unary(false)});
    } else {
      node = &primary();
    }
    node = &postfix(*node);
    return with_filters ? filters_and_tests(*node) : *node;
  }

  Node& primary() {
    const Level level(*this);
    const Token& token = now();
    const int line = token.line;
    switch (token.kind) {
      case Token::Kind::name: {
        const std::string name = take_name();
        Node& node = make(Kind::constant, line);
        if (name == "true" || name == "True" || name == "false" || name == "False") {
          node.value = Value::of(name == "true" || name == "True");
        } else if (name == "none" || name == "None") {
          node.value = Value::none();
        } else {
          node.kind = Kind::name;
          node.text = name;
          reads(name);
        }
        return node;
      }
      case Token::Kind::string: {
        Node& node = make(Kind::constant, line);
        node.value = Value::of(Type::string);
        node.value.text = &node.literal;
        for (; is(Token::Kind::string); advance()) node.literal.bytes += now().text;
        return node;
      }
      case Token::Kind::integer:
      case Token::Kind::number: return number();
      default: break;
    }
    if (skip_sign("(")) {
      Node& node = tuple_or_expression(true, /*brackets=*/true);
      take_sign(")");
      return node;
    }
    if (skip_sign("[")) {
      Node& node = make(Kind::list, line);
      while (!is_sign("]")) {
        if (!node.parts.empty()) take_sign(",");
        if (is_sign("]")) break;
        node.parts.push_back(&expression());
      }
      take_sign("]");
      return node;
    }
    if (skip_sign("{")) {
      Node& node = make(Kind::dict, line);
      while (!is_sign("}")) {
        if (!node.parts.empty()) take_sign(",");
        if (is_sign("}")) break;
        node.parts.push_back(&expression());
        take_sign(":");
        node.parts.push_back(&expression());
      }
      take_sign("}");
      return node;
    }
    expected("a value");
  }

  Node& number() {
    const std::string& text = now().text;
    Node& node = make(Kind::constant);
    if (is(Token::Kind::integer)) {
      std::int64_t value = 0;
      if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc())
        fail("the number " + text.substr(0, 40) + " is too large");
      node.value = Value::of(value);
    } else {
      double value = 0;
      if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc())
        fail("the number " + text.substr(0, 40) + " is too large or small");
      node.value = Value::of(value);
    }
    advance();
    return node;
  }

  Node& postfix(Node& first) {
    Node* node = &first;
    int length = 0;
    while (is_sign(".") || is_sign("[") || is_sign("(")) {
      if (++length > kDeepestTree) fail("too many operators in a row");
      node = is_sign("(") ? &call(*node) : &subscript(*node);
    }
    return *node;
  }

  Node& subscript(Node& object) {
    const int line = now().line;
    if (skip_sign(".")) {
      if (is(Token::Kind::integer)) return make(Kind::item, line, {&object, &number()});
      Node& node = make(Kind::attribute, line, {&object});
      node.text = take_name();
      return node;
    }
    take_sign("[");
    std::vector<const Node*> from_to_step = {nullptr, nullptr, nullptr};
    std::size_t part = 0;
    while (true) {
      if (!is_sign(":") && !is_sign("]")) from_to_step[part] = &expression();
      if (part == 2 || !skip_sign(":")) break;
      ++part;
    }
    if (part == 0 && from_to_step[0] == nullptr) expected("an index");
    take_sign("]");
    const Node* index = from_to_step[0];
    if (part > 0) index = &make(Kind::slice, line, from_to_step);
    return make(Kind::item, line, {&object, index});
  }

  Node& call(Node& what) {
    Node& node = make(Kind::call, {&what});
    arguments(node);
    return node;
  }

  void arguments(Node& node) {
    take_sign("(");
    bool first = true;
    while (!is_sign(")")) {
      if (!first) take_sign(",");
      if (is_sign(")")) break;
      first = false;
      if (is_sign("*") || is_sign("**")) fail("* and ** in a call are not known here");
      if (is(Token::Kind::name) && ahead().kind == Token::Kind::sign && ahead().text == "=") {
        node.names.push_back(take_name());
        if (std::count(node.names.begin(), node.names.end(), node.names.back()) > 1)
          fail("the argument " + node.names.back() + " is given twice");
        advance();
      } else if (!node.names.empty()) {
        fail("an argument without name follows one with a name");
      }
      node.parts.push_back(&expression());
    }
    take_sign(")");
  }

  std::string dotted_name() {
    std::string name = take_name();
    while (skip_sign(".")) name += "." + take_name();
    return name;
  }

  // `value` null: of a block. `starts`: the first is written without |.
  Node& filters(Node* value, bool starts) {
    Node* node = value;
    int length = 0;
    while (starts || is_sign("|")) {
      if (++length > kDeepestTree) fail("too many operators in a row");
      if (!starts) advance();
      starts = false;
      Node& filter = make(Kind::filter, {node});
      filter.text = dotted_name();
      if (is_sign("(")) arguments(filter);
      node = &filter;
    }
    return *node;
  }

  Node& filters_and_tests(Node& first) {
    Node* node = &first;
    int length = 0;
    while (true) {
      if (++length > kDeepestTree) fail("too many operators in a row");
      if (is_sign("|")) {
        node = &filters(node, false);
      } else if (is_word("is")) {
        node = &test(*node);
      } else if (is_sign("(")) {
        node = &call(*node);
      } else {
        return *node;
      }
    }
  }

  Node& test(Node& value) {
    const int line = now().line;
    advance();
    const bool negated = skip_word("not");
    Node& node = make(Kind::test, line, {&value});
    node.text = dotted_name();
    const bool takes = is(Token::Kind::name) || is(Token::Kind::string) || is(Token::Kind::integer) ||
                       is(Token::Kind::number) || is_sign("[") || is_sign("{");
    if (is_sign("(")) {
      arguments(node);
    } else if (takes && !is_word("else") && !is_word("or") && !is_word("and")) {
      if (is_word("is")) fail("tests cannot be chained with is");
      node.parts.push_back(&postfix(primary()));
    }
    return negated ? make(Kind::invert, line, {&node}) : node;
  }

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int& line_;
  int depth_ = 0;
  int loops_ = 0;  // around the statement
  std::vector<Node*> macros_;
  std::set<std::string, std::less<>> sets_;
  Syntax syntax_;
};

}  // namespace

Syntax syntax_of(std::string_view source, int& line) { return Parser(tokens_of(source, line), line).run(); }

}  // namespace tokenyard::jinja
