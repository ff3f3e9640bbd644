#include "viz/app/settings.h"

#include <cstdlib>
#include <filesystem>

#include "core/base/input_error.h"
#include "core/base/json_reader.h"
#include "core/base/output_file.h"

namespace tokenyard::viz {
namespace {

constexpr std::size_t kMostBytes = 1 << 16;
constexpr int kSmallest = 320, kLargest = 16384;

Settings read_settings(const JsonValue& json) {
  Settings read;
  JsonObject top = json.object();
  read.width = top.at("width").int32(kSmallest, kLargest);
  read.height = top.at("height").int32(kSmallest, kLargest);
  read.theme = top.at("theme").choice({name_of(Theme::dark), name_of(Theme::light)}) == name_of(Theme::dark) ? Theme::dark
                                                                                                             : Theme::light;
  read.scale = static_cast<float>(top.at("scale").number(0, 3));
  read.side_share = static_cast<float>(top.at("side_share").number(0, 0.75));
  JsonObject heights = top.at("heights").object();
  for (const Panel* panel : all_panels()) {
    if (const auto height = heights.find(panel->name)) read.share[*panel] = static_cast<float>(height->number(0, 100));
  }
  heights.done();
  top.done();
  return read;
}

}  // namespace

std::string settings_path() {
  if (const char* config = std::getenv("XDG_CONFIG_HOME"); config != nullptr && *config != '\0') {
    return std::string(config) + "/tokenyard/viewer.json";
  }
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') {
    return std::string(home) + "/.config/tokenyard/viewer.json";
  }
  return "";
}

Settings load_settings(std::string& message) {
  Settings out;
  const std::string path = settings_path();
  std::error_code ignored;
  if (path.empty() || !std::filesystem::exists(path, ignored)) return out;
  try {
    out = read_settings(JsonValue::load(path, kMostBytes));
  } catch (const InputError& error) {
    message = error.what();
  }
  return out;
}

Settings parse_settings(std::string_view text, const std::string& path) { return read_settings(JsonValue::parse(text, path)); }

std::string settings_text(const Settings& settings) {
  Json::Object heights;
  for (const Panel* panel : all_panels()) {
    if (settings.share[*panel] > 0) heights.push_back({panel->name, settings.share[*panel]});
  }
  const Json json =
      Json::Object{{"width", settings.width}, {"height", settings.height},         {"theme", name_of(settings.theme)},
                   {"scale", settings.scale}, {"side_share", settings.side_share}, {"heights", std::move(heights)}};
  return json.dump(1) + "\n";
}

void save_settings(const Settings& settings) {
  const std::filesystem::path path = settings_path();
  if (path.empty()) return;
  std::error_code ignored;
  std::filesystem::create_directories(path.parent_path(), ignored);
  try {
    write_file(path, settings_text(settings));
  } catch (const InputError&) {
    // A home that cannot be written: the next window opens as this one did.
  }
}

void apply_settings(const Settings& settings, App& app) {
  if (!app.theme_chosen) app.theme = settings.theme;
  if (!app.scale_chosen && settings.scale >= 1) app.scale = settings.scale;
  app.share = settings.share;
  app.side_share = settings.side_share;
}

Settings settings_of(const App& app, int width, int height) {
  Settings out;
  out.width = width;
  out.height = height;
  out.theme = app.theme;
  out.scale = app.scale;
  out.share = app.share;
  out.side_share = app.side_share;
  return out;
}

}  // namespace tokenyard::viz
