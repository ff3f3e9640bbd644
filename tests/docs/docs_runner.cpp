// docs_runner PROGRAM SOURCES PAGE: what a page of the documentation says must be so.
//
// PAGE is a Markdown file of the sources, or `help`, the examples of every command's help. Of a page
//   - every command of its command blocks is run, in order, in one folder that has the sources' scenarios/, tests/ and so on.
//   It
//     must end with 0; `tokenyard diff` also with 1, which says that the traces differ. A `view` that would open a window is
//     run with --describe;
//   - output that is quoted below a `$ command` must be what comes out, white space apart. `...` stands for anything. In lines
//     with "tokens/s", which measure this machine, every number stands for any number;
//   - a block that is a whole scenario, trace or scheduler test is put into a file; `explain`, `replay` or `test` must like it;
//   - every `tokenyard ...` in running text must name a command and options that exist;
//   - every link or picture in running text that leads into the sources must lead to a file, and behind `#` to one of its
//   headings.
//
// A command block is fenced, without a language, or indented by four; its first line is `$ command` or begins with a program's
// name. commands.txt lists what is not run, and why, and what a reader is supposed to have done before.
//
// Exit status 0: so it is, 1: not, 2: a file cannot be read.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "../cli/workplace.h"

namespace {

struct Quoted {
  std::string command;  // without its comment
  int line = 0;
  std::string output = {};
  bool has_output = false;
  std::string file = {}, content = {};  // written before
};

struct Page {
  std::vector<Quoted> commands;
  std::vector<std::pair<int, std::string>> mentions;  // line, `tokenyard ...` of running text
  std::vector<std::pair<int, std::string>> links;     // line, where to
};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::string trimmed(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// Without a comment, which begins with a "#" after a blank and outside quotes.
std::string without_comment(const std::string& line) {
  char quote = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '\'' || c == '"') {
      quote = c;
    } else if (c == '#' && (i == 0 || line[i - 1] == ' ')) {
      return trimmed(line.substr(0, i));
    }
  }
  return trimmed(line);
}

bool begins_with_program(const std::string& line) {
  static const std::set<std::string> programs = {"tokenyard", "cmake", "ctest", "python3", "pip",    "cat",
                                                 "parallel",  "git",   "echo",  "printf",  "source", "sudo",
                                                 "make",      "ninja", "dpkg",  "apt",     "man",    "cd"};
  const std::string word = line.substr(0, line.find(' '));
  return programs.contains(word) || word.starts_with("./") || word.starts_with("build/") || word.starts_with("tests/");
}

// Lines of one block; `number` is the first one's.
void read_block(std::vector<std::string> block, int number, Page& page) {
  std::size_t first = 0;  // that is no comment
  while (first < block.size() && (block[first].empty() || block[first].starts_with("#"))) ++first;
  if (first == block.size()) return;
  const bool prompts = block[first].starts_with("$ ");
  if (!prompts && !begins_with_program(block[first])) return;
  for (std::size_t i = 0; i < block.size(); ++i) {
    const int line = number + static_cast<int>(i);
    if (prompts && !block[i].starts_with("$ ")) {
      if (page.commands.empty()) continue;
      page.commands.back().output += block[i] + "\n";
      page.commands.back().has_output = true;
      continue;
    }
    std::string command = without_comment(prompts ? block[i].substr(2) : block[i]);
    while (command.ends_with('\\') && i + 1 < block.size()) {
      command.pop_back();
      command = trimmed(command) + " " + without_comment(block[++i]);
    }
    if (!command.empty()) page.commands.push_back({command, line});
  }
}

// A file of ours, whole: what must be able to read it.
void read_file_block(const std::vector<std::string>& block, int number, Page& page) {
  std::size_t first = 0;
  while (first < block.size() && (block[first].empty() || block[first] == "{" || block[first].starts_with("#"))) ++first;
  if (first == block.size()) return;
  Quoted quoted;
  quoted.line = number;
  const std::string begin = trimmed(block[first]);
  if (begin.starts_with("engine ")) {
    quoted.file = fmt::format("line-{}.test", number);
    quoted.command = "tokenyard test " + quoted.file;
  } else if (begin.starts_with("\"tokenyard_scenario\"")) {
    quoted.file = fmt::format("line-{}.json", number);
    quoted.command = "tokenyard explain " + quoted.file;
  } else if (begin.starts_with("{\"tokenyard_trace\"")) {
    quoted.file = fmt::format("line-{}.trace", number);
    quoted.command = "tokenyard replay " + quoted.file;
  } else {
    return;
  }
  for (const std::string& line : block) quoted.content += line + "\n";
  page.commands.push_back(std::move(quoted));
}

