#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <utility>

#include "core/base/input_error.h"
#include "core/base/output_file.h"
#include "core/base/text_file.h"
#include "sim/sweep.h"

namespace tokenyard {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 16;  // written at once

}  // namespace

std::string csv_line(const std::vector<std::string>& cells) {
  std::string out;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) out += ',';
    if (cells[i].find_first_of(",\"") == std::string::npos) {
      out += cells[i];
      continue;
    }
    out += '"';
    for (const char c : cells[i]) out.append(c == '"' ? 2 : 1, c);
    out += '"';
  }
  return out + '\n';
}

bool parse_csv_line(std::string_view line, std::vector<std::string>& cells) {
  cells.clear();
  for (std::size_t i = 0;; ++i) {
    std::string cell;
    if (i < line.size() && line[i] == '"') {
      for (++i;; ++i) {
        if (i >= line.size()) return false;
        if (line[i] == '"' && (++i >= line.size() || line[i] != '"')) break;
        cell += line[i];
      }
      if (i < line.size() && line[i] != ',') return false;
    } else {
      for (; i < line.size() && line[i] != ','; ++i) {
        if (line[i] == '"') return false;
        cell += line[i];
      }
    }
    cells.push_back(std::move(cell));
    if (i >= line.size()) return true;
  }
}

SweepFile::SweepFile(const std::string& path, std::vector<std::string> columns) : path_(path), columns_(std::move(columns)) {
  const bool stream = is_stream(path);
  if (stream) {
    std::FILE* const nameless = std::tmpfile();
    if (nameless == nullptr) fail(std::string("rows cannot be kept until the end: ") + std::strerror(errno));
    file_ = fcntl(fileno(nameless), F_DUPFD_CLOEXEC, 0);
    std::fclose(nameless);
  } else {
    file_ = open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  }
  if (file_ < 0) throw InputError(path + ": cannot be written: " + std::strerror(errno));
  try {
    if (!stream && flock(file_, LOCK_EX | LOCK_NB) != 0) fail("another sweep is writing it; give each shard a file of its own");
    read();
  } catch (...) {
    close(file_);
    throw;
  }
}

SweepFile::~SweepFile() { close(file_); }

void SweepFile::fail(const std::string& what) const { throw InputError(path_ + ": " + what); }

void SweepFile::add(const std::string& key, std::int64_t begin, std::int64_t bytes) {
  const auto number = static_cast<std::int64_t>(rows_.size());
  Place& place = rows_.try_emplace(key, Place{0, 0, number}).first->second;
  place.begin = begin;
  place.bytes = bytes;
}

std::string SweepFile::line_at(const Place& place) const {
  std::string line(static_cast<std::size_t>(place.bytes), '\0');
  for (std::size_t done = 0; done < line.size();) {
    const ssize_t got = pread(file_, line.data() + done, line.size() - done, place.begin + static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) fail(std::string("cannot be read: ") + (got < 0 ? std::strerror(errno) : "it has become shorter"));
    done += static_cast<std::size_t>(got);
  }
  while (line.ends_with('\n') || line.ends_with('\r')) line.pop_back();
  return line;
}

void SweepFile::read() {
  bytes_ = lseek(file_, 0, SEEK_END);
  off_t whole = bytes_;  // up to the last line end
  for (char c = 0; whole > 0; --whole) {
    if (pread(file_, &c, 1, whole - 1) != 1) fail(std::string("cannot be read: ") + std::strerror(errno));
    if (c == '\n') break;
  }
  if (whole == 0) {
    // Nothing, or the beginning of a header: anything else is somebody's file.
    const std::string header = csv_line(columns_);
    const std::string begun = line_at({0, std::min<std::int64_t>(bytes_, 1 << 16), 0});
    if (!header.starts_with(begun)) fail("line 1: expected the columns of this sweep, found others; choose a new file");
    if (ftruncate(file_, 0) != 0) fail(std::string("cannot be written: ") + std::strerror(errno));
    bytes_ = 0;
    write_all(header);
    return;
  }
  std::ifstream lines(path_, std::ios::binary);  // not a LineReader, which does not say where a line began
  std::string line;
  std::vector<std::string> cells;
  bool has_header = false;
  std::int64_t at = 0;
  for (std::int64_t number = 1; at < whole && std::getline(lines, line); ++number) {
    const std::int64_t begin = std::exchange(at, at + static_cast<std::int64_t>(line.size()) + 1);
    const auto fail_here = [&](const std::string& what) { fail("line " + std::to_string(number) + ": " + what); };
    if (number == 1 && line.starts_with(kByteOrderMark)) line.erase(0, kByteOrderMark.size());
    if (line.ends_with('\r')) line.pop_back();
    const bool is_csv = parse_csv_line(line, cells);
    if (is_csv && cells == columns_) {  // again after the first line: files of several shards, one after the other
      has_header = true;
      continue;
    }
    if (!has_header) fail_here("expected the columns of this sweep, found others; choose a new file");
    if (!is_csv) fail_here("expected CSV, found a quote that does not match");
    if (cells.size() != columns_.size())
      fail_here("expected " + std::to_string(columns_.size()) + " cells, found " + std::to_string(cells.size()));
    add(cells.front(), begin, at - begin);
  }
  if (ftruncate(file_, whole) != 0) fail(std::string("cannot be written: ") + std::strerror(errno));
  bytes_ = whole;
}

std::optional<std::vector<std::string>> SweepFile::find(const std::string& key) const {
  const auto found = rows_.find(key);
  if (found == rows_.end()) return std::nullopt;
  std::vector<std::string> cells;
  parse_csv_line(line_at(found->second), cells);
  return cells;
}

void SweepFile::append(const std::vector<std::string>& row) {
  const std::int64_t begin = bytes_;
  write_all(csv_line(row));
  add(row.front(), begin, bytes_ - begin);
}

void SweepFile::write_all(const std::string& text) {
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t written = write(file_, text.data() + done, text.size() - done);
    if (written < 0 && errno != EINTR) fail(std::string("cannot be written: ") + std::strerror(errno));
    if (written > 0) done += static_cast<std::size_t>(written);
  }
  bytes_ += static_cast<std::int64_t>(text.size());
}

void SweepFile::finish(const std::vector<std::string>& keys) {
  std::unordered_map<std::string, Place> left = std::move(rows_);
  OutputFile out(path_);
  std::string text = csv_line(columns_);
  const auto put = [&](const Place& place) {
    text += line_at(place) + '\n';
    if (text.size() < kPiece) return;
    out.write(text);
    text.clear();
  };
  for (const std::string& key : keys) {
    const auto row = left.find(key);
    if (row == left.end()) continue;  // it stands there already
    put(row->second);
    left.erase(row);
  }
  std::vector<Place> others;
  for (const auto& [key, place] : left) others.push_back(place);
  std::sort(others.begin(), others.end(), [](const Place& a, const Place& b) { return a.number < b.number; });
  for (const Place& place : others) put(place);
  out.write(text);
  out.finish();
}

}  // namespace tokenyard
