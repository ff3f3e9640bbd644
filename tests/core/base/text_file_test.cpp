#include "core/base/text_file.h"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

#include "catch.h"
#include "core/base/input_error.h"

using namespace tokenyard;

namespace {

// "hello\n", packed.
const std::string kHelloGzip(
    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xcb\x48\xcd\xc9\xc9\xe7\x02\x00\x20\x30\x3a\x36\x06\x00\x00\x00", 26);
const std::string kHelloXz(
    "\xfd\x37\x7a\x58\x5a\x00\x00\x04\xe6\xd6\xb4\x46\x02\x00\x21\x01\x16\x00\x00\x00\x74\x2f\xe5\xa3\x01"
    "\x00\x05\x68\x65\x6c\x6c\x6f\x0a\x00\x00\x00\xa5\x60\x97\xf1\x94\xf6\xfd\xe0\x00\x01\x1e\x06\xc1\x2f"
    "\xa4\x1d\x1f\xb6\xf3\x7d\x01\x00\x00\x00\x00\x04\x59\x5a",
    64);

// Files that are gone after the test.
class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tokenyard-test-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary directory");
    path_ = pattern;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string file(const std::string& name, const std::string& text) const {
    const std::string path = (path_ / name).string();
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }

  std::string name(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

std::string action_error(const auto& action) {
  try {
    action();
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("UTF-16 is called that", "[text]") {
  const Folder folder;
  for (const std::string& text : {std::string("\xFF\xFEh\0i\0", 6), std::string("\xFE\xFF\0h\0i", 6)}) {
    const std::string path = folder.file("wide.csv", text);
    CHECK_THAT(action_error([&] { LineReader{path}; }), has_text("wide.csv: expected UTF-8, found the mark of UTF-16"));
  }
}

TEST_CASE("gzip is unpacked, whatever the file is called", "[text]") {
  const Folder folder;
  const std::string path = folder.file("a.txt", kHelloGzip);
  if (const std::string error = action_error([&] { read_text_file(path, 100); }); !error.empty()) {
    CHECK_THAT(error, has_text("a.txt: packed with gzip, which this program was built without: unpack it first"));
    return;
  }
  CHECK(read_text_file(path, 6) == "hello\n");
  CHECK_THAT(action_error([&] { read_text_file(path, 5); }), has_text("at most 5 bytes"));
  // Files one after the other are one, as gzip has it.
  CHECK(read_text_file(folder.file("two.gz", kHelloGzip + kHelloGzip), 100) == "hello\nhello\n");
  const std::string cut = folder.file("cut.gz", kHelloGzip.substr(0, 20));
  CHECK(action_error([&] { read_text_file(cut, 100); }) ==
        cut + ": expected a whole gzip file, as its first bytes say, found one that cannot be unpacked");
  const std::string nonsense = folder.file("b", "\x1f\x8b and then nonsense");
  CHECK_THAT(action_error([&] { read_text_file(nonsense, 100); }), has_text("b: expected a whole gzip file"));

  LineReader lines(folder.file("lines.gz", kHelloGzip + kHelloGzip));
  for (int pass = 0; pass < 2; ++pass) {
    std::string_view line;
    REQUIRE(lines.next(line));
    CHECK(line == "hello");
    REQUIRE(lines.next(line));
    CHECK(lines.line() == 2);
    CHECK_FALSE(lines.next(line));
    lines.rewind();
  }
}

TEST_CASE("xz is unpacked, whatever the file is called", "[text]") {
  const Folder folder;
  const std::string path = folder.file("a.csv", kHelloXz);
  if (const std::string error = action_error([&] { read_text_file(path, 100); }); !error.empty()) {
    CHECK_THAT(error, has_text("a.csv: packed with xz, which this program was built without: unpack it first"));
    return;
  }
  CHECK(read_text_file(path, 6) == "hello\n");
  CHECK(read_text_file(folder.file("two.xz", kHelloXz + kHelloXz), 100) == "hello\nhello\n");
  const std::string cut = folder.file("cut.xz", kHelloXz.substr(0, 50));
  CHECK_THAT(action_error([&] { read_text_file(cut, 100); }), has_text("cut.xz: expected a whole xz file"));
  const std::string nonsense = folder.file("b",
                                           "\xFD"
                                           "7zXZ and then nonsense");
  CHECK_THAT(action_error([&] { read_text_file(nonsense, 100); }), has_text("b: expected a whole xz file"));
}

TEST_CASE("Text files are read up to a limit", "[text]") {
  const Folder folder;
  const std::string path = folder.file("x", std::string(200'000, 'x'));
  CHECK(read_text_file(path, 200'000).size() == 200'000);
  CHECK_THAT(action_error([&] { read_text_file(path, 199'999); }),
             has_text("expected at most 199999 bytes of text, found more"));
  CHECK(read_text_file(folder.file("empty", ""), 0).empty());
  CHECK_THAT(action_error([] { read_text_file("no/such/file", 1); }),
             has_text("no/such/file: cannot be read: No such file or directory"));
  CHECK_THAT(action_error([] { read_text_file(".", 1); }), has_text(".: cannot be read: Is a directory"));
}

TEST_CASE("What a file gains can be read on", "[text]") {
  const Folder folder;
  const std::string path = folder.file("grows", "one\n");
  const auto in = open_text_file(path);
  std::string line;
  REQUIRE(std::getline(*in, line));
  CHECK_FALSE(std::getline(*in, line));
  std::ofstream(path, std::ios::app) << "two\n";
  in->clear();
  REQUIRE(std::getline(*in, line));
  CHECK(line == "two");
}

TEST_CASE("Lines are found wherever the buffer ends", "[text]") {
  std::string text;
  for (int i = 0; i < 3000; ++i) text += std::string(static_cast<std::size_t>(i % 97), 'x') + "\n";
  text += std::string(200'000, 'y');
  const Folder folder;
  LineReader reader(folder.file("lines.txt", text));
  for (int pass = 0; pass < 2; ++pass) {
    std::string_view line;
    for (int i = 0; i < 3000; ++i) {
      REQUIRE(reader.next(line));
      REQUIRE(line.size() == static_cast<std::size_t>(i % 97));
      REQUIRE(reader.line() == i + 1);
    }
    REQUIRE(reader.next(line));
    CHECK(line.size() == 200'000);
    CHECK_FALSE(reader.next(line));
    reader.rewind();
  }
  CHECK_THAT(action_error([] { LineReader("no/such/file"); }),
             has_text("no/such/file: cannot be read: No such file or directory"));
}

TEST_CASE("A byte order mark is no content", "[text]") {
  const Folder folder;
  const std::string mark = "\xEF\xBB\xBF";
  const std::string path = folder.file("marked", mark + "a\n" + mark + "b\n");
  CHECK(read_text_file(path, 100) == "a\n" + mark + "b\n");
  LineReader reader(path);
  std::string_view line;
  for (int pass = 0; pass < 2; ++pass) {
    REQUIRE(reader.next(line));
    CHECK(line == "a");
    REQUIRE(reader.next(line));
    CHECK(line == mark + "b");
    reader.rewind();
  }
}

TEST_CASE("a pipe is read by all who open it, from its beginning", "[text]") {
  const Folder folder;
  const std::string pipe = folder.name("pipe");
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  std::string text;
  for (int i = 0; i < 50'000; ++i) text += std::to_string(i) + '\n';
  std::thread writer([&] { std::ofstream(pipe) << text; });
  LineReader lines(pipe);
  std::string_view line;
  REQUIRE(lines.next(line));
  CHECK(line == "0");
  CHECK(read_text_file(pipe, text.size()) == text);
  writer.join();
  REQUIRE(lines.next(line));
  CHECK(line == "1");
  CHECK(read_text_file(pipe, text.size()) == text);
  lines.rewind();
  REQUIRE(lines.next(line));
  CHECK(line == "0");
}

TEST_CASE("a packed pipe is unpacked", "[text]") {
  const Folder folder;
  const std::string pipe = folder.name("pipe");
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  std::thread writer([&] { std::ofstream(pipe, std::ios::binary) << kHelloXz; });
  CHECK(read_text_file(pipe, 100) == "hello\n");
  writer.join();
}