// Markdown, as far as this documentation uses it.
Page read_page(const std::string& text) {
  Page page;
  std::string running;                          // text outside blocks
  std::vector<std::pair<std::size_t, int>> at;  // offset in it, line
  const std::vector<std::string> lines = lines_of(text);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const int number = static_cast<int>(i) + 1;
    if (lines[i].starts_with("```")) {
      const std::string language = lines[i].substr(3);
      std::vector<std::string> block;
      while (++i < lines.size() && !lines[i].starts_with("```")) block.push_back(lines[i]);
      read_file_block(block, number + 1, page);
      if (language.empty() || language == "sh" || language == "console") read_block(std::move(block), number + 1, page);
    } else if (lines[i].starts_with("    ")) {
      std::vector<std::string> block;
      for (; i < lines.size() && lines[i].starts_with("    "); ++i) block.push_back(lines[i].substr(4));
      --i;
      read_block(std::move(block), number, page);
    } else {
      at.emplace_back(running.size(), number);
      running += lines[i] + (lines[i].empty() ? "\n" : " ");
    }
  }
  const auto line_of = [&at](std::size_t offset) {
    return std::prev(std::upper_bound(at.begin(), at.end(), offset, [](std::size_t o, const auto& a) { return o < a.first; }))
        ->second;
  };
  std::string text_alone = running;  // without `code` and comments, in which brackets are no link
  for (std::size_t begin = 0; (begin = text_alone.find("<!--", begin)) != std::string::npos;) {
    const std::size_t end = std::min(text_alone.find("-->", begin), text_alone.size());
    std::fill(text_alone.begin() + static_cast<std::ptrdiff_t>(begin), text_alone.begin() + static_cast<std::ptrdiff_t>(end),
              ' ');
    begin = end;
  }
  for (std::size_t begin = 0; (begin = running.find('`', begin)) != std::string::npos;) {
    const std::size_t end = running.find('`', begin + 1);
    if (end == std::string::npos) break;
    const std::string code = running.substr(begin + 1, end - begin - 1);
    if (code.starts_with("tokenyard ")) page.mentions.emplace_back(line_of(begin), code);
    std::fill(text_alone.begin() + static_cast<std::ptrdiff_t>(begin), text_alone.begin() + static_cast<std::ptrdiff_t>(end),
              '`');
    begin = end + 1;
  }
  for (std::size_t begin = 0; (begin = text_alone.find("](", begin)) != std::string::npos;) {
    begin += 2;
    const std::size_t end = text_alone.find_first_of(" )", begin);
    if (end != std::string::npos) page.links.emplace_back(line_of(begin), text_alone.substr(begin, end - begin));
  }
  return page;
}

// The names by which links reach a page's headings, as GitHub makes them.
std::set<std::string> anchors_of(const std::string& text) {
  std::set<std::string> anchors;
  bool code = false;
  for (const std::string& line : lines_of(text)) {
    if (line.starts_with("```")) code = !code;
    const std::size_t level = line.find_first_not_of('#');
    if (code || level == 0 || level == std::string::npos || line[level] != ' ') continue;
    std::string heading = trimmed(line.substr(level));
    for (std::size_t end; (end = heading.find("](")) != std::string::npos;) heading.erase(end, heading.find(')', end) - end);
    std::string name;
    for (const char c : heading) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte >= 0x80 || std::isalnum(byte) != 0 || c == '-' || c == '_') name += static_cast<char>(std::tolower(byte));
      if (c == ' ') name += '-';
    }
    std::string again = name;
    for (int i = 1; !anchors.insert(again).second; ++i) again = fmt::format("{}-{}", name, i);
  }
  return anchors;
}

// Words apart by one blank; every number of a line with "tokens/s" is <number>.
std::string normal(const std::string& text) {
  std::string out;
  for (std::string line : lines_of(text)) {
    if (line.find("tokens/s") != std::string::npos) {
      std::string masked;
      for (std::size_t i = 0; i < line.size();) {
        if (std::isdigit(static_cast<unsigned char>(line[i])) == 0) {
          masked += line[i++];
          continue;
        }
        while (i < line.size() && (std::isdigit(static_cast<unsigned char>(line[i])) != 0 || line[i] == '.')) ++i;
        masked += "<number>";
      }
      line = masked;
    }
    std::istringstream words(line);
    for (std::string word; words >> word;) out += (out.empty() ? "" : " ") + word;
  }
  return out;
}

