#include "cli/options/command.h"

#include <fmt/format.h>

#include <type_traits>

namespace tokenyard::cli {

bool Argument::is_vector() const {
  return std::holds_alternative<std::vector<int>*>(target) || std::holds_alternative<std::vector<std::string>*>(target);
}

Argument& Argument::required() {
  is_required = true;
  return *this;
}

Argument& Argument::writes() {
  is_output = true;
  return *this;
}

Argument& Argument::one_of(std::vector<std::string> words) {
  choices = std::move(words);
  return *this;
}

Argument& Argument::between(double least, double most) {
  limits = {least, most};
  return *this;
}

Argument& Argument::one_value_each() {
  one_each = true;
  return *this;
}

Argument& Argument::exactly(int values) {
  count = values;
  return *this;
}

Argument& Argument::split_at(char c) {
  delimiter = c;
  return *this;
}

Argument& Argument::excludes(std::string other) {
  excluded = std::move(other);
  return *this;
}

Argument& Argument::needs(std::string other) {
  needed = std::move(other);
  return *this;
}

Argument& Argument::shows_default() {
  default_value = std::visit(
      [](auto* held) -> std::string {
        using Value = std::remove_pointer_t<decltype(held)>;
        if constexpr (std::is_arithmetic_v<Value> || std::is_same_v<Value, std::string>) {
          return fmt::format("{}", *held);
        } else {
          return {};  // nothing, or several values
        }
      },
      target);
  return *this;
}

Argument& Command::positional(std::string name, Target target, std::string help) {
  Argument argument;
  argument.name = argument.value = std::move(name);
  argument.target = target;
  argument.help = std::move(help);
  return arguments_.emplace_back(std::move(argument));
}

Argument& Command::option(std::string name, Target target, std::string value, std::string help) {
  Argument argument;
  argument.name = std::move(name);
  argument.value = std::move(value);
  argument.help = std::move(help);
  argument.group = group_;
  argument.target = target;
  return arguments_.emplace_back(std::move(argument));
}

Argument& Command::flag(std::string name, bool& target, std::string help) {
  return option(std::move(name), &target, "", std::move(help));
}

const Argument* Command::find(const std::string& name) const {
  for (const Argument& argument : arguments_) {
    if (argument.name == name) return &argument;
  }
  return nullptr;
}

}  // namespace tokenyard::cli
