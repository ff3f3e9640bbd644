#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "core/base/input_error.h"
#include "core/base/output_file.h"
#include "core/base/text_file.h"
#include "sim/sweep.h"

namespace tokenyard {

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
  if (is_stream(path)) return;
  file_ = open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (file_ < 0) throw InputError(path + ": cannot be written: " + std::strerror(errno));
  try {
    if (flock(file_, LOCK_EX | LOCK_NB) != 0) fail("another sweep is writing it; give each shard a file of its own");
    read();
  } catch (...) {
    close(file_);
    throw;
  }
}

SweepFile::~SweepFile() {
  if (file_ >= 0) close(file_);
}

void SweepFile::fail(const std::string& what) const { throw InputError(path_ + ": " + what); }

void SweepFile::read() {
  const off_t bytes = lseek(file_, 0, SEEK_END);
  off_t whole = bytes;  // up to the last line end
  for (char c = 0; whole > 0; --whole) {
    if (pread(file_, &c, 1, whole - 1) != 1) fail(std::string("cannot be read: ") + std::strerror(errno));
    if (c == '\n') break;
  }
  if (whole == 0) {
    // Nothing, or the beginning of a header: anything else is somebody's file.
    const std::string header = csv_line(columns_);
    std::string begun(static_cast<std::size_t>(std::min<off_t>(bytes, 1 << 16)), '\0');
    if (pread(file_, begun.data(), begun.size(), 0) != static_cast<ssize_t>(begun.size()) || !header.starts_with(begun)) {
      fail("line 1: expected the columns of this sweep, found others; choose a new file");
    }
    if (ftruncate(file_, 0) != 0) fail(std::string("cannot be written: ") + std::strerror(errno));
    write_all(header);
    return;
  }
  LineReader lines(path_);
  std::string_view line;
  std::vector<std::string> cells;
  bool has_header = false;
  off_t at = 0;
  while (at < whole && lines.next(line)) {
    at += static_cast<off_t>(line.size()) + 1;
    const bool is_csv = parse_csv_line(line, cells);
    if (is_csv && cells == columns_) {  // again after the first line: files of several shards, one after the other
      has_header = true;
      continue;
    }
    if (!has_header) lines.fail("expected the columns of this sweep, found others; choose a new file");
    if (!is_csv) lines.fail("expected CSV, found a quote that does not match");
    if (cells.size() != columns_.size()) {
      lines.fail("expected " + std::to_string(columns_.size()) + " cells, found " + std::to_string(cells.size()));
    }
    if (!rows_.contains(cells.front())) order_.push_back(cells.front());
    rows_[cells.front()] = cells;
  }
  if (ftruncate(file_, whole) != 0) fail(std::string("cannot be written: ") + std::strerror(errno));
}

const std::vector<std::string>* SweepFile::find(const std::string& key) const {
  const auto found = rows_.find(key);
  return found == rows_.end() ? nullptr : &found->second;
}

void SweepFile::append(const std::vector<std::string>& row) {
  if (file_ >= 0) write_all(csv_line(row));
  if (!rows_.contains(row.front())) order_.push_back(row.front());
  rows_[row.front()] = row;
}

void SweepFile::write_all(const std::string& text) const {
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t written = write(file_, text.data() + done, text.size() - done);
    if (written < 0 && errno != EINTR) fail(std::string("cannot be written: ") + std::strerror(errno));
    if (written > 0) done += static_cast<std::size_t>(written);
  }
}

void SweepFile::finish(const std::vector<std::string>& keys) {
  std::string text = csv_line(columns_);
  std::map<std::string, bool> written;
  for (const auto* list : {&keys, static_cast<const std::vector<std::string>*>(&order_)}) {
    for (const std::string& key : *list) {
      const auto row = rows_.find(key);
      if (row != rows_.end() && !std::exchange(written[key], true)) text += csv_line(row->second);
    }
  }
  write_file(path_, text);
}

}  // namespace tokenyard
