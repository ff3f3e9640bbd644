#include "cli/scenario_files.h"

#include <cstdlib>
#include <filesystem>
#include <map>

#include "cli/options/closest.h"
#include "core/base/input_error.h"

namespace tokenyard::cli {
namespace {

namespace fs = std::filesystem;

// $TOKENYARD_SCENARIOS, ./scenarios, what was installed along with this program, the sources it was built from.
std::vector<fs::path> folders() {
  std::vector<fs::path> out;
  if (const char* set = std::getenv("TOKENYARD_SCENARIOS"); set != nullptr && *set != '\0') out.emplace_back(set);
  out.emplace_back("scenarios");
  std::error_code unknown;
  const fs::path program = fs::read_symlink("/proc/self/exe", unknown);
  if (!unknown) out.push_back(program.parent_path().parent_path() / TOKENYARD_INSTALLED_SCENARIOS);
  out.emplace_back(TOKENYARD_SOURCE_SCENARIOS);
  return out;
}

// `inside`: a folder in each, or empty.
std::vector<std::string> all(const char* inside) {
  std::map<std::string, std::string> found;
  for (const fs::path& folder : folders()) {
    std::error_code missing;
    for (const auto& entry : fs::directory_iterator(folder / inside, missing)) {
      if (entry.path().extension() == ".json") found.emplace(entry.path().stem().string(), entry.path().string());
    }
  }
  std::vector<std::string> paths;
  for (const auto& [name, path] : found) paths.push_back(path);
  return paths;
}

std::string find(const std::string& name, const char* inside, const std::string& what) {
  std::error_code ignored;
  const fs::file_status status = fs::status(name, ignored);
  // What is there but cannot be looked at is for the reader to open, who says why not.
  const bool absent = status.type() == fs::file_type::not_found || status.type() == fs::file_type::directory;
  if (name == "-" || (!absent && !name.empty())) return name;
  if (name.empty()) throw InputError("expected a file or a " + what + "'s name, found \"\"");
  if (name.find('/') != std::string::npos || name.find('.') != std::string::npos) return name;
  std::string searched;
  for (const fs::path& folder : folders()) {
    const fs::path path = folder / inside / (name + ".json");
    if (fs::exists(path, ignored)) return path.string();
    searched += (searched.empty() ? "" : ", ") + (folder / inside).string();
  }
  if (status.type() == fs::file_type::directory) throw InputError(name + ": cannot be read: Is a directory");
  std::vector<std::string> names;
  for (const std::string& path : all(inside)) names.push_back(fs::path(path).stem().string());
  throw InputError(name + ": expected a file or a " + what + "'s name, found no " + name + ".json in " + searched +
                   did_you_mean(name, names));
}

}  // namespace

std::string find_scenario(const std::string& name) { return find(name, "", "scenario"); }
std::string find_lesson(const std::string& name) { return find(name, "lessons", "lesson"); }
std::vector<std::string> all_scenarios() { return all(""); }
std::vector<std::string> all_lessons() { return all("lessons"); }
std::vector<std::string> all_exercises() { return all("exercises"); }

std::string find_model_folder(const std::string& name) {
  std::error_code ignored;
  for (const fs::path& folder : folders()) {
    const fs::path path = folder / "models" / name;
    if (fs::exists(path / "config.json", ignored)) return path.string();
  }
  throw InputError("the embedded model \"" + name + "\" is not installed; give a folder: --model");
}

std::string find_fidelity_run(const std::string& name) {
  for (const fs::path& folder : folders()) {
    std::error_code ignored;
    const fs::path path = folder / "fidelity" / (name + ".json");
    if (fs::exists(path, ignored)) return path.string();
  }
  throw InputError("fidelity/" + name + ".json: is not beside the scenarios; TOKENYARD_SCENARIOS names their folder");
}

}  // namespace tokenyard::cli
