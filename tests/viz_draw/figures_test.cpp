// Not a test: how long it takes from a slider's move to panels that follow. test_viz_draw "[.figures]" prints
// docs/measurements.md's.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <vector>

#include "catch.h"
#include "sim/lesson.h"
#include "tests/viz_draw/rig.h"

namespace tokenyard::viz {

TEST_CASE("What-if figures", "[.figures]") {
  using Watch = std::chrono::steady_clock;
  const auto ms = [](Watch::duration d) { return std::chrono::duration<double, std::milli>(d).count(); };
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(TOKENYARD_SOURCE_DIR) + "/scenarios")) {
    if (entry.path().extension() == ".json") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  fmt::print("{:<22}{:<16}{:>10}{:>12}{:>12}{:>10}\n", "scenario", "variant", "steps", "simulate ms", "refresh ms", "frame ms");
  for (const auto& path : paths) {
    for (const Variant& variant : load_lesson(path.string()).variants) {
      const auto begin = Watch::now();
      App app;
      auto side = open_scenario(path.string(), variant.overrides, variant.name);
      const auto simulated = Watch::now();
      add_side(app, std::move(side));
      const auto refreshed = Watch::now();
      Rig rig(app, 1920, 1080);
      rig.frames(3);
      const auto before = Watch::now();
      rig.frames(1);
      const auto drawn = Watch::now();
      fmt::print("{:<22}{:<16}{:>10}{:>12.1f}{:>12.1f}{:>10.2f}\n", path.stem().string(), variant.name,
                 app.side().model->num_steps(), ms(simulated - begin), ms(refreshed - simulated), ms(drawn - before));
    }
  }
}

TEST_CASE("Frame figures of runs beside each other", "[.figures]") {
  App app;
  for (const char* variant : {"engine.num_blocks=28594", "engine.num_blocks=2000", "engine.policy=nano_vllm", "rate_scale=2"}) {
    add_side(app, open_scenario(scenario_file("chat-hour"), {variant}, variant));
    move_cursor(app, app.extent.end / 2);
    Rig rig(app, 1920, 1080);
    double still = 1e9, moving = 1e9;
    for (int i = 0; i < 20; ++i) {
      const auto begin = std::chrono::steady_clock::now();
      rig.frames(1);
      const auto drawn = std::chrono::steady_clock::now();
      still = std::min(still, std::chrono::duration<double, std::milli>(drawn - begin).count());
      for (auto& side : app.sides) side->bars.clear();  // as if the visible time had changed
      rig.frames(1);
      moving = std::min(moving, std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - drawn).count());
    }
    fmt::print("{} runs, 1920 x 1080: a frame {:.2f} ms, {:.2f} ms when it moves\n", app.sides.size(), still, moving);
  }
}

TEST_CASE("Picture figures", "[.figures]") {
  App app;
  add_side(app, open_scenario(scenario_file("preemption-storm"), {}, "crowded"));
  move_cursor(app, 2'000'000'000);
  for (const auto& [width, height] : {std::pair{1280, 800}, {1920, 1080}, {3840, 2160}}) {
    const auto begin = std::chrono::steady_clock::now();
    const Image image = take_picture(app, width, height);
    const auto drawn = std::chrono::steady_clock::now();
    const std::string path = (std::filesystem::temp_directory_path() / "tokenyard-figures.png").string();
    write_png(path, image);
    const auto written = std::chrono::steady_clock::now();
    fmt::print("{} x {}: font, three frames and pixels {:.0f} ms, PNG {:.0f} ms, {} KB\n", width, height,
               std::chrono::duration<double, std::milli>(drawn - begin).count(),
               std::chrono::duration<double, std::milli>(written - drawn).count(), std::filesystem::file_size(path) / 1000);
    std::filesystem::remove(path);
  }
}

}  // namespace tokenyard::viz
