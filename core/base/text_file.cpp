#include "core/base/text_file.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <ios>
#include <streambuf>
#include <system_error>
#include <utility>

#include "core/base/input_error.h"
#include "core/base/input_file.h"

#ifdef TOKENYARD_ZLIB
#include <zlib.h>
#endif
#ifdef TOKENYARD_LZMA
#include <lzma.h>
#endif

namespace tokenyard {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 16;

// First bytes that no text begins with: a control character, and a byte that UTF-8 does not have.
constexpr int kGzip = 0x1F;
constexpr int kXz = 0xFD;

// What is packed, and where it goes; unpack() moves the beginnings on.
struct Flow {
  char* in;
  std::size_t in_size;
  char* out;
  std::size_t out_size;
  bool in_ends;  // nothing follows `in`
};

class Unpacker {
 public:
  enum class State { goes_on, ended, damaged };
  virtual ~Unpacker() = default;
  // Uses up the input or fills the output.
  virtual State unpack(Flow& flow) = 0;
};

#ifdef TOKENYARD_ZLIB
class GzipUnpacker final : public Unpacker {
 public:
  GzipUnpacker() { fine_ = inflateInit2(&stream_, kGzipWindow) == Z_OK; }
  ~GzipUnpacker() override { inflateEnd(&stream_); }
  GzipUnpacker(const GzipUnpacker&) = delete;
  GzipUnpacker& operator=(const GzipUnpacker&) = delete;

  State unpack(Flow& flow) override {
    if (!fine_) return State::damaged;
    while (flow.out_size > 0) {
      if (flow.in_size == 0) return !flow.in_ends ? State::goes_on : between_ ? State::ended : State::damaged;
      if (std::exchange(between_, false)) inflateReset(&stream_);
      stream_.next_in = reinterpret_cast<Bytef*>(flow.in);
      stream_.avail_in = static_cast<uInt>(flow.in_size);
      stream_.next_out = reinterpret_cast<Bytef*>(flow.out);
      stream_.avail_out = static_cast<uInt>(flow.out_size);
      const int result = inflate(&stream_, Z_NO_FLUSH);
      flow.in += flow.in_size - stream_.avail_in;
      flow.in_size = stream_.avail_in;
      flow.out += flow.out_size - stream_.avail_out;
      flow.out_size = stream_.avail_out;
      between_ = result == Z_STREAM_END;  // of two files one after the other, which are one
      if (result != Z_OK && result != Z_STREAM_END) return State::damaged;
    }
    return State::goes_on;
  }

 private:
  static constexpr int kGzipWindow = 15 + 16;  // the largest window; a gzip header and no other

  z_stream stream_ = {};
  bool fine_ = false;
  bool between_ = false;
};
#endif

#ifdef TOKENYARD_LZMA
class XzUnpacker final : public Unpacker {
 public:
  XzUnpacker() { fine_ = lzma_stream_decoder(&stream_, kMostMemory, LZMA_CONCATENATED) == LZMA_OK; }
  ~XzUnpacker() override { lzma_end(&stream_); }
  XzUnpacker(const XzUnpacker&) = delete;
  XzUnpacker& operator=(const XzUnpacker&) = delete;

  State unpack(Flow& flow) override {
    if (!fine_) return State::damaged;
    stream_.next_in = reinterpret_cast<const std::uint8_t*>(flow.in);
    stream_.avail_in = flow.in_size;
    stream_.next_out = reinterpret_cast<std::uint8_t*>(flow.out);
    stream_.avail_out = flow.out_size;
    const lzma_ret result = lzma_code(&stream_, flow.in_ends ? LZMA_FINISH : LZMA_RUN);
    flow.in += flow.in_size - stream_.avail_in;
    flow.in_size = stream_.avail_in;
    flow.out += flow.out_size - stream_.avail_out;
    flow.out_size = stream_.avail_out;
    if (result == LZMA_STREAM_END) return State::ended;
    return result == LZMA_OK ? State::goes_on : State::damaged;
  }

 private:
  static constexpr std::uint64_t kMostMemory = std::uint64_t{256} << 20;

