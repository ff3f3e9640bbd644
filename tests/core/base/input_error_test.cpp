#include "core/base/input_error.h"

#include <string>

#include "catch.h"

using namespace tokenyard;

TEST_CASE("a message is one line that a user can read", "[input_error]") {
  CHECK(one_line("a.json: line 2: \t\xff") == "a.json: line 2: \\x09\\xff");
  const std::string exact(900, 'x');
  CHECK(one_line(exact) == exact);
  // What is long keeps its file and its end, where it says what was expected; bytes that are escaped count as they are shown.
  const std::string message = InputError("a.json: " + std::string(2000, '\xff') + ": expected less").what();
  CHECK(message.size() <= 903);
  CHECK(message.starts_with("a.json: \\xff"));
  CHECK(message.ends_with("\\xff: expected less"));
  CHECK(message.find("...") != std::string::npos);
}

TEST_CASE("a long message is cut between characters", "[input_error]") {
  for (int shift = 0; shift < 4; ++shift) {
    std::string text(static_cast<std::size_t>(shift), 'a');
    for (int i = 0; i < 600; ++i) text += "\xc3\xa9";
    const std::string message = one_line(text);
    CHECK(printable(message) == message);
  }
}
