// What docs/architecture.md promises of the sources: how much there is to read, and which folder may include which.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "catch.h"

namespace {

namespace fs = std::filesystem;
const fs::path kSource = TOKENYARD_SOURCE_DIR;

std::vector<std::string> lines_of(const fs::path& path) {
  std::ifstream in(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::string source_text(const fs::path& path) {
  std::ifstream in(path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

// "core/engine.*" or one file.
std::vector<fs::path> files_of(const std::string& pattern) {
  if (!pattern.ends_with(".*")) return {kSource / pattern};
  std::vector<fs::path> files;
  for (const char* extension : {"h", "cpp"}) {
    const fs::path file = kSource / (pattern.substr(0, pattern.size() - 1) + extension);
    if (fs::exists(file)) files.push_back(file);
  }
  return files;
}

std::int64_t number_in(const std::string& digits) {
  std::string plain = digits;
  std::erase(plain, ',');
  return std::stoll(plain);
}

// Documents give lines in tens.
std::int64_t in_tens(std::int64_t lines) { return (lines + 9) / 10 * 10; }

// May a file of `from` include one of `to`? Both are folders as below; the longest prefix counts.
const std::map<std::string, std::vector<std::string>> kMayInclude = {
    {"core/base", {}},
    {"core", {"core/base"}},
    {"core/trace", {"core", "core/base"}},
    {"core/peers", {"core", "core/base", "core/trace"}},
    {"sim", {"core", "core/base", "core/trace"}},
    {"kernels", {"core/base"}},
    {"backends", {"core", "core/base", "core/trace", "kernels", "backends/jinja"}},
    {"backends/jinja", {"core/base"}},
    {"viz", {"core", "core/base", "core/trace", "sim"}},
};

std::string folder_of(std::string path) {
  while (!path.empty()) {
    if (kMayInclude.contains(path)) return path;
    const std::size_t slash = path.rfind('/');
    path = slash == std::string::npos ? "" : path.substr(0, slash);
  }
  return path;
}

}  // namespace

TEST_CASE("the reading set is as long as the documents say", "[layout]") {
  const std::string architecture = source_text(kSource / "docs/architecture.md");
  const std::regex row(R"(\n\| (`[^|]*`) \| ([\d,]+) \|)");
  std::int64_t total = 0;
  int rows = 0;
  for (std::sregex_iterator it(architecture.begin(), architecture.end(), row); it != std::sregex_iterator(); ++it, ++rows) {
    const std::string cell = (*it)[1];
    CAPTURE(cell);
    std::int64_t lines = 0;
    const std::regex name("`([^`]+)`");
    for (std::sregex_iterator file(cell.begin(), cell.end(), name); file != std::sregex_iterator(); ++file) {
      const auto files = files_of((*file)[1]);
      REQUIRE_FALSE(files.empty());
      for (const fs::path& path : files) {
        REQUIRE(fs::exists(path));
        lines += std::ssize(lines_of(path));
      }
    }
    CHECK(in_tens(lines) == number_in((*it)[2]));
    total += lines;
  }
  REQUIRE(rows >= 6);
  std::smatch said;
  REQUIRE(std::regex_search(architecture, said, std::regex(R"(\*\*([\d,]+) lines\*\*)")));
  CHECK(in_tens(total) == number_in(said[1]));
  const std::string readme = source_text(kSource / "README.md");
  REQUIRE(std::regex_search(readme, said, std::regex(R"(in ([\d,]+)\s+lines of C\+\+20)")));
  CHECK(in_tens(total) == number_in(said[1]));

  // What decides: queues, policies, blocks and the loop.
  std::int64_t deciding = 0;
  for (const char* pattern : {"core/scheduler.*", "core/block_pool.*", "core/block_manager.*", "core/engine.*"}) {
    for (const fs::path& path : files_of(pattern)) deciding += std::ssize(lines_of(path));
  }
  for (const auto& entry : fs::directory_iterator(kSource / "core/policies")) deciding += std::ssize(lines_of(entry.path()));
  CAPTURE(deciding);
  CHECK(deciding <= 1500);
}

TEST_CASE("includes follow the arrows", "[layout]") {
  const std::regex include("^#include \"([^\"]+)\"");
  int seen = 0;
  for (const char* top : {"core", "sim", "kernels", "backends", "viz"}) {
    for (const auto& entry : fs::recursive_directory_iterator(kSource / top)) {
      const std::string extension = entry.path().extension().string();
      if (extension != ".h" && extension != ".cpp" && extension != ".cu" && extension != ".cuh") continue;
      const std::string from = folder_of(fs::relative(entry.path().parent_path(), kSource).generic_string());
      REQUIRE_FALSE(from.empty());
      for (const std::string& line : lines_of(entry.path())) {
        std::smatch match;
        if (!std::regex_search(line, match, include)) continue;
        const std::string name = match[1];
        const std::string to = folder_of(fs::path(name).parent_path().generic_string());
        CAPTURE(entry.path().string(), name);
        if (to == from || to.empty()) continue;  // a neighbour, or a library's header
        const std::vector<std::string>& may = kMayInclude.at(from);
        CHECK(std::find(may.begin(), may.end(), to) != may.end());
        ++seen;
      }
      const bool opens = std::regex_search(source_text(entry.path()), std::regex("fstream|fopen"));
      if (from == "core" || from == "core/peers") CHECK_FALSE(opens);
    }
  }
  CHECK(seen > 100);
}
