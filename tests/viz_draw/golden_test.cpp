// Pictures compared pixel by pixel. Written anew by TOKENYARD_UPDATE_GOLDEN=1; look at them before they are kept.
#include <imgui.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "catch.h"
#include "tests/viz_draw/rig.h"
#include "viz/app/when.h"
#include "viz/host/raster.h"

namespace tokenyard::viz {
namespace {

// Letters and anti-aliasing differ between releases of Dear ImGui and between fonts: elsewhere there is nothing to compare.
constexpr int kImguiOfGolden = 18600;
constexpr int kFontBytes = 759720;  // DejaVuSans.ttf 2.37

bool comparable() {
  std::error_code unknown;
  return IMGUI_VERSION_NUM == kImguiOfGolden &&
         std::filesystem::file_size("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", unknown) == kFontBytes && !unknown;
}

void check_picture(const std::string& name, const Image& image) {
  const std::string path = std::string(TOKENYARD_SOURCE_DIR) + "/tests/viz_draw/golden/" + name + ".png";
  const char* update = std::getenv("TOKENYARD_UPDATE_GOLDEN");
  if (update != nullptr && std::string(update) == "1") {
    write_png(path, image);
    return;
  }
  if (!comparable()) {
    WARN("another Dear ImGui or font than the pictures were made with: " << name << " is not compared");
    return;
  }
  const Image golden = read_png(path);
  REQUIRE(golden.width == image.width);
  REQUIRE(golden.height == image.height);
  const ImageDifference difference = compare(golden, image);
  if (difference.pixels > 0) write_png(name + ".actual.png", image);
  INFO(name << ": " << difference.pixels << " pixels differ, by at most " << difference.most << "; see " << name
            << ".actual.png");
  CHECK(difference.pixels == 0);
}

}  // namespace

TEST_CASE("Pictures are as they were") {
  App app;
  SECTION("one run") {
    add_side(app, open_scenario(scenario_file("preemption-storm"), {}, "crowded"));
    move_cursor_to_time(app, parse_when("preemption 10", *app.side().model, ""));
    select(app, "54");
    check_picture("one-run", take_picture(app, 1280, 800));
  }
  SECTION("two runs, light") {
    add_side(app, open_scenario(scenario_file("paged-memory"), {"engine.reservation=max"}, "reserved"));
    add_side(app,
             open_scenario(scenario_file("paged-memory"),
                           {"engine.policy=vllm_v1", "engine.num_blocks=626", "engine.enable_prefix_caching=false"}, "paged"));
    app.theme = Theme::light;
    move_cursor(app, 1'500'000'000);
    check_picture("two-runs-light", take_picture(app, 1280, 800));
  }
  SECTION("twice as large") {
    add_side(app, open_scenario(scenario_file("system-prompt-storm"), {}, "shared"));
    app.scale = 2;
    move_cursor(app, 1'000'000'000);
    check_picture("scale-2", take_picture(app, 1280, 800));
  }
  SECTION("a lesson's page") {
    open_lesson(app, load_lesson_pages(std::string(TOKENYARD_SOURCE_DIR) + "/scenarios/lessons/chunked-prefill.json"));
    show_page(app, 1);
    check_picture("lesson", take_picture(app, 1280, 800));
  }
  SECTION("a tip") {
    add_side(app, open_scenario(scenario_file("preemption-storm"), {}, "crowded"));
    select(app, "54");
    Rig rig(app);
    const Box box = rig.some("requests", Ref::Kind::span).box;
    rig.mouse(std::floor((box.x0 + box.x1) / 2), std::floor((box.y0 + box.y1) / 2));
    rig.frames(3);
    check_picture("tip", rig.headless.picture(app.theme));
  }
  SECTION("the menu") {
    add_side(app, open_scenario(scenario_file("head-of-line"), {}, "fcfs"));
    app.theme = Theme::light;
    Rig rig(app);
    rig.click(rig.control("Menu"));
    rig.frames(2);
    rig.click(rig.control("Select and find"));
    rig.frames(2);
    check_picture("menu", rig.headless.picture(app.theme));
  }
  SECTION("a difference") {
    add_side(app, open_scenario(scenario_file("head-of-line"), {}, "fcfs"));
    add_side(app, open_scenario(scenario_file("head-of-line"), {"engine.max_num_batched_tokens=512"}, "small steps"));
    Rig rig(app);
    rig.type('x');
    rig.type('X');
    rig.frames(3);
    check_picture("difference", rig.headless.picture(app.theme));
  }
  SECTION("the same decisions at another speed") {
    // Another datasheet: fitted constants change, and the picture with them.
    add_side(app, open_scenario(scenario_file("preemption-storm"),
                                {"hardware.bf16_tflops=990", "hardware.memory_gb_per_s=3350"}, "fast"));
    add_side(app, open_scenario(scenario_file("preemption-storm"), {"hardware=a100-80gb"}, "slow"));
    app.theme = Theme::light;
    Rig rig(app);
    rig.type('x');
    rig.frames(3);
    check_picture("other-times", rig.headless.picture(app.theme));
  }
  SECTION("help") {
    add_side(app, open_scenario(scenario_file("head-of-line"), {}, "fcfs"));
    app.help_open = true;
    check_picture("help", take_picture(app, 1280, 800));
  }
}

TEST_CASE("The same moment gives the same picture, and another gives another") {
  App app;
  add_side(app, open_scenario(scenario_file("head-of-line"), {}, "fcfs"));
  move_cursor(app, 500'000'000);
  const Image a = take_picture(app, 640, 480), b = take_picture(app, 640, 480);
  CHECK(a.rgba == b.rgba);
  move_cursor(app, 900'000'000);
  CHECK(compare(a, take_picture(app, 640, 480)).pixels > 50);
}

TEST_CASE("The rasteriser covers what is inside, once, within its clip") {
  Headless headless(64, 64, 1);
  ImGui::NewFrame();
  ImDrawList& list = *ImGui::GetForegroundDrawList();
  // Two triangles that share a diagonal, half transparent: a pixel drawn twice would be darker.
  list.AddRectFilled({8, 8}, {40, 40}, IM_COL32(255, 0, 0, 128));
  list.PushClipRect({50, 50}, {60, 60});
  list.AddRectFilled({0, 0}, {64, 64}, IM_COL32(0, 0, 255, 255));
  list.PopClipRect();
  ImGui::Render();
  const Image image = rasterize(*ImGui::GetDrawData(), 64, 64, 0xFFFFFFFF);
  int red = 0, blue = 0, white = 0;
  for (int y = 0; y < 64; ++y) {
    for (int x = 0; x < 64; ++x) {
      const std::uint8_t* pixel = &image.rgba[static_cast<std::size_t>(y * 64 + x) * 4];
      if (pixel[0] == 255 && pixel[1] == 127 && pixel[2] == 127) ++red;
      if (pixel[0] == 0 && pixel[1] == 0 && pixel[2] == 255) ++blue;
      if (pixel[0] == 255 && pixel[1] == 255 && pixel[2] == 255) ++white;
    }
  }
  CHECK(red == 32 * 32);
  CHECK(blue == 10 * 10);
  CHECK(white == 64 * 64 - red - blue);
}

}  // namespace tokenyard::viz
