#include "cli/output/check_outputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "cli/scenario_files.h"
#include "core/base/input_error.h"
#include "core/base/json.h"
#include "core/base/output_file.h"
#include "core/base/text_file.h"
#include "sim/workload.h"

namespace tokenyard::cli {
namespace {

constexpr std::size_t kMostScenarioBytes = std::size_t{256} << 20;
constexpr std::size_t kMostFiles = 1000;  // two files may name each other

std::vector<std::string> words_of(const Argument& argument) {
  if (const auto* one = std::get_if<std::string*>(&argument.target)) {
    if ((*one)->empty()) return {};
    return {**one};
  }
  if (const auto* several = std::get_if<std::vector<std::string>*>(&argument.target)) return **several;
  return {};
}

bool is_file(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored);
}

// What a scenario, a lesson or a workload's text names and is there: any string may be a path, seen from the file's folder.
void add_named_files(const Json& json, const std::string& folder, std::vector<std::string>& files) {
  if (json.is_string()) {
    std::string path = file_beside(folder, json.string());
    if (is_file(path)) files.push_back(std::move(path));
  } else if (json.is_array()) {
    for (const Json& each : json.array()) add_named_files(each, folder, files);
  } else if (json.is_object()) {
    for (const auto& [key, value] : json.object()) {
      if (key != "requests") add_named_files(value, folder, files);  // a million, which name no file
    }
  }
}

void add_files_in(const std::string& path, std::vector<std::string>& files);

// One file or folder of a command line, and what it leads to.
void add_input(const std::string& path, std::vector<std::string>& files) {
  if (path == "-") return add_input("/dev/stdin", files);
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    // A folder of a model or of tables; other files that lie there are none of theirs.
    for (const auto& entry : std::filesystem::directory_iterator(path, ignored)) {
      const std::string ending = entry.path().extension();
      if (ending == ".json" || ending == ".safetensors" || ending == ".csv" || ending == ".gz" || ending == ".xz")
        files.push_back(entry.path());
    }
    return;
  }
  if (!is_file(path)) return;
  files.push_back(path);
  add_files_in(path, files);
}

// A lesson leads to a scenario, a scenario to traffic and to files of models and hardware.
void add_files_in(const std::string& path, std::vector<std::string>& files) {
  if (!path.ends_with(".json")) return;
  const std::size_t known = files.size();
  try {
    add_named_files(Json::parse(read_text_file(path, kMostScenarioBytes), path),
                    std::filesystem::path(path).parent_path().string(), files);
  } catch (const InputError&) {
    return;  // the command says what is wrong with it
  }
  for (std::size_t i = known, end = files.size(); i < end; ++i) {
    if (!same_file(files[i], path) && files.size() < kMostFiles) add_files_in(std::string(files[i]), files);
  }
}

// A word may be a path, NAME:VARIANT, or KEY=PATH,PATH.
void add_inputs(const Argument& argument, const std::string& word, std::vector<std::string>& files) {
  const std::size_t equals = word.find('=');
  if (equals != std::string::npos) {
    for (std::size_t begin = equals + 1; begin <= word.size();) {
      const std::size_t end = std::min(word.find(',', begin), word.size());
      add_input(word.substr(begin, end - begin), files);
      begin = end + 1;
    }
  }
  std::error_code ignored;
  std::string name = word;
  const bool is_lesson = argument.name == "--lesson";
  if (is_lesson || argument.name.starts_with("SCENARIO")) {
    if (!std::filesystem::exists(name, ignored)) name.resize(std::min(name.rfind(':'), name.size()));
    try {
      name = is_lesson ? find_lesson(name) : find_scenario(name);
    } catch (const InputError&) {
      return;  // the command says so
    }
  }
  add_input(name, files);
}

}  // namespace

void check_outputs(const Command& command) {
  struct Output {
    const Argument* argument;
    std::string path;
  };
  std::vector<Output> outputs;
  bool may_replace = false;
  for (const Argument& argument : command.arguments()) {
    if (!argument.is_output) continue;
    for (const std::string& path : words_of(argument)) {
      outputs.push_back({&argument, path});
      // What standard output is redirected to may be an input, too.
      may_replace = may_replace || is_stream(path) || is_file(path);
    }
  }
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (same_file(outputs[i].path, outputs[j].path)) {
        throw InputError(fmt::format("tokenyard {}: {} {} and {} {}: expected two files, found one", command.name(),
                                     outputs[j].argument->name, outputs[j].path, outputs[i].argument->name, outputs[i].path));
      }
    }
  }
  if (may_replace) {
    std::vector<std::string> inputs;
    for (const Argument& argument : command.arguments()) {
      if (argument.is_output) continue;
      for (const std::string& word : words_of(argument)) add_inputs(argument, word, inputs);
    }
    for (const Output& output : outputs) {
      for (const std::string& input : inputs) {
        if (!same_file(output.path, input)) continue;
        throw InputError(fmt::format("tokenyard {}: {} {}: expected another file than the input {}, which would be lost",
                                     command.name(), output.argument->name, output.path, input));
      }
    }
  }
  for (const Output& output : outputs) {
    if (!is_standard_output(output.path)) continue;
    keep_standard_output_for_files();
    return;
  }
}

}  // namespace tokenyard::cli
