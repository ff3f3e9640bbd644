#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "catch.h"
#include "core/base/input_error.h"
#include "tests/viz_draw/rig.h"
#include "viz/app/settings.h"
#include "viz/app/when.h"

namespace tokenyard::viz {
namespace {

std::string write(const std::string& text) {
  const std::string path =
      (std::filesystem::temp_directory_path() / ("tokenyard-lesson-" + std::to_string(getpid()) + ".json")).string();
  std::ofstream(path) << text;
  return path;
}

}  // namespace

namespace {

struct Window {
  int width, height;
  float scale;
  Theme theme;
};

// All words of a picture, in reading order, and those at the right of its title.
std::string words_of(const App& app, const Drawn& drawn, std::size_t trace) {
  std::string out;
  for (const Label& label : drawn.picture.labels) out += label.text + " ";
  if (drawn.panel->at_right != nullptr) out += drawn.panel->at_right(scene_of(app, trace));
  return out;
}

// Why what the page names cannot be seen, or nothing.
std::string unseen(const App& app, const Screen& screen, const Shown& shown) {
  const std::size_t trace = shown.panel->shared || shown.panel->where == Panel::Where::side ? app.active : shown.trace;
  const Drawn* drawn = nullptr;
  for (const Drawn& one : screen.drawn()) {
    if (one.panel == shown.panel && (shown.panel->shared || one.trace == trace)) drawn = &one;
  }
  if (drawn == nullptr) return "its panel is not on the screen";
  if (!shown.says.empty() && words_of(app, *drawn, trace).find(shown.says) == std::string::npos)
    return "it does not say so, but: " + words_of(app, *drawn, trace);
  if (shown.request.empty() && shown.meaning.empty()) return "";
  std::optional<Meaning> meaning;
  if (!shown.meaning.empty()) {
    const TraceModel* const model = app.sides[trace]->model;
    if (shown.panel->meanings == nullptr) return "its panel has no legend";
    for (const Meaning& one : shown.panel->meanings({&model, 1})) {
      if (one.text == shown.meaning) meaning = one;
    }
    if (!meaning) return "its panel's legend has no such words";
    if (!screen.explained().contains(shown.meaning)) return "the legend does not explain it";
  }
  const std::int32_t request = shown.request.empty() ? -1 : app.sides[trace]->model->find(shown.request);
  if (!shown.request.empty() && request < 0) return "there is no such request";
  // Lanes and sentences stand as high as a line of text; cells and bars may be smaller.
  const float least = shown.request.empty() ? 3 : 12;
  std::string found = "nothing of that kind is drawn";
  for (const Rect& rect : drawn->picture.rects) {
    using Kind = Ref::Kind;
    const bool of_it =
        request < 0 || (rect.ref.id == request &&
                        (rect.ref.kind == Kind::request || rect.ref.kind == Kind::span || rect.ref.kind == Kind::sentence));
    if (!of_it || (meaning && (rect.tone != meaning->tone || rect.pattern != meaning->pattern)) || rect.tone == Tone::highlight)
      continue;
    if (rect.box.height() >= least && rect.box.width() >= 3) return "";
    found = "it is only " + std::to_string(rect.box.width()) + " x " + std::to_string(rect.box.height()) + " pixels";
  }
  return found;
}

}  // namespace

TEST_CASE("Every page of every lesson shows what it speaks of, whatever the window") {
  std::vector<Window> windows;
  for (const float scale : {1.0F, 2.0F}) {
    for (const Theme theme : {Theme::dark, Theme::light}) {
      windows.push_back({1280, 800, scale, theme});
      windows.push_back({1920, 1080, scale, theme});
    }
  }
  int lessons = 0;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(TOKENYARD_SOURCE_DIR) + "/scenarios/lessons")) {
    ++lessons;
    App app;
    open_lesson(app, load_lesson_pages(entry.path().string()));
    for (std::size_t i = 0; i < app.lesson->pages.size(); ++i) {
      for (const Window& window : windows) {
        app.scale = window.scale;
        app.theme = window.theme;
        show_page(app, i);
        const LessonPage& page = app.lesson->pages[i];
        Rig rig(app, window.width, window.height);
        rig.frames(3);  // as many as a picture has, and more
        const std::string where = entry.path().stem().string() + " page " + std::to_string(i + 1) + " at " +
                                  std::to_string(window.width) + ", scale " + std::to_string(window.scale);
        const auto drawn = [&](const Panel* panel) {
          const auto& all = rig.screen.drawn();
          return std::any_of(all.begin(), all.end(), [&](const Drawn& one) { return one.panel == panel; });
        };
        CHECK(page.chapter > 0);
        CHECK_FALSE(page.shows.empty());
        for (const Shown& shown : page.shows) {
          const std::string why = unseen(app, rig.screen, shown);
          if (!why.empty())
            FAIL_CHECK(where << ": " << shown.panel->name << " " << shown.request << " " << shown.meaning << " " << shown.says
                             << ": " << why);
        }
        for (const Panel* panel : page.highlight) CHECK(drawn(panel));
        if (!page.select.empty()) CHECK(app.sides[page.trace]->selected >= 0);
        CHECK(app.cursor >= app.axis.begin);
        CHECK(app.cursor <= app.axis.end);
      }
    }
  }
  CHECK(lessons >= 5);
}

