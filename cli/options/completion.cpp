#include "cli/options/completion.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tokenyard::cli {
namespace {

enum class Offer { nothing, words, commands, scenarios, files };

Offer offer_for(const Argument& argument) {
  if (!argument.choices.empty()) return Offer::words;
  if (argument.value == "COMMAND") return Offer::commands;
  if (argument.value.starts_with("SCENARIO")) return Offer::scenarios;
  for (const char* place : {"FILE", "FOLDER", "TRACE"}) {
    if (argument.value.starts_with(place)) return Offer::files;
  }
  return Offer::nothing;
}

// The last one stands for all further words.
const Argument* last_positional(const Command& command) {
  const Argument* last = nullptr;
  for (const Argument& argument : command.arguments()) {
    if (argument.is_positional()) last = &argument;
  }
  return last;
}

std::string options_of(const Command& command) {
  std::string out = "--help";
  for (const Argument& argument : command.arguments()) {
    if (!argument.is_positional()) out += " " + argument.name;
  }
  return out;
}

std::string names_of(const std::vector<Section>& sections) {
  std::string out;
  for (const Section& section : sections) {
    for (const Command& command : section.commands) out += (out.empty() ? "" : " ") + command.name();
  }
  return out;
}

// In single quotes, as all three shells read them. `escape`: what stands for a quote inside.
std::string quoted(const std::string& text, const char* escape) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += escape;
    } else {
      out += c;
    }
  }
  return out + "'";
}

std::string zsh_quoted(const std::string& text) { return quoted(text, "'\\''"); }
std::string fish_quoted(const std::string& text) {
  std::string doubled;  // fish reads \\ and \' in single quotes
  for (const char c : text) doubled += c == '\\' ? "\\\\" : std::string(1, c);
  return quoted(doubled, "\\'");
}

// What _arguments takes literally inside [...] and after a colon.
std::string zsh_text(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string bash_offer(const Argument& argument) {
  switch (offer_for(argument)) {
    case Offer::words: return fmt::format("_tokenyard_words \"{}\"", fmt::join(argument.choices, " "));
    case Offer::commands: return "_tokenyard_words \"$commands\"";
    case Offer::scenarios: return "_tokenyard_files \"$(tokenyard scenarios --names 2>/dev/null)\"";
    case Offer::files: return "_tokenyard_files";
    case Offer::nothing: break;
  }
  return ":";
}

std::string zsh_offer(const Argument& argument) {
  switch (offer_for(argument)) {
    case Offer::words: return fmt::format("({})", fmt::join(argument.choices, " "));
    case Offer::commands: return "_tokenyard_commands";
    case Offer::scenarios: return "_tokenyard_scenarios";
    case Offer::files: return "_files";
    case Offer::nothing: break;
  }
  return " ";
}

std::string fish_offer(const Argument& argument) {
  switch (offer_for(argument)) {
    case Offer::words: return fmt::format(" -xa {}", fish_quoted(fmt::format("{}", fmt::join(argument.choices, " "))));
    case Offer::commands: return " -xa \"$commands\"";
    case Offer::scenarios: return " -rFa '(tokenyard scenarios --names 2>/dev/null)'";
    case Offer::files: return " -rF";
    case Offer::nothing: break;
  }
  return argument.value.empty() ? "" : " -x";
}

}  // namespace