  lzma_stream stream_ = LZMA_STREAM_INIT;
  bool fine_ = false;
};
#endif

[[noreturn]] [[maybe_unused]] void cannot_unpack(const std::string& path, const std::string& tool, const char* package) {
  throw InputError(path + ": packed with " + tool + ", which this program was built without: unpack it first (" + tool +
                   " -dk), or install " + package + " and build again");
}

std::unique_ptr<Unpacker> make_unpacker(int first_byte, [[maybe_unused]] const std::string& path) {
  if (first_byte == kGzip) {
#ifdef TOKENYARD_ZLIB
    return std::make_unique<GzipUnpacker>();
#else
    cannot_unpack(path, "gzip", "zlib1g-dev");
#endif
  }
#ifdef TOKENYARD_LZMA
  return std::make_unique<XzUnpacker>();
#else
  cannot_unpack(path, "xz", "liblzma-dev");
#endif
}

class PlainBuffer final : public std::streambuf {
 public:
  explicit PlainBuffer(std::shared_ptr<InputFile> file) : file_(std::move(file)), piece_(kPiece) {}

 private:
  int_type underflow() override {
    if (gptr() < egptr()) return traits_type::to_int_type(*gptr());
    const std::size_t size = file_->read(offset_, piece_.data(), piece_.size());
    offset_ += size;
    setg(piece_.data(), piece_.data(), piece_.data() + size);
    return size == 0 ? traits_type::eof() : traits_type::to_int_type(piece_[0]);
  }

  pos_type seekpos(pos_type position, std::ios_base::openmode) override {
    if (position != pos_type(0)) return pos_type(off_type(-1));
    offset_ = 0;
    setg(nullptr, nullptr, nullptr);
    return 0;
  }

  std::shared_ptr<InputFile> file_;
  std::uint64_t offset_ = 0;  // of what follows the piece
  std::vector<char> piece_;
};

class PackedBuffer final : public std::streambuf {
 public:
  PackedBuffer(std::shared_ptr<InputFile> file, int first_byte, std::string path)
      : file_(std::move(file)), first_byte_(first_byte), path_(std::move(path)), in_(kPiece), out_(kPiece) {
    unpacker_ = make_unpacker(first_byte_, path_);
  }

 private:
  int_type underflow() override {
    if (gptr() < egptr()) return traits_type::to_int_type(*gptr());
    flow_.out = out_.data();
    flow_.out_size = out_.size();
    while (flow_.out_size == out_.size() && state_ == Unpacker::State::goes_on) {
      if (flow_.in_size == 0) {
        flow_.in = in_.data();
        flow_.in_size = file_->read(offset_, in_.data(), in_.size());
        flow_.in_ends = flow_.in_size == 0;
        offset_ += flow_.in_size;
      }
      state_ = unpacker_->unpack(flow_);
    }
    const std::size_t size = out_.size() - flow_.out_size;
    if (size == 0 && state_ == Unpacker::State::damaged) {
      throw InputError(path_ + ": expected a whole " + (first_byte_ == kGzip ? "gzip" : "xz") +
                       " file, as its first bytes say, found one that cannot be unpacked");
    }
    setg(out_.data(), out_.data(), out_.data() + size);
    return size == 0 ? traits_type::eof() : traits_type::to_int_type(out_[0]);
  }

  pos_type seekpos(pos_type position, std::ios_base::openmode) override {
    if (position != pos_type(0)) return pos_type(off_type(-1));
    offset_ = 0;
    unpacker_ = make_unpacker(first_byte_, path_);
    flow_ = {};
    state_ = Unpacker::State::goes_on;
    setg(nullptr, nullptr, nullptr);
    return 0;
  }

  std::shared_ptr<InputFile> file_;
  std::uint64_t offset_ = 0;
  int first_byte_;
  std::string path_;
  std::unique_ptr<Unpacker> unpacker_;
  std::vector<char> in_, out_;
  Flow flow_ = {};
  Unpacker::State state_ = Unpacker::State::goes_on;
};

class TextStream final : public std::istream {
 public:
  explicit TextStream(std::unique_ptr<std::streambuf> buffer) : std::istream(buffer.get()), buffer_(std::move(buffer)) {
    exceptions(std::ios::badbit);  // what the buffer throws reaches the reader
  }

 private:
  std::unique_ptr<std::streambuf> buffer_;
};

}  // namespace

