// An empty folder to run commands in, as a user would: `tokenyard` is the program under test.
#pragma once

#include <fmt/format.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

namespace fs = std::filesystem;

inline std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error(fmt::format("no file {}", path.string()));
  return {std::istreambuf_iterator<char>(in), {}};
}

class Workplace {
 public:
  struct Result {
    int exit = 0;
    std::string out, err;
  };

  explicit Workplace(const fs::path& program) {
    std::string pattern = (fs::temp_directory_path() / "tokenyard-cli-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder");
    top_ = pattern;
    fs::create_directories(folder());
    fs::create_directories(top_ / "bin");
    fs::create_symlink(fs::absolute(program), top_ / "bin" / "tokenyard");
    setenv("PATH", fmt::format("{}:{}", (top_ / "bin").string(), std::getenv("PATH")).c_str(), 1);
  }
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;
  ~Workplace() {
    std::error_code ignored;
    fs::remove_all(top_, ignored);
  }

  fs::path folder() const { return top_ / "case"; }

  // By sh, with nothing on standard input. `together`: standard error goes to `out` as well, in its place.
  Result run(const std::string& command, bool together = false) const {
    const std::string out = (top_ / "stdout").string(), err = (top_ / "stderr").string();
    std::ofstream(err).close();
    const int status = std::system(fmt::format("cd '{}' && {{ {}\n}} >'{}' 2>{} </dev/null", folder().string(), command, out,
                                               together ? "&1" : "'" + err + "'")
                                       .c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), read_file(out), read_file(err)};
  }

 private:
  fs::path top_;
};
