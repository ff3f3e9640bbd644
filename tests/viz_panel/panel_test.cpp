// What the viewer makes of a panel that only one file knows.
#include <algorithm>
#include <string>

#include "catch.h"
#include "core/base/input_error.h"
#include "tests/viz_draw/rig.h"
#include "viz/app/settings.h"

namespace tokenyard::viz {
namespace {

struct OneRun {
  OneRun() { add_side(app, open_scenario(scenario_file("head-of-line"), {}, "fcfs")); }
  App app;
};

}  // namespace

TEST_CASE_METHOD(OneRun, "A panel's file is enough to show it by key and by menu") {
  const Panel& progress = panel("progress");
  CHECK(all_panels().back() == &progress);
  CHECK(panel_names().ends_with("what-if, progress"));  // --panels, lessons
  Rig rig(app, 1280, 1000);
  CHECK(rig.screen.find(progress) == nullptr);
  rig.type('P');
  REQUIRE(rig.screen.find(progress) != nullptr);
  move_cursor(app, app.extent.end);
  rig.frames(1);
  const Picture& picture = rig.picture("progress");
  REQUIRE(picture.rects.size() == 1);
  CHECK(picture.rects[0].box.width() == Approx(picture.box.width()));

  rig.click(rig.control("Menu"));
  rig.frames(2);
  rig.click(rig.control("Panels"));
  rig.frames(2);
  rig.click(rig.control("progress"));
  rig.frames(2);
  CHECK(rig.screen.find(progress) == nullptr);
}

TEST_CASE_METHOD(OneRun, "A panel's file is enough for keys, help, lessons, settings and --describe") {
  const Panel& progress = panel("progress");
  const auto in_help = std::find_if(bindings().begin(), bindings().end(),
                                    [](const Binding& binding) { return std::string(binding.what) == "progress"; });
  REQUIRE(in_help != bindings().end());
  CHECK(std::string(in_help->group) == "Panels");
  CHECK(keys_of(in_help->command) == "Shift+P");

  app.share[progress] = 2.5F;
  const std::string remembered = settings_text(settings_of(app, 1000, 700));
  CHECK_THAT(remembered, has_text("\"progress\": 2.5"));
  CHECK(parse_settings(remembered, "viewer.json").share[progress] == 2.5F);

  const LessonPages lesson = parse_lesson_pages(R"({"tokenyard_lesson":1,"title":"t","scenario":"s.json","variants":["a"],)"
                                                R"("pages":[{"title":"x","text":"y","panels":["progress"]}]})",
                                                "lesson.json");
  CHECK(lesson.pages[0].panels == std::vector<const Panel*>{&progress});

  move_cursor_to_time(app, app.side().model->step(4).start);
  const std::string steps = std::to_string(app.side().model->num_steps());
  CHECK(describe(scene_of(app, 0)).ends_with("\nprogress: 5 of " + steps + " steps\n"));
}

}  // namespace tokenyard::viz