std::unique_ptr<std::istream> open_text_file(const std::string& path) {
  std::shared_ptr<InputFile> file = open_input_file(path);
  char first = 0;
  file->read(0, &first, 1);
  const int byte = static_cast<unsigned char>(first);
  if (byte >= 0xFE)
    throw InputError(path + ": expected UTF-8, found the mark of UTF-16, as some programs save text; save it anew");
  if (byte == kGzip || byte == kXz) {
    return std::make_unique<TextStream>(std::make_unique<PackedBuffer>(std::move(file), byte, path));
  }
  return std::make_unique<TextStream>(std::make_unique<PlainBuffer>(std::move(file)));
}

bool means_file(const std::string& name) {
  std::error_code none;
  const std::filesystem::file_status status = std::filesystem::status(name, none);
  return name.ends_with(".json") || (std::filesystem::exists(status) && !std::filesystem::is_directory(status));
}

bool is_there(const std::string& path) {
  std::error_code error;
  const bool there = std::filesystem::exists(std::filesystem::symlink_status(path, error));
  if (error && error != std::errc::no_such_file_or_directory && error != std::errc::not_a_directory)
    throw InputError(path + ": cannot be read: " + error.message());
  return there;
}

void refuse_lfs_pointer(std::string_view beginning, const std::string& path) {
  if (!beginning.starts_with("version https://git-lfs.github.com/spec/")) return;
  throw InputError(path + ": a Git LFS pointer, not the file itself; fetch it with `git lfs pull`");
}

std::string read_text_file(const std::string& path, std::size_t most_bytes) {
  const auto in = open_text_file(path);
  std::string text;
  std::vector<char> piece(kPiece);
  while (true) {
    in->read(piece.data(), static_cast<std::streamsize>(piece.size()));
    const auto size = static_cast<std::size_t>(in->gcount());
    if (size == 0) {
      if (text.starts_with(kByteOrderMark)) text.erase(0, kByteOrderMark.size());
      return text;
    }
    if (text.empty()) refuse_lfs_pointer({piece.data(), size}, path);
    if (size > most_bytes - text.size()) {
      throw InputError(path + ": expected at most " + std::to_string(most_bytes) + " bytes of text, found more");
    }
    text.append(piece.data(), size);
  }
}

LineReader::LineReader(const std::string& path, std::size_t longest_line)
    : path_(path), longest_line_(longest_line), in_(open_text_file(path)), buffer_(kPiece) {}

bool LineReader::next(std::string_view& line) {
  std::size_t searched = 0;
  while (true) {
    const char* start = buffer_.data() + begin_;
    const void* found = std::memchr(start + searched, '\n', end_ - begin_ - searched);
    searched = end_ - begin_;
    std::size_t length = searched;
    if (found != nullptr) {
      length = static_cast<std::size_t>(static_cast<const char*>(found) - start);
      begin_ += length + 1;
    } else {
      if (searched > longest_line_) too_long();
      std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_), buffer_.begin() + static_cast<std::ptrdiff_t>(end_),
                buffer_.begin());
      begin_ = 0;
      end_ = searched;
      if (end_ == buffer_.size()) buffer_.resize(2 * buffer_.size());
      in_->read(buffer_.data() + end_, static_cast<std::streamsize>(buffer_.size() - end_));
      const auto got = static_cast<std::size_t>(in_->gcount());
      end_ += got;
      if (got > 0) continue;
      if (searched == 0) return false;
      start = buffer_.data();
      begin_ = end_;
    }
    if (length > longest_line_) too_long();
    ++line_;
    if (length > 0 && start[length - 1] == '\r') --length;
    line = {start, length};
    if (line_ == 1 && line.starts_with(kByteOrderMark)) line.remove_prefix(kByteOrderMark.size());
    return true;
  }
}

void LineReader::too_long() {
  ++line_;
  fail("expected a line of at most " + std::to_string(longest_line_) + " bytes, found a longer one");
}

void LineReader::rewind() {
  in_->clear();
  in_->seekg(0);
  begin_ = end_ = 0;
  line_ = 0;
}

void LineReader::fail(const std::string& what) const {
  throw InputError(path_ + ": line " + std::to_string(line_) + ": " + what);
}

}  // namespace tokenyard
