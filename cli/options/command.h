// A subcommand's arguments, declared once. Parsing (parse.cpp), help (help.cpp), the manual page (manual.cpp) and shell
// completion (completion.cpp) are all made from the declaration.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace tokenyard::cli {

// Where a value goes; bool is set by an option that takes no value. What is not given keeps its value. The pointees live as
// long as the command is used: its `run` owns them.
using Target = std::variant<bool*, int*, std::int64_t*, float*, double*, std::optional<int>*, std::optional<float>*,
                            std::string*, std::vector<int>*, std::vector<std::string>*>;

struct Argument {
  std::string name;  // "--trace", or of a positional argument "SCENARIO"
  // Stands for the value in help; empty: the option takes none. Shells complete what begins with FILE, FOLDER or TRACE with
  // files, SCENARIO also with names of scenarios, COMMAND with names of commands.
  std::string value;
  std::string help;   // one sentence
  std::string group;  // its heading in help; empty: "Options"
  Target target;

  bool is_required = false;
  bool is_output = false;  // names a file that is written
  bool one_each = false;   // of a vector: --stop A --stop B, not --stop A B
  int count = 0;           // of a vector: exactly so many values; 0: any number
  char delimiter = 0;      // of a vector: splits a value into several
  std::vector<std::string> choices;
  std::optional<std::pair<double, double>> limits;  // of a number: least and most
  std::string excluded;                             // name of an argument that cannot be given together with this one
  std::string needed;                               // name of an argument that must be given too
  std::string default_value;                        // as help shows it

  bool is_positional() const { return !name.starts_with('-'); }
  bool is_vector() const;

  Argument& required();
  Argument& writes();
  Argument& one_of(std::vector<std::string> words);
  Argument& between(double least, double most);
  Argument& one_value_each();
  Argument& exactly(int values);
  Argument& split_at(char c);
  Argument& excludes(std::string other);
  Argument& needs(std::string other);
  Argument& shows_default();  // help tells what the target holds now
};

struct Example {
  std::string command;
  std::string comment;  // what it shows, or empty
};

class Command {
 public:
  // Exit status: 0 fine; 1 a difference, or an expectation that does not hold; 2 something cannot be read or done.
  using Run = std::function<int()>;

  Command(std::string name, std::string summary) : name_(std::move(name)), summary_(std::move(summary)) {}

  // Positional arguments are filled in the order of their declaration. The returned reference is for the words that follow the
  // call, such as .required(), and is good until the command moves.
  Argument& positional(std::string name, Target target, std::string help);
  Argument& option(std::string name, Target target, std::string value, std::string help);
  Argument& flag(std::string name, bool& target, std::string help);
  // Heading of the options declared from here on.
  void group(std::string title) { group_ = std::move(title); }
  // What help says below the options: paragraphs with an empty line between them.
  void notes(std::string text) { notes_ = std::move(text); }
  // A user can paste one after the other into a shell. The tests run them in this order.
  void examples(std::initializer_list<Example> examples) { examples_ = examples; }
  void run(Run run) { run_ = std::move(run); }

  const std::string& name() const { return name_; }
  const std::string& summary() const { return summary_; }
  const std::deque<Argument>& arguments() const { return arguments_; }
  const std::string& notes() const { return notes_; }
  const std::vector<Example>& examples() const { return examples_; }
  const Run& run() const { return run_; }
  // nullptr where there is none of this name.
  const Argument* find(const std::string& name) const;

 private:
  std::string name_, summary_, group_, notes_;
  std::deque<Argument> arguments_;  // keeps references good
  std::vector<Example> examples_;
  Run run_;
};

// Commands under one heading.
struct Section {
  std::string title;
  std::vector<Command> commands;
};

}  // namespace tokenyard::cli