// Whether `output` is `quoted`, where "..." stands for anything. Else `missing` is the first piece that is not there.
bool matches(const std::string& quoted, const std::string& output, std::string& missing) {
  std::vector<std::string> pieces = {""};
  for (const std::string& line : lines_of(quoted)) {
    // A line of dots may say in brackets what it leaves out.
    const std::string text = line.starts_with("...") ? "..." : line;
    std::size_t begin = 0;
    for (std::size_t dots; (dots = text.find("...", begin)) != std::string::npos; begin = dots + 3) {
      pieces.back() += text.substr(begin, dots - begin) + "\n";
      pieces.emplace_back();
    }
    pieces.back() += text.substr(begin) + "\n";
  }
  const std::string all = normal(output);
  std::size_t from = 0;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const std::string piece = normal(pieces[i]);
    const bool first = i == 0, last = i + 1 == pieces.size();
    const std::size_t found = last && !first && all.size() >= piece.size() ? all.rfind(piece) : all.find(piece, from);
    const bool here = found != std::string::npos && found >= from && (!first || found == 0) &&
                      (!last || piece.empty() || found + piece.size() == all.size());
    if (!here) {
      missing = piece;
      return false;
    }
    from = found + piece.size();
  }
  return true;
}

// commands.txt: "before PAGE | COMMAND" and "skip PAGE | REASON | COMMAND".
struct Arrangements {
  std::vector<std::string> before;
  std::vector<std::pair<std::string, std::string>> skipped;  // command, reason
};

Arrangements read_arrangements(const fs::path& sources, const std::string& page) {
  Arrangements out;
  const fs::path path = sources / "tests" / "docs" / "commands.txt";
  int number = 0;
  for (const std::string& line : lines_of(read_file(path))) {
    ++number;
    if (line.empty() || line.starts_with("#")) continue;
    std::vector<std::string> fields;
    std::size_t begin = 0;
    const bool skip = line.starts_with("skip ");
    for (std::size_t bar; fields.size() < (skip ? 2u : 1u) && (bar = line.find(" | ", begin)) != std::string::npos;
         begin = bar + 3)
      fields.push_back(line.substr(begin, bar - begin));
    fields.push_back(line.substr(begin));
    const std::size_t blank = fields[0].find(' ');
    const std::string of = blank == std::string::npos ? "" : fields[0].substr(blank + 1);
    if (fields.size() != (skip ? 3u : 2u) || (!skip && !line.starts_with("before ")))
      throw std::runtime_error(fmt::format(
          "{}: line {}: expected \"before PAGE | COMMAND\" or \"skip PAGE | REASON | COMMAND\"", path.string(), number));
    if (of != "help" && !fs::exists(sources / of))
      throw std::runtime_error(fmt::format("{}: line {}: no page {}", path.string(), number, of));
    if (of != page) continue;
    if (skip) {
      out.skipped.emplace_back(fields[2], fields[1]);
    } else {
      out.before.push_back(fields[1]);
    }
  }
  return out;
}

class Checker {
 public:
  Checker(const fs::path& program, fs::path sources, std::string name)
      : sources_(std::move(sources)), name_(std::move(name)), workplace_(program) {
    for (const auto& entry : fs::directory_iterator(sources_)) {
      const std::string file = entry.path().filename().string();
      if (!file.starts_with("build") && !file.starts_with(".")) fs::create_symlink(entry.path(), workplace_.folder() / file);
    }
  }

