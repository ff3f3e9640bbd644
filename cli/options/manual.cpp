#include "cli/options/manual.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "cli/options/help.h"
#include "cli/version.h"

namespace tokenyard::cli {
namespace {

// As roff shows it literally: "\" and "-" are commands and hyphens there, "." and "'" at the beginning of a line requests.
std::string roff(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n')) out += "\\&";
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
  }
  return out;
}

std::string entry(const Argument& argument) {
  const std::string text = description(argument);
  return fmt::format(".TP\n.B {}\n{}{}\n", roff(usage(argument)), roff(text), text.ends_with('.') ? "" : ".");
}

std::string page_of(const Command& command) {
  std::string out = fmt::format(".SS {}\n.B tokenyard {}\n.PP\n{}.\n", roff(command.name()), roff(synopsis(command)),
                                roff(command.summary()));
  for (const Argument& argument : command.arguments()) {
    if (argument.is_positional()) out += entry(argument);
  }
  for (const std::string& title : groups(command)) {
    if (!title.empty()) out += fmt::format(".PP\n{}:\n", roff(title));
    for (const Argument& argument : command.arguments()) {
      if (!argument.is_positional() && argument.group == title) out += entry(argument);
    }
  }
  for (std::size_t begin = 0; begin < command.notes().size();) {
    const std::size_t end = std::min(command.notes().find("\n\n", begin), command.notes().size());
    out += fmt::format(".PP\n{}\n", roff(command.notes().substr(begin, end - begin)));
    begin = end + 2;
  }
  out += ".PP\nExamples:\n.PP\n.nf\n.RS\n";
  for (const Example& example : command.examples()) {
    out += roff(example.command) + (example.comment.empty() ? "" : "  # " + roff(example.comment)) + "\n";
  }
  return out + ".RE\n.fi\n";
}

}  // namespace

std::string manual(const std::vector<Section>& sections) {
  std::string out = fmt::format(
      ".TH TOKENYARD 1 \"\" \"tokenyard {}\" \"User Commands\"\n"
      ".SH NAME\n"
      "tokenyard \\- how LLM serving works, decision by decision\n"
      ".SH SYNOPSIS\n"
      ".B tokenyard\n"
      ".I COMMAND\n"
      "[\\fIARGUMENT\\fR...]\n"
      ".br\n"
      ".B tokenyard help\n"
      "[\\fICOMMAND\\fR]\n"
      ".SH DESCRIPTION\n"
      "An LLM inference engine for teaching and for testing schedulers: one scheduler and one block manager, on a simulated\n"
      "GPU, a recorded run or a real model.\n"
      "Every decision of a run lands in a trace with its reason and its numbers.\n"
      ".SH COMMANDS\n",
      kVersion);
  for (const Section& section : sections) {
    out += fmt::format(".PP\n{}:\n", roff(section.title));
    for (const Command& command : section.commands)
      out += fmt::format(".TP\n.B {}\n{}.\n", roff(command.name()), roff(command.summary()));
  }
  out += ".SH COMMANDS IN FULL\n";
  for (const Section& section : sections) {
    for (const Command& command : section.commands) out += page_of(command);
  }
  return out +
         ".SH EXIT STATUS\n"
         ".TP\n.B 0\nFine.\n"
         ".TP\n.B 1\nA difference, or an expectation that does not hold.\n"
         ".TP\n.B 2\nSomething cannot be read or done; one line on standard error says what.\n"
         ".SH FILES\n"
         "An older file stays until the new one is whole: that grows beside it as FILE.part, which a killed run leaves "
         "behind.\n"
         "A trace that replaces no file grows under its own name.\n"
         "A symbolic link, a device, a pipe or a socket stays what it is.\n"
         "\\- is standard output; what is printed goes to standard error then.\n"
         ".SH ENVIRONMENT\n"
         ".TP\n.B TOKENYARD_SCENARIOS\n"
         "A folder of scenarios to search before those of the current folder and those that were installed.\n";
}

}  // namespace tokenyard::cli
