#include "sim/sweep.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <istream>
#include <set>

#include "core/base/input_error.h"
#include "core/base/json.h"
#include "core/base/text_file.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace tokenyard {
namespace {

std::string hex(std::uint64_t value) {
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(value));
  return digits;
}

std::string hash_of_file(const std::string& path) {
  const std::unique_ptr<std::istream> file = open_text_file(path);
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  std::vector<char> buffer(1 << 16);
  while (file->read(buffer.data(), static_cast<std::streamsize>(buffer.size())), file->gcount() > 0) {
    XXH3_64bits_update(&state, buffer.data(), static_cast<std::size_t>(file->gcount()));
  }
  return hex(XXH3_64bits_digest(&state));
}

}  // namespace

Axis parse_axis(const std::string& text) {
  const auto fail = [&](const std::string& what) { throw InputError("--vary " + text.substr(0, 200) + ": " + what); };
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) fail("expected PATH=VALUE,VALUE,..., found no path");
  Axis axis;
  axis.path = text.substr(0, equals);
  std::string value;
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = equals + 1; i < text.size(); ++i) {
    const char c = text[i];
    if (static_cast<unsigned char>(c) < 0x20) fail("expected values without control characters, found one");
    if (quoted && c == '\\' && i + 1 < text.size()) {
      value += c;
      value += text[++i];
      continue;
    }
    if (c == '"') quoted = !quoted;
    if (!quoted && (c == '[' || c == '{')) ++depth;
    if (!quoted && (c == ']' || c == '}')) --depth;
    if (c == ',' && !quoted && depth == 0) {
      axis.values.push_back(value);
      value.clear();
    } else {
      value += c;
    }
  }
  axis.values.push_back(value);
  std::set<std::string> seen;
  for (const std::string& each : axis.values) {
    if (each.empty()) fail("expected a value between commas, found none");
    if (!seen.insert(each).second) fail("expected each value once, found " + each + " twice");
  }
  return axis;
}

Grid::Grid(std::vector<Axis> axes) : axes_(std::move(axes)) {
  std::set<std::string> paths;
  for (const Axis& axis : axes_) {
    if (!paths.insert(axis.path).second) throw InputError("--vary " + axis.path + ": expected each path once, found it twice");
    size_ *= static_cast<std::int64_t>(axis.values.size());
    if (size_ > kMostCombinations) {
      throw InputError("--vary " + axis.path + ": expected at most " + std::to_string(kMostCombinations) +
                       " combinations in all, found more");
    }
  }
}

std::vector<std::string> Grid::values(std::int64_t combination) const {
  std::vector<std::string> out(axes_.size());
  for (std::size_t i = axes_.size(); i-- > 0;) {
    const auto count = static_cast<std::int64_t>(axes_[i].values.size());
    out[i] = axes_[i].values[static_cast<std::size_t>(combination % count)];
    combination /= count;
  }
  return out;
}

std::vector<std::string> Grid::overrides(std::int64_t combination) const {
  std::vector<std::string> out = values(combination);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = axes_[i].path + "=" + out[i];
  return out;
}

Shard Shard::parse(const std::string& text) {
  Shard shard;
  const char* end = text.data() + text.size();
  const auto [slash, bad_index] = std::from_chars(text.data(), end, shard.index);
  const bool has_slash = bad_index == std::errc{} && slash != end && *slash == '/';
  const auto [last, bad_count] = std::from_chars(has_slash ? slash + 1 : end, end, shard.count);
  if (!has_slash || bad_count != std::errc{} || last != end || shard.index < 1 || shard.index > shard.count) {
    throw InputError("--shard: expected i/n with 1 <= i <= n, found \"" + text + "\"");
  }
  return shard;
}

std::string RunKeys::key(const Scenario& scenario, const Slo& slo) {
  Json json = Json::parse(scenario.json, scenario.name);
  for (Json& workload : json["workload"].array()) {
    Json* const path = workload.find("path");
    if (path == nullptr) continue;
    const std::lock_guard lock(mutex_);
    auto found = contents_.find(path->string());
    if (found == contents_.end()) found = contents_.emplace(path->string(), hash_of_file(path->string())).first;
    *path = found->second;
  }
  std::string text = program_ + "\n" + json.dump() + "\n";
  for (const auto& limit : {slo.ttft, slo.tpot, slo.e2el}) text += std::to_string(limit.value_or(-1)) + "\n";
  return hex(XXH3_64bits(text.data(), text.size()));
}

}  // namespace tokenyard
