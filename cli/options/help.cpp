#include "cli/options/help.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/output/text_table.h"

namespace tokenyard::cli {
namespace {

constexpr std::size_t kLineWidth = 100;
constexpr std::size_t kColumn = 30;  // where the descriptions begin

// `left` and its description beside it, or below where `left` is too long.
std::string entry(const std::string& left, const std::string& text) {
  std::string lines = wrapped(text, kLineWidth, kColumn);
  const std::string begin = "  " + left;
  if (begin.size() + 2 > kColumn) return begin + "\n" + lines;
  return lines.replace(0, begin.size(), begin);
}

std::string examples_of(const std::vector<Example>& examples) {
  std::size_t width = 0;
  for (const Example& example : examples) {
    if (!example.comment.empty()) width = std::max(width, example.command.size());
  }
  std::string out;
  for (const Example& example : examples) {
    if (example.comment.empty()) {
      out += fmt::format("  {}\n", example.command);
    } else {
      out += fmt::format("  {:<{}}  # {}\n", example.command, width, example.comment);
    }
  }
  return out;
}

}  // namespace

std::string usage(const Argument& argument) {
  // A value that lists some with commas says so itself.
  const bool has_dots = argument.value.ends_with("...");
  const std::string dots = argument.is_vector() && argument.count == 0 && !argument.one_each && !has_dots ? "..." : "";
  if (argument.is_positional()) return argument.name + dots;
  if (argument.value.empty()) return argument.name;
  std::string out = argument.name;
  for (int i = 0; i < std::max(argument.count, 1); ++i) out += " " + argument.value;
  return out + dots;
}

std::string description(const Argument& argument) {
  std::string out = argument.help;
  const std::vector<std::string>& choices = argument.choices;
  for (std::size_t i = 0; i < choices.size(); ++i) out += (i == 0 ? ": " : i + 1 < choices.size() ? ", " : " or ") + choices[i];
  if (argument.is_required && !argument.is_positional()) out += " (required)";
  if (!argument.default_value.empty()) out += fmt::format(" [{}]", argument.default_value);
  return out;
}

std::vector<std::string> groups(const Command& command) {
  std::vector<std::string> titles;
  for (const Argument& argument : command.arguments()) {
    if (argument.is_positional()) continue;
    if (std::find(titles.begin(), titles.end(), argument.group) == titles.end()) titles.push_back(argument.group);
  }
  return titles;
}

std::string synopsis(const Command& command) {
  std::string out = command.name();
  for (const Argument& argument : command.arguments()) {
    if (argument.is_required && !argument.is_positional()) out += " " + usage(argument);
  }
  for (const Argument& argument : command.arguments()) {
    if (argument.is_positional()) out += argument.is_required ? " " + usage(argument) : " [" + usage(argument) + "]";
  }
  const bool more = std::any_of(command.arguments().begin(), command.arguments().end(),
                                [](const Argument& a) { return !a.is_positional() && !a.is_required; });
  return out + (more ? " [OPTION...]" : "");
}

std::string help(const Command& command) {
  std::string out = fmt::format("{}.\n\nUsage: tokenyard {}\n", command.summary(), synopsis(command));
  std::string list;
  for (const Argument& argument : command.arguments()) {
    if (argument.is_positional()) list += entry(usage(argument), description(argument));
  }
  if (!list.empty()) out += "\n" + list;
  for (const std::string& title : groups(command)) {
    out += fmt::format("\n{}:\n", title.empty() ? "Options" : title);
    for (const Argument& argument : command.arguments()) {
      if (!argument.is_positional() && argument.group == title) out += entry(usage(argument), description(argument));
    }
  }
  if (std::any_of(command.arguments().begin(), command.arguments().end(), [](const Argument& a) { return a.is_output; })) {
    out += "\n" +
           wrapped("A file to write may be -, standard output; what is printed goes to standard error then.", kLineWidth, 0);
  }
  for (std::size_t begin = 0; begin < command.notes().size();) {
    const std::size_t end = std::min(command.notes().find("\n\n", begin), command.notes().size());
    out += "\n" + wrapped(command.notes().substr(begin, end - begin), kLineWidth, 0);
    begin = end + 2;
  }
  return out + "\nExamples:\n" + examples_of(command.examples());
}

std::string overview(const std::vector<Section>& sections) {
  std::string out =
      "tokenyard: how LLM serving works, decision by decision.\n"
      "One scheduler and one block manager, on a simulated GPU, a recorded run or a real model; every\n"
      "decision has its reason.\n"
      "\n"
      "Begin with:\n";
  out += examples_of({{"tokenyard simulate chat-hour --trace chat.trace", "an hour of chat on one simulated GPU"},
                      {"tokenyard view chat.trace", "look at it"},
                      {"tokenyard explain prefill-first", "a lesson with its numbers"},
                      {"tokenyard generate", "a story from a small real model"}});
  for (const Section& section : sections) {
    out += fmt::format("\n{}:\n", section.title);
    for (const Command& command : section.commands) out += fmt::format("  {:<12}{}\n", command.name(), command.summary());
  }
  return out +
         "\n"
         "tokenyard help COMMAND explains one, with examples. tokenyard --version says what is built in.\n"
         "Exit status: 0 fine; 1 a difference, or an expectation that does not hold; 2 something cannot be\n"
         "read or done.\n";
}

}  // namespace tokenyard::cli
