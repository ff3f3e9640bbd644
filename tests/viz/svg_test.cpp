// The picture as SVG: whole as XML, the same each time, and with what the panels show.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "catch.h"
#include "viz/app/app.h"
#include "viz/app/lesson_pages.h"
#include "viz/app/svg.h"

using namespace tokenyard;
using namespace tokenyard::viz;

namespace {

namespace fs = std::filesystem;

std::string scenario_file(const std::string& name) {
  return (fs::path(TOKENYARD_SOURCE_DIR) / "scenarios" / (name + ".json")).string();
}

// Elements close in the order they were opened, quotes are balanced, and no "<" or "&" stands in a text as itself.
void require_xml(const std::string& text) {
  std::vector<std::string> open;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] == '&') {
      const std::string entity = text.substr(i, text.find(';', i) + 1 - i);
      CAPTURE(entity);
      REQUIRE((entity == "&amp;" || entity == "&lt;" || entity == "&gt;"));
    }
    if (text[i] != '<') {
      ++i;
      continue;
    }
    const std::size_t end = text.find('>', i);
    REQUIRE(end != std::string::npos);
    const std::string tag = text.substr(i + 1, end - i - 1);
    CAPTURE(tag);
    REQUIRE(std::count(tag.begin(), tag.end(), '"') % 2 == 0);
    REQUIRE(tag.find("nan") == std::string::npos);
    REQUIRE(tag.find("inf") == std::string::npos);
    if (tag[0] == '/') {
      REQUIRE(!open.empty());
      REQUIRE(open.back() == tag.substr(1));
      open.pop_back();
    } else if (tag.back() != '/') {
      open.push_back(tag.substr(0, tag.find(' ')));
    }
    i = end + 1;
  }
  REQUIRE(open.empty());
}

}  // namespace

TEST_CASE("svg: every page of every lesson, in both themes and several sizes") {
  for (const auto& entry : fs::directory_iterator(fs::path(TOKENYARD_SOURCE_DIR) / "scenarios/lessons")) {
    const std::string path = entry.path().string();
    App app;
    open_lesson(app, load_lesson_pages(path));
    for (std::size_t page = 0; page < app.lesson->pages.size(); ++page) {
      show_page(app, page);
      CAPTURE(path, page);
      for (const Theme theme : {Theme::dark, Theme::light}) {
        app.theme = theme;
        for (const auto& [width, height] : {std::pair{320, 320}, {1280, 800}, {3000, 2000}}) {
          const std::string picture = svg_picture(app, width, height);
          require_xml(picture);
          REQUIRE(svg_picture(app, width, height) == picture);
        }
      }
      const std::string& selected = app.lesson->pages[page].select;
      if (!selected.empty() && app.shown[*find_panel("requests")]) {
        CHECK(svg_picture(app, 1280, 800).find(">" + selected + "</text>") != std::string::npos);
      }
    }
  }
}

TEST_CASE("svg: what a request is called stays text") {
  const std::string path = (fs::temp_directory_path() / "tokenyard-svg-test.json").string();
  std::ofstream(path) << R"({"tokenyard_scenario": 1, "name": "names", "step_time": {"per_step_us": 1000, "per_token_us": 1},
    "engine": {"num_blocks": 10}, "workload": [{"type": "requests", "requests": [{"id": "<b>&", "prompt_tokens": 5}]}]})";
  App app;
  add_side(app, open_scenario(path, {}, "a < b & c"));
  fs::remove(path);
  show_all_requests(app);
  const std::string picture = svg_picture(app, 1280, 800);
  require_xml(picture);
  CHECK(picture.find(">&lt;b&gt;&amp;</text>") != std::string::npos);
}

TEST_CASE("svg: panels are the chosen ones") {
  App app;
  add_side(app, open_scenario(scenario_file("preemption-storm"), {}, "crowded"));
  show_all_requests(app);
  go_to_something(app);
  const auto has = [&](const char* title) {
    return svg_picture(app, 1280, 800).find(std::string(">") + title + "<") != std::string::npos;
  };
  CHECK(has("Requests"));
  CHECK(has("Why?"));
  CHECK(!has("Batch"));
  set_panels(app, {find_panel("batch"), find_panel("details"), find_panel("what-if")});
  CHECK(has("Batch"));
  CHECK(has("Selection"));
  CHECK(!has("Requests"));
  CHECK(!has("What if"));  // sliders are for those who can move them
}