  int run() {
    const Page page = name_ == "help" ? help_page() : read_page(read_file(sources_ / name_));
    const Arrangements arrangements = read_arrangements(sources_, name_);
    for (const std::string& command : arrangements.before) {
      const Workplace::Result result = workplace_.run(command, true);
      if (result.exit != 0) fail(0, command, fmt::format("ended with {}:\n{}", result.exit, result.out));
    }
    std::set<std::string> left_out;
    int compared = 0, ran = 0;
    const bool pictures = workplace_.run("tokenyard --version").out.find("viewer's pictures: yes") != std::string::npos;
    for (const Quoted& quoted : page.commands) {
      const auto skip = std::find_if(arrangements.skipped.begin(), arrangements.skipped.end(),
                                     [&](const auto& each) { return each.first == quoted.command; });
      if (skip != arrangements.skipped.end()) {
        left_out.insert(skip->first);
        fmt::print("not run ({}): {}\n", skip->second, quoted.command);
        continue;
      }
      std::string command = quoted.command;
      if (!quoted.file.empty()) std::ofstream(workplace_.folder() / quoted.file) << quoted.content;
      const auto has = [&](const char* option) { return command.find(option) != std::string::npos; };
      if (has(" --shot") && !pictures) {
        fmt::print("not run (built without pictures): {}\n", command);
        continue;
      }
      if (command.starts_with("tokenyard view") && !has("--shot") && !has("--describe") && !has("--csv") && !has("--lessons"))
        command += " --describe";
      const Workplace::Result result = workplace_.run(command, true);
      ++ran;
      const bool differs = command.starts_with("tokenyard diff ") && result.exit == 1;
      if (result.exit != 0 && !differs) {
        fail(quoted.line, command, fmt::format("ended with {}:\n{}", result.exit, result.out));
        continue;
      }
      if (!quoted.has_output) continue;
      ++compared;
      std::string missing;
      if (!matches(quoted.output, result.out, missing))
        fail(quoted.line, command, fmt::format("expected, white space apart:\n{}\nfound:\n{}", missing, result.out));
    }
    for (const auto& [command, reason] : arrangements.skipped) {
      if (!left_out.contains(command)) fail(0, command, "tests/docs/commands.txt has it and the page does not");
    }
    for (const auto& [line, mention] : page.mentions) check_mention(line, mention);
    for (const auto& [line, link] : page.links) check_link(line, link);
    fmt::print("{}: {} commands run, {} outputs compared, {} not run, {} mentions and {} links looked up; {} wrong\n", name_,
               ran, compared, left_out.size(), page.mentions.size(), page.links.size(), wrong_);
    return wrong_ > 0 ? 1 : 0;
  }

 private:
  void fail(int line, const std::string& command, const std::string& what) {
    ++wrong_;
    fmt::print("{}{}: {}\n{}\n\n", name_, line > 0 ? fmt::format(":{}", line) : "", command, what);
  }

  // The examples of every command's help, as a page.
  Page help_page() {
    Page page;
    std::istringstream names(
        workplace_.run("tokenyard completion bash | sed -n 's/^ *local commands=\"\\(.*\\)\"$/\\1/p'").out);
    for (std::string name; names >> name;) {
      const std::string text = workplace_.run("tokenyard help " + name).out;
      const std::size_t examples = text.find("\nExamples:\n");
      const std::size_t before = page.commands.size();
      if (examples != std::string::npos) {
        for (const std::string& line : lines_of(text.substr(examples + 11))) {
          if (!without_comment(line).empty()) page.commands.push_back({without_comment(line)});
        }
      }
      if (page.commands.size() == before) fail(0, "tokenyard help " + name, "has no example");
    }
    if (page.commands.empty()) fail(0, "tokenyard completion bash", "names no command");
    return page;
  }

  // "tokenyard simulate --trace FILE": the command and its options must exist. COMMAND stands for any.
  void check_mention(int line, const std::string& mention) {
    std::istringstream words(mention);
    std::string word, command;
    words >> word >> command;
    if (command == "COMMAND" || command == "..." || command.starts_with("--")) return;
    const Workplace::Result help = workplace_.run("tokenyard help '" + command + "'");
    if (help.exit != 0) return fail(line, mention, "no such command");
    while (words >> word) {
      const std::string option = word.substr(0, word.find_first_of("=,;)"));
      if (!option.starts_with("--") || option == "--" || option == "--help") continue;
      if (help.out.find("  " + option + " ") == std::string::npos && help.out.find("  " + option + "\n") == std::string::npos)
        fail(line, mention, "no option " + option);
    }
  }

  void check_link(int line, const std::string& link) {
    if (link.find(':') != std::string::npos) return;  // of another place
    const std::size_t hash = std::min(link.find('#'), link.size());
    const fs::path page = sources_ / name_;
    const fs::path to = hash == 0 ? page : page.parent_path() / link.substr(0, hash);
    if (!fs::exists(to)) return fail(line, link, "leads to no file");
    if (hash == link.size() || to.extension() != ".md") return;
    if (!anchors_of(read_file(to)).contains(link.substr(hash + 1))) fail(line, link, "leads to no heading");
  }

  fs::path sources_;
  std::string name_;
  Workplace workplace_;
  int wrong_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    fmt::print(stderr, "usage: docs_runner PROGRAM SOURCES PAGE\n");
    return 2;
  }
  setenv("CUDA_VISIBLE_DEVICES", "", 1);  // the text that is quoted is the CPU's
  try {
    return Checker(argv[1], fs::absolute(argv[2]), argv[3]).run();
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 2;
  }
}
