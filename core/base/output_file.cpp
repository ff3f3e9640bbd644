#include "core/base/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <optional>
#include <utility>

#include "core/base/input_error.h"

namespace tokenyard {
namespace {

namespace fs = std::filesystem;

constexpr int kMostLinks = 40;  // as Linux
constexpr int kMostAside = 1000;

int standard_output = STDOUT_FILENO;

struct Place {
  fs::path path;        // no symbolic link
  int descriptor = -1;  // of this process, when the name is one's: /dev/fd/N
};

// Follows links by hand: the last one may lead to a file that does not exist yet, and a descriptor is not opened a second time,
// because a file that standard output is redirected to has a position that both writers share. Nothing: the links form a loop.
std::optional<Place> follow(const std::string& name) {
  if (name == "-") return Place{{}, STDOUT_FILENO};
  fs::path path = name;
  const fs::path descriptors = "/proc/" + std::to_string(getpid()) + "/fd";
  for (int i = 0; i < kMostLinks; ++i) {
    std::error_code ignored;
    if (fs::canonical(path.has_parent_path() ? path.parent_path() : ".", ignored) == descriptors) {
      const std::string number = path.filename();
      int descriptor = -1;
      std::from_chars(number.data(), number.data() + number.size(), descriptor);
      return Place{path, descriptor};
    }
    if (!fs::is_symlink(path, ignored)) return Place{path, -1};
    path = path.parent_path() / fs::read_symlink(path, ignored);  // an absolute one stands alone
  }
  return std::nullopt;
}

int where_now(int descriptor) { return descriptor == STDOUT_FILENO ? standard_output : descriptor; }

bool is_same(const struct stat& a, const struct stat& b) { return a.st_dev == b.st_dev && a.st_ino == b.st_ino; }

bool status_of(const std::string& path, struct stat& status) {
  const std::optional<Place> place = follow(path);
  if (place && place->descriptor >= 0) return fstat(where_now(place->descriptor), &status) == 0;
  return stat(path.c_str(), &status) == 0;
}

}  // namespace

OutputFile::OutputFile(const std::string& path, Meanwhile meanwhile) : path_(path) {
  const std::optional<Place> place = follow(path);
  if (!place) fail(ELOOP);
  if (path.empty()) fail(ENOENT);
  if (place->descriptor >= 0) {
    std::fflush(stdout);  // what was printed before comes before
    file_ = fcntl(where_now(place->descriptor), F_DUPFD_CLOEXEC, 0);
    if (file_ < 0) fail(errno);
    return;
  }
  struct stat old {};
  const bool exists = stat(place->path.c_str(), &old) == 0;
  if (!exists && errno != ENOENT) fail(errno);
  if (exists && !S_ISREG(old.st_mode)) {
    file_ = open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (file_ < 0) fail(errno);
    return;
  }
  // Renaming asks only for a folder that can be written; a file that is protected stays.
  if (exists && faccessat(AT_FDCWD, place->path.c_str(), W_OK, AT_EACCESS) != 0) fail(errno);
  target_ = place->path;
  create(!exists && meanwhile == Meanwhile::growing, exists ? 0600 : 0666);
  if (!exists) return;
  // First the owner: changing it takes bits of the mode away. Only root may give a file away.
  if (fchown(file_, old.st_uid, old.st_gid) != 0 && errno != EPERM) fail(errno);
  if (fchmod(file_, old.st_mode & 07777) != 0) fail(errno);
}

OutputFile::~OutputFile() { discard(); }

// Never takes a file that is there: it may be another run's, or what a killed one left and somebody wants.
void OutputFile::create(bool growing, mode_t mode) {
  for (int i = growing ? 0 : 1; i < kMostAside; ++i) {
    written_ = target_ + (i == 0 ? "" : i == 1 ? ".part" : "." + std::to_string(i) + ".part");
    file_ = open(written_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (file_ >= 0) return;
    if (errno != EEXIST) break;
  }
  fail(errno);
}

void OutputFile::fail(int why) {
  discard();
  throw InputError(path_ + ": cannot be written: " + std::strerror(why));
}

// Another run may have replaced a file that grows under its own name.
bool OutputFile::has_its_name() const {
  struct stat ours {};
  struct stat named {};
  return !target_.empty() && fstat(file_, &ours) == 0 && lstat(written_.c_str(), &named) == 0 && is_same(ours, named);
}

void OutputFile::discard() {
  if (file_ < 0) return;
  if (has_its_name()) unlink(written_.c_str());
  close(std::exchange(file_, -1));
}

void OutputFile::write(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(file_, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(errno);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

void OutputFile::finish() {
  const bool named = has_its_name();
  // Some file systems say only here that the disk is full. A descriptor is gone after close(), whatever it answers.
  if (close(std::exchange(file_, -1)) == 0 && (target_ == written_ || std::rename(written_.c_str(), target_.c_str()) == 0))
    return;
  const int why = errno;
  if (named) unlink(written_.c_str());
  fail(why);
}

void write_file(const std::string& path, std::string_view text) {
  OutputFile file(path);
  file.write(text);
  file.finish();
}

bool is_stream(const std::string& path) {
  if (path == "-") return true;
  struct stat status {};
  const std::optional<Place> place = follow(path);
  if (place && place->descriptor >= 0) return true;
  return stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode);
}

bool is_standard_output(const std::string& path) {
  const std::optional<Place> place = follow(path);
  return place && place->descriptor == STDOUT_FILENO;
}

bool same_file(const std::string& a, const std::string& b) {
  if (is_standard_output(a) && is_standard_output(b)) return true;
  struct stat status_a {};
  struct stat status_b {};
  const bool is_a = status_of(a, status_a), is_b = status_of(b, status_b);
  if (is_a && is_b) return S_ISREG(status_a.st_mode) && is_same(status_a, status_b);
  if (is_a || is_b) return false;
  const std::optional<Place> place_a = follow(a), place_b = follow(b);
  if (!place_a || !place_b) return false;
  std::error_code ignored;
  return fs::weakly_canonical(fs::absolute(place_a->path), ignored) ==
         fs::weakly_canonical(fs::absolute(place_b->path), ignored);
}

void keep_standard_output_for_files() {
  std::fflush(stdout);
  standard_output = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  if (standard_output < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
    throw InputError(std::string("standard output: cannot be written: ") + std::strerror(errno));
}

}  // namespace tokenyard
