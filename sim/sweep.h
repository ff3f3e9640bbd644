// A grid of runs over one scenario, and the CSV file that remembers which of them are done.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/metrics.h"
#include "sim/scenario.h"

namespace tokenyard {

struct Axis {
  std::string path;                 // "engine.block_size"
  std::vector<std::string> values;  // JSON, else strings: what load_scenario's overrides take
};

// "PATH=VALUE,VALUE,..."; commas inside brackets, braces or quotes do not separate. Throws InputError.
Axis parse_axis(const std::string& text);

inline constexpr std::int64_t kMostCombinations = 1'000'000;

// All combinations of the axes' values, numbered with the last axis running fastest.
class Grid {
 public:
  // Throws InputError when there are more than kMostCombinations, or a path stands twice.
  explicit Grid(std::vector<Axis> axes);
  const std::vector<Axis>& axes() const { return axes_; }
  std::int64_t size() const { return size_; }
  std::vector<std::string> values(std::int64_t combination) const;     // one per axis
  std::vector<std::string> overrides(std::int64_t combination) const;  // "path=value"

 private:
  std::vector<Axis> axes_;
  std::int64_t size_ = 1;
};

// The combinations shard `i` of `n` runs: i-1, i-1+n, ...; neighbours, which take alike long, go to different shards.
struct Shard {
  std::int64_t index = 1, count = 1;
  static Shard parse(const std::string& text);  // "i/n", 1 <= i <= n; throws InputError
  std::int64_t size_of(std::int64_t combinations) const { return (combinations - index + count) / count; }  // that it runs
};

// Names a run by what decides its result: the program's version, the resolved scenario, the contents (not the places) of the
// files it reads, the objectives. 16 hexadecimal digits. From any thread. Throws InputError.
class RunKeys {
 public:
  explicit RunKeys(std::string program) : program_(std::move(program)) {}
  std::string key(const Scenario& scenario, const Slo& slo);

 private:
  std::string program_;
  std::mutex mutex_;
  std::map<std::string, std::string> contents_;  // by path: their hash
};

// Rows of text, the first cell their key. Every row is written whole with one system call as soon as it is there; what a kill
// leaves of a last line is dropped at the next start. While open, the file is locked against other sweeps. Memory: a key and a
// place a row.
class SweepFile {
 public:
  // Opens or creates; of a stream (core/base/output_file.h), nothing before finish(): until then the rows lie in a file without
  // a name. Throws InputError when the file has other columns, is no CSV, or is in use.
  SweepFile(const std::string& path, std::vector<std::string> columns);
  ~SweepFile();
  SweepFile(const SweepFile&) = delete;
  SweepFile& operator=(const SweepFile&) = delete;

  // Row by key, if it is there. A key that stands twice: the last one.
  std::optional<std::vector<std::string>> find(const std::string& key) const;
  void append(const std::vector<std::string>& row);
  // Replaces the file: the rows of `keys` in this order, then what else the file had, in its.
  void finish(const std::vector<std::string>& keys);

 private:
  struct Place {
    std::int64_t begin = 0, bytes = 0;  // of the line, with its end
    std::int64_t number = 0;            // in the order of the keys' first appearance
  };
  void read();
  [[noreturn]] void fail(const std::string& what) const;
  void write_all(const std::string& text);
  void add(const std::string& key, std::int64_t begin, std::int64_t bytes);
  std::string line_at(const Place& place) const;

  std::string path_;
  std::vector<std::string> columns_;
  int file_ = -1;
  std::int64_t bytes_ = 0;  // of the file
  std::unordered_map<std::string, Place> rows_;
};

// One line of CSV (RFC 4180, without line ends inside cells).
std::string csv_line(const std::vector<std::string>& cells);
// False when the quotes do not match.
bool parse_csv_line(std::string_view line, std::vector<std::string>& cells);

}  // namespace tokenyard
