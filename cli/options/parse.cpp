// CLI11 splits the words into options and their values. What the values must be is checked here, so that every message has one
// form. No other file includes CLI11: its headers take ten seconds to compile.
#include "cli/options/parse.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <type_traits>

#include "cli/options/closest.h"
#include "core/base/input_error.h"

namespace tokenyard::cli {
namespace {

class Parser {
 public:
  explicit Parser(const Command& command) : command_(command) {
    app_.name(command.name());
    app_.allow_extras();  // reported by check_extras, with a suggestion
    for (const Argument& argument : command.arguments()) add(argument);
  }

  // False: help is asked for.
  bool read(std::vector<std::string> words) {
    std::reverse(words.begin(), words.end());  // CLI11 takes them from the back
    try {
      app_.parse(words);
    } catch (const CLI::CallForHelp&) {
      return false;
    } catch (const CLI::ParseError& error) {
      check_values();
      check_extras();  // an unknown option explains more than what goes wrong after it
      for (const Argument& argument : command_.arguments()) {
        if (argument.is_required && values(argument).empty())
          fail(fmt::format("expected {}, found none: {}", label(argument), argument.help));
      }
      for (const Argument& argument : command_.arguments()) check_count(argument);
      // An option at the end of the line that misses its values; CLI11's message begins with its name.
      const std::string what = error.what();
      if (const Argument* argument = command_.find(what.substr(0, what.find(':')))) {
        fail(fmt::format("{}: expected {}, found {}", argument->name, wanted(*argument),
                         values(*argument).empty() ? "none" : "fewer"));
      }
      fail(what);
    }
    check_values();
    check_extras();
    for (const Argument& argument : command_.arguments()) check_count(argument);
    for (const Argument& argument : command_.arguments()) check_others(argument);
    for (const Argument& argument : command_.arguments()) set(argument);
    return true;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    const bool asks = what.ends_with('?');  // "did you mean --policy?"
    throw InputError(fmt::format("tokenyard {0}: {1}{2} see tokenyard help {0}", command_.name(), what, asks ? "" : ";"));
  }

  // "SCENARIO", "--hardware NAME".
  static std::string label(const Argument& argument) {
    return argument.is_positional() ? argument.name : argument.name + " " + argument.value;
  }

  static std::string wanted(const Argument& argument) {
    if (argument.count > 1) return fmt::format("{} values ({})", argument.count, argument.value);
    return fmt::format("a value ({})", argument.value);
  }

  void add(const Argument& argument) {
    const CLI::callback_t take = [](const CLI::results_t&) { return true; };
    const std::string name = argument.is_positional() ? fmt::format("positional{}", options_.size()) : argument.name;
    CLI::Option* option = argument.value.empty() ? app_.add_flag(name) : app_.add_option(name, take);
    if (argument.is_vector()) {
      if (argument.count > 0) {
        option->expected(argument.count);
      } else {
        option->expected(-1);
      }
      option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
      option->allow_extra_args(!argument.one_each && argument.count == 0);
      if (argument.delimiter != 0) option->delimiter(argument.delimiter);
    } else {
      option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);  // check_count reports two of them
    }
    if (argument.is_required) option->required();  // so that `--set A B` leaves the last word to a scenario that is missing
    options_[&argument] = option;
  }

  const std::vector<std::string>& values(const Argument& argument) const { return options_.at(&argument)->results(); }
  bool given(const std::string& name) const {
    const Argument* argument = command_.find(name);
    return argument != nullptr && !values(*argument).empty();
  }

  // `--policy --trace run.trace`: CLI11 takes the next word for the value, whatever it is.
  void check_values() const {
    for (const Argument& argument : command_.arguments()) {
      if (argument.value.empty()) continue;
      for (const std::string& value : values(argument)) {
        if (value.starts_with("--") && command_.find(value) != nullptr)
          fail(fmt::format("{}: expected {}, found the option {}", argument.name, wanted(argument), value));
      }
    }
  }

