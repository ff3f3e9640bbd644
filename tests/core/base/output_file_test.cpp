#include "core/base/output_file.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <stdexcept>
#include <string>

#include "catch.h"
#include "core/base/input_error.h"

using namespace tokenyard;

namespace {

namespace fs = std::filesystem;

// A folder that is gone after the test.
class Place {
 public:
  Place() {
    std::string pattern = (fs::temp_directory_path() / "tokenyard-test-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary directory");
    path_ = pattern;
  }
  ~Place() { fs::remove_all(path_); }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  std::string operator[](const std::string& name) const { return (path_ / name).string(); }
  std::string text(const std::string& name) const {
    std::ifstream in(path_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::set<std::string> names() const {
    std::set<std::string> out;
    for (const auto& entry : fs::directory_iterator(path_)) out.insert(entry.path().filename());
    return out;
  }

 private:
  fs::path path_;
};

std::string error_of_writing(const std::string& path) {
  try {
    write_file(path, "x");
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

using Names = std::set<std::string>;

}  // namespace

TEST_CASE("An older file is whole until the new one is", "[output]") {
  const Place at;
  write_file(at["a"], "old");
  {
    OutputFile file(at["a"]);
    file.write("half");
    CHECK(at.text("a") == "old");
    CHECK(at.text("a.part") == "half");
  }
  CHECK(at.text("a") == "old");
  CHECK(at.names() == Names{"a"});
  OutputFile file(at["a"]);
  file.write("ne");
  file.write("w");
  file.finish();
  CHECK(at.text("a") == "new");
  CHECK(at.names() == Names{"a"});
}

TEST_CASE("A new file grows under its own name when it is to be followed", "[output]") {
  const Place at;
  const auto growing = OutputFile::Meanwhile::growing;
  {
    OutputFile file(at["a"], growing);
    file.write("half");
    CHECK(at.text("a") == "half");
  }
  CHECK(at.names().empty());
  OutputFile first(at["a"], growing);
  first.write("first");
  OutputFile second(at["a"], growing);
  second.write("second");
  OutputFile third(at["a"], growing);
  CHECK(at.names() == Names{"a", "a.part", "a.2.part"});
  second.finish();
  CHECK(at.text("a") == "second");
  first.finish();  // its file has lost the name
  CHECK(at.text("a") == "second");
}

TEST_CASE("Who gives up takes no other writer's file along", "[output]") {
  const Place at;
  {
    OutputFile file(at["a"], OutputFile::Meanwhile::growing);
    write_file(at["a"], "other");
  }
  CHECK(at.text("a") == "other");
}

TEST_CASE("Mode and links of an older file are kept", "[output]") {
  const Place at;
  write_file(at["real"], "old");
  REQUIRE(chmod(at["real"].c_str(), 0604) == 0);
  fs::create_symlink("real", at["link"]);
  fs::create_symlink(at["link"], at["chain"]);
  write_file(at["chain"], "new");
  CHECK(at.text("real") == "new");
  CHECK(fs::is_symlink(at["link"]));
  CHECK(fs::is_symlink(at["chain"]));
  struct stat status {};
  REQUIRE(stat(at["real"].c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0604);
  fs::create_symlink("later", at["dangling"]);
  write_file(at["dangling"], "new");
  CHECK(at.text("later") == "new");
  CHECK(fs::is_symlink(at["dangling"]));
}

TEST_CASE("What is no regular file is written through", "[output]") {
  const Place at;
  REQUIRE(mkfifo(at["pipe"].c_str(), 0600) == 0);
  const int reader = open(at["pipe"].c_str(), O_RDONLY | O_NONBLOCK);
  REQUIRE(reader >= 0);
  write_file(at["pipe"], "through");
  std::string read(16, '\0');
  CHECK(::read(reader, read.data(), read.size()) == 7);
  CHECK(read.substr(0, 7) == "through");
  close(reader);
  CHECK(fs::is_fifo(at["pipe"]));

  int sockets[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
  write_file("/dev/fd/" + std::to_string(sockets[0]), "socket");
  CHECK(::read(sockets[1], read.data(), read.size()) == 6);
  close(sockets[0]);
  close(sockets[1]);

  // A descriptor of a regular file goes on where it stands.
  const int file = open(at["log"].c_str(), O_WRONLY | O_CREAT, 0600);
  REQUIRE(::write(file, "before ", 7) == 7);
  write_file("/proc/self/fd/" + std::to_string(file), "now ");
  REQUIRE(::write(file, "after", 5) == 5);
  close(file);
  CHECK(at.text("log") == "before now after");
  CHECK(at.names() == Names{"log", "pipe"});
}

TEST_CASE("What cannot be written is said in one line", "[output]") {
  const Place at;
  CHECK(error_of_writing(at["none/a"]) == at["none/a"] + ": cannot be written: No such file or directory");
  CHECK(error_of_writing(at[""]) == at[""] + ": cannot be written: Is a directory");
  CHECK(error_of_writing("") == ": cannot be written: No such file or directory");
  fs::create_symlink("loop", at["loop"]);
  CHECK(error_of_writing(at["loop"]) == at["loop"] + ": cannot be written: Too many levels of symbolic links");
  CHECK(error_of_writing("/dev/fd/999") == "/dev/fd/999: cannot be written: Bad file descriptor");
  CHECK(at.names() == Names{"loop"});
  if (geteuid() == 0) return;  // may write everywhere
  write_file(at["read-only"], "old");
  chmod(at["read-only"].c_str(), 0444);
  CHECK(error_of_writing(at["read-only"]) == at["read-only"] + ": cannot be written: Permission denied");
  CHECK(at.text("read-only") == "old");
}

TEST_CASE("One file has many names", "[output]") {
  const Place at;
  write_file(at["a"], "same");
  write_file(at["b"], "same");
  fs::create_hard_link(at["a"], at["hard"]);
  fs::create_symlink("a", at["soft"]);
  fs::create_symlink("later", at["dangling"]);
  CHECK(same_file(at["a"], at["hard"]));
  CHECK(same_file(at["soft"], at["./a"]));
  CHECK(same_file(at["later"], at["dangling"]));
  CHECK(same_file(at["later"], at["none/../later"]));
  CHECK(same_file("-", "/dev/stdout"));
  CHECK(same_file("/proc/self/fd/1", "/dev/fd/1"));
  CHECK_FALSE(same_file(at["a"], at["b"]));
  CHECK_FALSE(same_file(at["a"], at["later"]));
  CHECK_FALSE(same_file(at["later"], at["latest"]));
  CHECK_FALSE(same_file("/dev/null", "/dev/null"));  // takes any number of writers
  CHECK(is_stream("-"));
  CHECK(is_stream("/dev/null"));
  CHECK_FALSE(is_stream(at["a"]));
  CHECK_FALSE(is_stream(at["later"]));
}