std::string bash_completion(const std::vector<Section>& sections) {
  std::string of_values, of_words;
  for (const Section& section : sections) {
    for (const Command& command : section.commands) {
      for (const Argument& argument : command.arguments()) {
        if (argument.is_positional() || argument.value.empty()) continue;
        of_values += fmt::format("    \"{} {}\") {}; return ;;\n", command.name(), argument.name, bash_offer(argument));
      }
      const Argument* last = last_positional(command);
      of_words += fmt::format("    {}) options=\"{}\"; [[ $word == -* ]] || {} ;;\n", command.name(), options_of(command),
                              last == nullptr ? ":" : bash_offer(*last));
    }
  }
  return fmt::format(R"sh(# bash completion for tokenyard, made by `tokenyard completion bash`.
_tokenyard_words() {{ mapfile -t COMPREPLY < <(compgen -W "$1" -- "$word"); }}
_tokenyard_files() {{
  compopt -o filenames
  mapfile -t COMPREPLY < <(compgen -W "${{1-}}" -- "$word"; compgen -f -- "$word")
}}
_tokenyard() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} command=${{COMP_WORDS[1]}} options=
  local commands="{}"
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    _tokenyard_words "$commands --help --version"
    return
  fi
  case "$command $previous" in
{}  esac
  case "$command" in
{}  esac
  if [[ $word == -* ]]; then _tokenyard_words "$options"; fi
}}
complete -F _tokenyard tokenyard
)sh",
                     names_of(sections), of_values, of_words);
}

std::string zsh_completion(const std::vector<Section>& sections) {
  std::string described, cases;
  for (const Section& section : sections) {
    for (const Command& command : section.commands) {
      described += "    " + zsh_quoted(command.name() + ":" + command.summary()) + "\n";
      cases += fmt::format("    {})\n      _arguments '(-h --help)'{{-h,--help}}'[show help]'", command.name());
      int place = 0;
      for (const Argument& argument : command.arguments()) {
        const std::string value = zsh_text(argument.value) + ":" + zsh_offer(argument);
        std::string spec;
        if (argument.is_positional()) {
          spec = (argument.is_vector() ? "*" : std::to_string(++place)) + ":" + value;
        } else {
          spec = fmt::format("{}{}[{}]", argument.is_vector() ? "*" : "", argument.name, zsh_text(argument.help));
          if (!argument.value.empty()) spec += ":" + value;
        }
        cases += " \\\n        " + zsh_quoted(spec);
      }
      cases += "\n      ;;\n";
    }
  }
  return fmt::format(R"sh(#compdef tokenyard
# zsh completion for tokenyard, made by `tokenyard completion zsh`.
_tokenyard_commands() {{
  local -a commands=(
{}  )
  _describe command commands
}}
_tokenyard_scenarios() {{
  local -a names=(${{(f)"$(tokenyard scenarios --names 2>/dev/null)"}})
  compadd -a names
  _files
}}
_tokenyard() {{
  if (( CURRENT == 2 )); then
    _tokenyard_commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
{}  esac
}}
_tokenyard "$@"
)sh",
                     described, cases);
}

std::string fish_completion(const std::vector<Section>& sections) {
  std::string out = fmt::format(
      "# fish completion for tokenyard, made by `tokenyard completion fish`.\n"
      "set -l commands {}\n"
      "complete -c tokenyard -f\n"
      "complete -c tokenyard -s h -l help -d 'Show help'\n"
      "complete -c tokenyard -n \"not __fish_seen_subcommand_from $commands\" -l version -d 'Version, commit and what is built "
      "in'\n",
      names_of(sections));
  for (const Section& section : sections) {
    for (const Command& command : section.commands) {
      out += fmt::format("complete -c tokenyard -n \"not __fish_seen_subcommand_from $commands\" -a {} -d {}\n", command.name(),
                         fish_quoted(command.summary()));
      const std::string here = fmt::format("complete -c tokenyard -n '__fish_seen_subcommand_from {}'", command.name());
      for (const Argument& argument : command.arguments()) {
        if (argument.is_positional()) {
          if (&argument == last_positional(command) && offer_for(argument) != Offer::nothing)
            out += here + fish_offer(argument) + "\n";
        } else {
          out += fmt::format("{} -l {}{} -d {}\n", here, argument.name.substr(2), fish_offer(argument),
                             fish_quoted(argument.help));
        }
      }
    }
  }
  return out;
}

}  // namespace tokenyard::cli
