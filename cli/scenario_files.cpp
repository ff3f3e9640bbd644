#include "cli/scenario_files.h"

#include <cstdlib>
#include <filesystem>
#include <map>

#include "core/input_error.h"

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

}  // namespace

std::string find_scenario(const std::string& name) {
  std::error_code ignored;
  if (fs::exists(name, ignored) && !fs::is_directory(name, ignored)) return name;
  if (name.empty() || name.find('/') != std::string::npos || name.find('.') != std::string::npos) return name;
  std::string searched;
  for (const fs::path& folder : folders()) {
    const fs::path path = folder / (name + ".json");
    if (fs::exists(path, ignored)) return path.string();
    searched += (searched.empty() ? "" : ", ") + folder.string();
  }
  throw InputError(name + ": expected a file or a scenario's name, found no " + name + ".json in " + searched);
}

std::string find_model_folder(const std::string& name) {
  std::error_code ignored;
  for (const fs::path& folder : folders()) {
    const fs::path path = folder / "models" / name;
    if (fs::exists(path / "config.json", ignored)) return path.string();
  }
  throw InputError("the embedded model \"" + name + "\" is not installed; give a folder: --model");
}

std::vector<std::string> all_scenarios() {
  std::map<std::string, std::string> found;
  for (const fs::path& folder : folders()) {
    std::error_code missing;
    for (const auto& entry : fs::directory_iterator(folder, missing)) {
      if (entry.path().extension() == ".json") found.emplace(entry.path().stem().string(), entry.path().string());
    }
  }
  std::vector<std::string> paths;
  for (const auto& [name, path] : found) paths.push_back(path);
  return paths;
}

}  // namespace tokenyard::cli
