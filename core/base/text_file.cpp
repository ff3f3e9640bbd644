#include "core/base/text_file.h"

#include <cstdint>
#include <fstream>
#include <vector>

#include "core/base/input_error.h"

#ifdef TOKENYARD_LZMA
#include <lzma.h>
#endif

namespace tokenyard {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 16;

[[noreturn]] void too_large(const std::string& path, std::size_t most_bytes) {
  throw InputError(path + ": expected at most " + std::to_string(most_bytes >> 20) + " MiB of text, found more");
}

void append(std::string& text, const char* data, std::size_t size, const std::string& path, std::size_t most_bytes) {
  if (size > most_bytes - text.size()) too_large(path, most_bytes);
  text.append(data, size);
}

#ifdef TOKENYARD_LZMA
class Unpacker {
 public:
  explicit Unpacker(const std::string& path) : path_(path) {
    if (lzma_stream_decoder(&stream_, std::uint64_t{256} << 20, 0) != LZMA_OK) damaged();
  }
  ~Unpacker() { lzma_end(&stream_); }
  Unpacker(const Unpacker&) = delete;
  Unpacker& operator=(const Unpacker&) = delete;

  // `size` 0: the file has ended.
  void add(const char* data, std::size_t size, std::string& text, std::size_t most_bytes) {
    stream_.next_in = reinterpret_cast<const std::uint8_t*>(data);
    stream_.avail_in = size;
    std::vector<char> out(kPiece);
    while (!ended_) {
      stream_.next_out = reinterpret_cast<std::uint8_t*>(out.data());
      stream_.avail_out = out.size();
      const lzma_ret result = lzma_code(&stream_, size == 0 ? LZMA_FINISH : LZMA_RUN);
      append(text, out.data(), out.size() - stream_.avail_out, path_, most_bytes);
      if (result == LZMA_STREAM_END) {
        ended_ = true;
      } else if (result != LZMA_OK) {
        damaged();
      } else if (stream_.avail_in == 0 && stream_.avail_out > 0) {
        return;
      }
    }
  }

 private:
  [[noreturn]] void damaged() const { throw InputError(path_ + ": expected an .xz file, found one that cannot be unpacked"); }

  const std::string& path_;
  lzma_stream stream_ = LZMA_STREAM_INIT;
  bool ended_ = false;
};
#endif

}  // namespace

std::string read_text_file(const std::string& path, std::size_t most_bytes) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw InputError(path + ": cannot be read; does the file exist?");
  std::string text;
  std::vector<char> piece(kPiece);
  const auto read = [&] {
    in.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    if (in.bad()) throw InputError(path + ": cannot be read; is it a regular file?");
    return static_cast<std::size_t>(in.gcount());
  };
  if (path.ends_with(".xz")) {
#ifdef TOKENYARD_LZMA
    Unpacker unpacker(path);
    std::size_t size = 0;
    do {
      size = read();
      unpacker.add(piece.data(), size, text, most_bytes);
    } while (size > 0);
    return text;
#else
    throw InputError(path + ": this program was built without liblzma; unpack the file first: xz -dk " + path);
#endif
  }
  for (std::size_t size = read(); size > 0; size = read()) append(text, piece.data(), size, path, most_bytes);
  return text;
}

}  // namespace tokenyard