TEST_CASE("Arrows turn a lesson's pages, Enter shows the answer") {
  App app;
  open_lesson(app, load_lesson_pages(std::string(TOKENYARD_SOURCE_DIR) + "/scenarios/lessons/preemption.json"));
  Rig rig(app);
  rig.key("Right");
  CHECK(app.page == 1);
  rig.key("Enter");
  CHECK(app.answer_shown);
  rig.key("Left");
  CHECK(app.page == 0);
  CHECK_FALSE(app.answer_shown);
  rig.key("Left");
  CHECK(app.page == 0);
  rig.click(rig.control("Next"));
  CHECK(app.page == 1);
}

TEST_CASE("What is wrong with a lesson is said with its place") {
  const auto fails = [](const std::string& text, const std::string& why) {
    const std::string path = write(text);
    CHECK_THROWS_WITH(load_lesson_pages(path), has_text(why));
    std::filesystem::remove(path);
  };
  const std::string head = R"({"tokenyard_lesson":1,"title":"t","scenario":"s.json","variants":["a"],"pages":)";
  fails("{}", "expected a lesson");
  fails(head + "[]}", "/pages: expected 1 to 100 pages");
  fails(head + R"([{"title":"x","text":"y","panels":["nothing"]}]})", "/pages/0/panels/0: expected a panel (requests, ");
  const std::string shows = R"("shows":[{"panel":"requests","request":"1"}])";
  fails(head + R"([{"title":"x","text":"y","question":"?",)" + shows + "}]}", "expected a question and its answer");
  fails(head + R"([{"title":"x","text":"y","shows":[]}]})", "/pages/0/shows: expected what must be seen on the page");
  fails(head + R"([{"title":"x","text":"y","shows":[{"panel":"why"}]}]})", "expected a request, a meaning or what it says");
  fails(head + R"([{"title":"x","text":"y","latency":"mean"}]})", "/pages/0/latency");
  fails(head + R"([{"title":"x","text":"y","trace":2}]})", "/pages/0/trace");
  fails(head + R"([{"title":"x","text":"y","color":"red",)" + shows + "}]}", "color");
}

TEST_CASE("Moments in words") {
  App app;
  add_side(app, open_scenario(scenario_file("preemption-storm"), {}, "run"));
  const TraceModel& model = *app.side().model;
  CHECK(parse_when("1.5s", model, "x") == 1'500'000'000);
  CHECK(parse_when("12ms", model, "x") == 12'000'000);
  CHECK(parse_when("7us", model, "x") == 7'000);
  CHECK(parse_when("end", model, "x") == model.end());
  CHECK(parse_when("step 57", model, "x") == model.step(57).start);
  CHECK(parse_when("preemption 2", model, "x") == model.times(Mark::preempted)[1]);
  CHECK(parse_when("finish 3", model, "x") == model.request(model.find("3")).end);
  for (const char* wrong :
       {"", "12", "ms", "-1ms", "1e30s", "step -1", "step x", "preemption 0", "preemption 9999", "arrival nobody", "nan s"}) {
    CHECK_THROWS_AS(parse_when(wrong, model, "--at"), InputError);
  }
}

TEST_CASE("What is remembered comes back, and a broken file is told and passed over") {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("tokenyard-config-" + std::to_string(getpid()));
  const char* old = std::getenv("XDG_CONFIG_HOME");
  const std::string before = old == nullptr ? "" : old;
  setenv("XDG_CONFIG_HOME", folder.c_str(), 1);
  std::string message;
  CHECK(load_settings(message).width == 1280);
  App app;
  app.theme = Theme::light;
  app.scale = 1.5F;
  app.share[panel("batch")] = 2.5F;
  save_settings(settings_of(app, 1000, 700));
  const Settings again = load_settings(message);
  CHECK(message.empty());
  CHECK(again.width == 1000);
  CHECK(again.height == 700);
  CHECK(again.theme == Theme::light);
  CHECK(again.scale == 1.5F);
  CHECK(again.share[panel("batch")] == 2.5F);
  App next;
  next.theme = Theme::dark;
  next.theme_chosen = true;
  apply_settings(again, next);
  CHECK(next.theme == Theme::dark);
  CHECK(next.scale == 1.5F);
  std::ofstream(settings_path()) << R"({"width":-5})";
  CHECK(load_settings(message).width == 1280);
  CHECK_THAT(message, has_text("/width"));
  if (old == nullptr) {
    unsetenv("XDG_CONFIG_HOME");
  } else {
    setenv("XDG_CONFIG_HOME", before.c_str(), 1);
  }
  std::filesystem::remove_all(folder);
}

}  // namespace tokenyard::viz