  void check_extras() const {
    const std::vector<std::string> extras = app_.remaining();
    if (extras.empty()) return;
    for (const std::string& extra : extras) {
      if (extra.size() < 2 || extra[0] != '-' || extra == "--") continue;
      std::vector<std::string> names = {"--help"};
      for (const Argument& argument : command_.arguments()) {
        if (!argument.is_positional()) names.push_back(argument.name);
      }
      const std::string name = extra.substr(0, extra.find('='));
      if (command_.find(name) != nullptr) break;  // after --, where no word is an option
      fail(fmt::format("unknown option {}{}", name, did_you_mean(name, names)));
    }
    for (const std::string& extra : extras) {
      if (extra != "--") fail(fmt::format("one word too many: \"{}\"", extra));
    }
  }

  void check_count(const Argument& argument) const {
    const std::vector<std::string>& given = values(argument);
    if (!argument.is_vector() && !argument.value.empty() && given.size() > 1)
      fail(fmt::format("{}: expected once, found \"{}\" and \"{}\"", argument.name, given[0], given[1]));
    const auto count = static_cast<std::size_t>(argument.count);
    if (count > 0 && !given.empty() && given.size() != count)
      fail(fmt::format("{}: expected {}, found {}", argument.name, wanted(argument), given.size()));
  }

  void check_others(const Argument& argument) const {
    if (!given(argument.name)) return;
    if (!argument.excluded.empty() && given(argument.excluded))
      fail(fmt::format("{} and {}: expected one of them, found both", argument.name, argument.excluded));
    if (!argument.needed.empty() && !given(argument.needed))
      fail(fmt::format("{}: expected {} too, found it alone", argument.name, label(*command_.find(argument.needed))));
  }

  template <typename Number>
  Number number(const Argument& argument, const std::string& text) const {
    constexpr bool whole = std::is_integral_v<Number>;
    std::conditional_t<whole, Number, double> value{};  // a double also holds what is too small for a float
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    bool fine = error == std::errc{} && stop == end;
    const auto comparable = static_cast<double>(value);
    if constexpr (!whole) fine = fine && std::isfinite(static_cast<Number>(value));
    if (argument.limits) fine = fine && comparable >= argument.limits->first && comparable <= argument.limits->second;
    if (fine) return static_cast<Number>(value);
    const std::string range =
        argument.limits ? fmt::format(" from {} to {}", argument.limits->first, argument.limits->second) : "";
    const char* const kind = whole ? "a whole number" : "a number";
    fail(fmt::format("{}: expected {}{}, found \"{}\"", argument.name, kind, range, text));
  }

  void set(const Argument& argument) const {
    const std::vector<std::string>& given = values(argument);
    if (given.empty()) return;
    if (!argument.choices.empty()) {
      for (const std::string& value : given) {
        if (std::find(argument.choices.begin(), argument.choices.end(), value) == argument.choices.end())
          fail(fmt::format("{}: expected {}, found \"{}\"", argument.name, fmt::join(argument.choices, " or "), value));
      }
    }
    std::visit(
        [&](auto* target) {
          using Value = std::remove_pointer_t<decltype(target)>;
          if constexpr (std::is_same_v<Value, bool>) {
            *target = given.front() != "false";
          } else if constexpr (std::is_arithmetic_v<Value>) {
            *target = number<Value>(argument, given.front());
          } else if constexpr (std::is_same_v<Value, std::optional<int>> || std::is_same_v<Value, std::optional<float>>) {
            *target = number<typename Value::value_type>(argument, given.front());
          } else if constexpr (std::is_same_v<Value, std::string>) {
            *target = given.front();
          } else if constexpr (std::is_same_v<Value, std::vector<int>>) {
            for (const std::string& value : given) target->push_back(number<int>(argument, value));
          } else {
            *target = given;
          }
        },
        argument.target);
  }

  const Command& command_;
  CLI::App app_;
  std::map<const Argument*, CLI::Option*> options_;
};

}  // namespace

bool parse(const Command& command, const std::vector<std::string>& words) { return Parser(command).read(words); }

}  // namespace tokenyard::cli
