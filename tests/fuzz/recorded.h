// For workloads read from a file.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/json_reader.h"
#include "sim/workload.h"

namespace tokenyard {

// Reads a file of this content to its end, as a workload of `type`.
inline void read_recorded(const std::string& type, std::string_view text) {
  static const std::string path =
      (std::filesystem::temp_directory_path() / ("fuzz_" + type + std::to_string(getpid()))).string();
  std::ofstream(path, std::ios::binary) << text;
  TextNames texts;
  const JsonValue json = JsonValue(Json::Object{{"type", type}, {"path", path}}, "fuzz.json");
  const auto source = mix_sources({read_workload(json, "", texts)}, 0);
  std::filesystem::remove(path);  // it stays open

  std::vector<SourceEvent> due;
  for (std::int64_t step = 0; source->next_time() != kNever; ++step) {
    due.clear();
    source->poll(source->next_time(), step, due);
  }
}

}  // namespace tokenyard
