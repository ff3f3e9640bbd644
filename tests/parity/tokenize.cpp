// tokenize TOKENIZER.json encode|decode|speed < INPUT > OUTPUT: our tokenizer for the scripts beside this file.
// INPUT and OUTPUT are records: a count as u32, then so many bytes (text) or i32 (ids), in the machine's byte order.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "backends/model/tokenizer.h"
#include "core/base/input_error.h"

namespace {

using tokenyard::Token;
using tokenyard::Tokenizer;
using Clock = std::chrono::steady_clock;

template <typename T>
std::vector<std::vector<T>> read_records() {
  const std::string input((std::istreambuf_iterator<char>(std::cin)), {});
  std::vector<std::vector<T>> out;
  for (std::size_t at = 0; at + 4 <= input.size();) {
    std::uint32_t count = 0;
    std::memcpy(&count, input.data() + at, 4);
    at += 4;
    std::vector<T> record(count);
    std::memcpy(record.data(), input.data() + at, count * sizeof(T));
    at += count * sizeof(T);
    out.push_back(std::move(record));
  }
  return out;
}

void write_record(const void* data, std::size_t count, std::size_t size) {
  const auto number = static_cast<std::uint32_t>(count);
  std::fwrite(&number, 4, 1, stdout);
  std::fwrite(data, size, count, stdout);
}

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// "seconds to load, seconds to encode the input, tokens".
void speed(const std::string& path) {
  const auto texts = read_records<char>();
  const auto start = Clock::now();
  const Tokenizer tokenizer = Tokenizer::load(path);
  const double load = seconds_since(start);
  const auto middle = Clock::now();
  std::size_t tokens = 0;
  for (const auto& text : texts) tokens += tokenizer.encode({text.data(), text.size()}, false).size();
  std::printf("%.6f %.6f %zu\n", load, seconds_since(middle), tokens);
}

int run(const std::string& path, std::string_view mode) {
  if (mode == "speed") {
    speed(path);
    return 0;
  }
  const Tokenizer tokenizer = Tokenizer::load(path);
  if (mode == "encode") {
    for (const auto& text : read_records<char>()) {
      const std::vector<Token> ids = tokenizer.encode({text.data(), text.size()});
      write_record(ids.data(), ids.size(), sizeof(Token));
    }
    return 0;
  }
  if (mode != "decode") return 2;
  for (const auto& ids : read_records<Token>()) {
    for (const bool skip_special : {false, true}) {
      const std::string text = tokenizer.decode(ids, skip_special);
      tokenyard::TextStream stream(tokenizer, skip_special);
      std::string streamed;
      for (const Token id : ids) streamed += stream.push(id);
      streamed += stream.finish();
      if (streamed != text) {
        std::fprintf(stderr, "streamed text differs: %s / %s\n", streamed.c_str(), text.c_str());
        return 1;
      }
      write_record(text.data(), text.size(), 1);
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: tokenize TOKENIZER.json encode|decode|speed\n");
    return 2;
  }
  try {
    return run(argv[1], argv[2]);
  } catch (const tokenyard::InputError& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
