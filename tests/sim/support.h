// What the simulator's tests share.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "catch.h"
#include "core/base/input_error.h"
#include "sim/scenario.h"

namespace tokenyard {

inline std::string error_of(const auto& action) {
  try {
    action();
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

// A file that is gone after the test.
class TemporaryFile {
 public:
  TemporaryFile(const std::string& name, const std::string& text) {
    std::string pattern = (std::filesystem::temp_directory_path() / "tokenyard-test-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary directory");
    directory_ = pattern;
    path_ = (std::filesystem::path(pattern) / name).string();
    std::ofstream(path_, std::ios::binary) << text;
  }
  ~TemporaryFile() { std::filesystem::remove_all(directory_); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string directory_, path_;
};

// Everything a source yields when nobody ever answers.
inline std::vector<SourceEvent> drain(RequestSource& source) {
  std::vector<SourceEvent> all;
  while (source.next_time() != kNever) source.poll(source.next_time(), -1, all);
  return all;
}

inline Scenario scenario_of(const std::string& text, const std::vector<std::string>& overrides = {}) {
  return parse_scenario(text, "test.json", ".", overrides);
}

// A scenario with constant steps around one workload (a JSON object).
inline std::string constant_scenario(const std::string& workload, const std::string& engine = R"({"num_blocks": 1000})") {
  return R"({"tokenyard_scenario": 1, "name": "t", "step_time": {"per_step_us": 1000}, "engine": )" + engine +
         R"(, "seed": 7, "workload": [)" + workload + "]}";
}

}  // namespace tokenyard
