// cli_runner PROGRAM CASE: runs a text file of commands in an empty folder and says what came out otherwise than expected.
//
//   # A comment.
//   needs PATH               skip the case when PATH is not there
//   file NAME <<END          lines up to END become file NAME
//   run COMMAND              a shell command; `tokenyard` is PROGRAM, $TOKENYARD_SOURCE_DIR the sources
//   exit N                   expected of the run above; every run says it
//   stdout-has TEXT          also stderr-has, and with -lacks, -matches (an extended regular expression,
//                            ^ and $ at every line), -lines (how many)
//   file-has NAME TEXT       file NAME contains TEXT
//   files NAME...            the whole folder, in order: nothing else was written
//
// Exit status 0: as expected, 1: not, 2: the case cannot be read, 77: skipped.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <regex.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>

#include "workplace.h"

namespace {

std::string first_word(std::string& text) {
  const std::size_t end = text.find(' ');
  std::string word = text.substr(0, end);
  text.erase(0, end == std::string::npos ? end : end + 1);
  return word;
}

class Case {
 public:
  Case(const fs::path& program, const fs::path& file) : file_(file), lines_(read_file(file)), workplace_(program) {}

  int run() {
    std::string line;
    while (next_line(line)) {
      if (line.empty() || line[0] == '#') continue;
      const std::string keyword = first_word(line);
      if (keyword == "needs") {
        if (fs::exists(expand(line))) continue;
        fmt::print("skipped: {} is not there\n", line);
        return 77;
      }
      if (keyword == "file") {
        write_file(line);
      } else if (keyword == "run") {
        require_exit();
        run_command(line);
      } else {
        if (command_.empty()) fail("an expectation before the first run");
        expect(keyword, line);
      }
    }
    if (command_.empty()) fail("no run");
    require_exit();
    if (failures_ > 0) fmt::print("\n{} expectation{} not met\n", failures_, failures_ == 1 ? "" : "s");
    return failures_ > 0 ? 1 : 0;
  }

 private:
  fs::path folder() const { return workplace_.folder(); }
  [[noreturn]] void fail(const std::string& what) const {
    throw std::runtime_error(fmt::format("{}:{}: {}", file_.string(), number_, what));
  }
  bool next_line(std::string& line) {
    ++number_;
    return static_cast<bool>(std::getline(lines_, line));
  }
  void require_exit() const {
    if (!command_.empty() && !exit_said_) fail("a run without its `exit`");
  }
  static std::string expand(std::string path) {
    const std::string name = "$TOKENYARD_SOURCE_DIR";
    const char* value = std::getenv(name.c_str() + 1);
    if (path.starts_with(name) && value != nullptr) path.replace(0, name.size(), value);
    return path;
  }

  bool matches(const std::string& output, const std::string& pattern) const {
    regex_t compiled;
    if (regcomp(&compiled, pattern.c_str(), REG_EXTENDED | REG_NEWLINE | REG_NOSUB) != 0) fail("no regular expression");
    const bool found = regexec(&compiled, output.c_str(), 0, nullptr, 0) == 0;
    regfree(&compiled);
    return found;
  }

  void write_file(std::string& line) {
    const std::string name = first_word(line);
    if (!line.starts_with("<<")) fail("expected file NAME <<END");
    const std::string end = line.substr(2);
    std::ofstream out(folder() / name, std::ios::binary);
    while (next_line(line)) {
      if (line == end) return;
      out << line << '\n';
    }
    fail(fmt::format("no line {} ends the file", end));
  }

  void run_command(const std::string& command) {
    command_ = command;
    command_line_ = number_;
    exit_said_ = false;
    const Workplace::Result result = workplace_.run(command);
    exit_ = result.exit;
    stdout_ = result.out;
    stderr_ = result.err;
  }

  void expect(const std::string& keyword, std::string& text) {
    const std::string said = text;
    if (keyword == "exit") {
      exit_said_ = true;
      check(std::to_string(exit_) == text, keyword, said, std::to_string(exit_));
    } else if (keyword == "file-has") {
      const std::string name = first_word(text);
      const bool there = fs::exists(folder() / name);
      check(there && read_file(folder() / name).find(text) != std::string::npos, keyword, said,
            there ? "other content" : "no such file");
    } else if (keyword == "files") {
      std::set<std::string> names;
      for (const auto& entry : fs::directory_iterator(folder())) names.insert(entry.path().filename().string());
      const std::string all = fmt::format("{}", fmt::join(names, " "));
      check(all == text, keyword, said, all);
    } else if (keyword.starts_with("stdout-") || keyword.starts_with("stderr-")) {
      const std::string& output = keyword.starts_with("stdout-") ? stdout_ : stderr_;
      const std::string kind = keyword.substr(7);
      if (kind == "has") {
        check(output.find(text) != std::string::npos, keyword, said, output);
      } else if (kind == "lacks") {
        check(output.find(text) == std::string::npos, keyword, said, output);
      } else if (kind == "matches") {
        check(matches(output, text), keyword, said, output);
      } else if (kind == "lines") {
        check(std::to_string(std::count(output.begin(), output.end(), '\n')) == text, keyword, said, output);
      } else {
        fail(fmt::format("unknown word {}", keyword));
      }
    } else {
      fail(fmt::format("unknown word {}", keyword));
    }
  }

  void check(bool met, const std::string& keyword, const std::string& said, const std::string& found) {
    if (met) return;
    ++failures_;
    fmt::print("{}:{}: {}\n  expected: {} {}\n  found: {}\n", file_.string(), command_line_, command_, keyword, said, found);
    if (keyword == "exit" && !stderr_.empty()) fmt::print("  stderr: {}\n", stderr_);
  }

  fs::path file_;
  std::istringstream lines_;
  Workplace workplace_;
  int number_ = 0;
  std::string command_;
  int command_line_ = 0;
  bool exit_said_ = false;
  int exit_ = 0;
  std::string stdout_;
  std::string stderr_;
  int failures_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    fmt::print(stderr, "usage: cli_runner PROGRAM CASE\n");
    return 2;
  }
  try {
    return Case(argv[1], argv[2]).run();
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 2;
  }
}
