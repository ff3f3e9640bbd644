#include "core/base/input_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <mutex>
#include <system_error>
#include <utility>
#include <vector>

#include "core/base/input_error.h"

#ifdef __EMSCRIPTEN__
// Declared there, but missing.
extern "C" int memfd_create(const char*, unsigned) {
  errno = ENOSYS;
  return -1;
}
#endif

namespace tokenyard {
namespace {

[[noreturn]] void fail(const std::string& path, int why) {
  std::string what = path + ": cannot be read: " + std::strerror(why);
  std::error_code ignored;
  const std::string part = path + ".incomplete";  // where huggingface_hub and others download to
  if (why == ENOENT && std::filesystem::exists(part, ignored))
    what += "; half a download is there, " + part + ": fetch the rest";
  throw InputError(what);
}

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int operator*() const { return number_; }

 private:
  int number_;
};

// `call` until no signal interrupts it.
template <typename Call>
ssize_t uninterrupted(const Call& call) {
  ssize_t result = 0;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

class RegularFile final : public InputFile {
 public:
  RegularFile(int descriptor, std::string path) : file_(descriptor), path_(std::move(path)) {}

  std::size_t read(std::uint64_t offset, char* to, std::size_t most) override {
    const ssize_t got = uninterrupted([&] { return pread(*file_, to, most, static_cast<off_t>(offset)); });
    if (got < 0) fail(path_, errno);
    return static_cast<std::size_t>(got);
  }

 private:
  Descriptor file_;
  std::string path_;
};

// Read no further than somebody asked: it may have no end.
class Pipe final : public InputFile {
 public:
  Pipe(int descriptor, std::string path) : pipe_(descriptor), path_(std::move(path)), kept_(nameless_file()) {
    if (*kept_ < 0) fail(path_, errno);
  }

  std::size_t read(std::uint64_t offset, char* to, std::size_t most) override {
    const std::lock_guard lock(mutex_);
    while (offset >= size_) {
      char piece[std::size_t{1} << 16];
      const ssize_t got = uninterrupted([&] { return ::read(*pipe_, piece, sizeof piece); });
      if (got < 0) fail(path_, errno);
      if (got == 0) return 0;
      for (ssize_t done = 0; done < got;) {
        const auto left = static_cast<std::size_t>(got - done);
        const ssize_t written =
            uninterrupted([&] { return pwrite(*kept_, piece + done, left, static_cast<off_t>(size_) + done); });
        if (written < 0) {
          throw InputError(path_ + ": what was read of it cannot be kept in " +
                           std::filesystem::temp_directory_path().string() + ": " + std::strerror(errno));
        }
        done += written;
      }
      size_ += static_cast<std::uint64_t>(got);
    }
    const ssize_t got = uninterrupted([&] { return pread(*kept_, to, most, static_cast<off_t>(offset)); });
    if (got < 0) fail(path_, errno);
    return static_cast<std::size_t>(got);
  }

 private:
  static int nameless_file() {
    std::error_code ignored;
    std::string name = (std::filesystem::temp_directory_path(ignored) / "tokenyard-XXXXXX").string();
    const int file = mkostemp(name.data(), O_CLOEXEC);
    if (file < 0) return memfd_create("tokenyard", MFD_CLOEXEC);  // no folder that can be written
    unlink(name.c_str());
    return file;
  }

  Descriptor pipe_;
  std::string path_;
  Descriptor kept_;
  std::mutex mutex_;
  std::uint64_t size_ = 0;  // of what is kept
};

// Whether the name is standard input's. Opening it anew fails where that is a socket.
bool is_standard_input(const std::string& path) { return path == "-" || path == "/dev/stdin" || path == "/dev/fd/0"; }

}  // namespace

std::shared_ptr<InputFile> open_input_file(const std::string& path) {
  static std::mutex mutex;
  static std::map<std::pair<dev_t, ino_t>, std::shared_ptr<InputFile>> pipes;
  struct stat status {};
  const bool standard = is_standard_input(path);
  // Asked before it is opened: opening a pipe a second time would wait for another writer.
  if ((standard ? fstat(STDIN_FILENO, &status) : stat(path.c_str(), &status)) != 0) fail(path, errno);
  if (S_ISDIR(status.st_mode)) fail(path, EISDIR);
  const auto open_now = [&] {
    const int descriptor =
        standard ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0) : open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (descriptor < 0) fail(path, errno);
    return descriptor;
  };
  if (S_ISREG(status.st_mode)) return std::make_shared<RegularFile>(open_now(), path);
  const std::lock_guard lock(mutex);
  std::shared_ptr<InputFile>& pipe = pipes[{status.st_dev, status.st_ino}];
  if (pipe == nullptr) pipe = std::make_shared<Pipe>(open_now(), path);
  return pipe;
}

}  // namespace tokenyard
