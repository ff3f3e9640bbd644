// The application under synthetic mouse and keys: what a person does, and what must come of it. With several runs:
// several_runs_test.cpp.
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <thread>

#include "catch.h"
#include "tests/viz_draw/rig.h"
#include "viz/app/knobs.h"
#include "viz/view/layout.h"

namespace tokenyard::viz {
namespace {

struct OneRun {
  App app;
  OneRun() { add_side(app, open_scenario(scenario_file("preemption-storm"), {}, "crowded")); }
};

}  // namespace

TEST_CASE_METHOD(OneRun, "Play runs the cursor on, Pause stops it") {
  Rig rig(app);
  const Place before = app.cursor;
  rig.click(rig.control("Play"));
  CHECK(app.playing);
  advance(app, 0.1);
  CHECK(app.cursor == before + 100'000'000);
  rig.click(rig.control("Pause"));
  CHECK_FALSE(app.playing);
  advance(app, 0.1);
  CHECK(app.cursor == before + 100'000'000);
}

TEST_CASE_METHOD(OneRun, "Playback ends at the end and begins anew from there") {
  move_cursor(app, app.extent.end - 10);
  apply(app, Command::play);
  advance(app, 1);
  CHECK(app.cursor == app.extent.end);
  CHECK_FALSE(app.playing);
  apply(app, Command::play);
  CHECK(app.cursor == app.extent.begin);
}

TEST_CASE_METHOD(OneRun, "A click on a lane selects its request and goes to that time") {
  Rig rig(app);
  const Rect rect = rig.some("requests", Ref::Kind::span);
  const float x = std::floor((rect.box.x0 + rect.box.x1) / 2), y = (rect.box.y0 + rect.box.y1) / 2;
  rig.click(x, y);
  CHECK(app.selected == app.side().model->request(rect.ref.id).id);
  CHECK(app.cursor == app.axis.place(x));
  rig.key("Escape");
  CHECK(app.selected.empty());
}

TEST_CASE_METHOD(OneRun, "The wheel zooms at the pointer, what is below it stays") {
  Rig rig(app);
  const Box box = rig.picture("steps").box;
  const float x = std::floor(box.x0 + box.width() * 0.6F), y = (box.y0 + box.y1) / 2;
  rig.mouse(x, y);
  const Place there = app.axis.place(x);
  const Place before = app.axis.end - app.axis.begin;
  rig.wheel(1);
  CHECK(static_cast<double>(app.axis.end - app.axis.begin) == Approx(0.8 * static_cast<double>(before)).epsilon(0.001));
  CHECK(std::abs(app.axis.x(there) - static_cast<double>(x)) < 1);
  rig.wheel(-4);
  CHECK(app.axis.begin == app.extent.begin);
  CHECK(app.axis.end == app.extent.end);
}

TEST_CASE_METHOD(OneRun, "A drag marks a range, Escape clears it; a middle drag zooms to it; a right drag moves") {
  Rig rig(app);
  const Box box = rig.picture("batch").box;
  const float y = (box.y0 + box.y1) / 2, x0 = std::floor(box.x1 - 300), x1 = std::floor(box.x1 - 100);
  const Place from = app.axis.place(x0), to = app.axis.place(x1);
  const Place cursor = app.cursor;
  rig.drag(x0, y, x1, y);
  REQUIRE(has_range(app));
  CHECK(std::abs(*app.range_from - from) <= 2 * static_cast<Place>(app.axis.places_per_pixel()));
  CHECK(std::abs(*app.range_to - to) <= 2 * static_cast<Place>(app.axis.places_per_pixel()));
  CHECK(app.cursor == cursor);
  rig.key("Escape");
  CHECK_FALSE(app.range_from.has_value());

  rig.drag(x0, y, x1, y, 2);
  CHECK_FALSE(app.range_from.has_value());
  CHECK(std::abs(app.axis.begin - from) <= 4 * (app.extent.end - app.extent.begin) / 1000);
  CHECK(std::abs(app.axis.end - to) <= 4 * (app.extent.end - app.extent.begin) / 1000);

  const Place begin = app.axis.begin;
  rig.drag(x1, y, x0, y, 1);
  CHECK(app.axis.begin > begin);
}

TEST_CASE_METHOD(OneRun, "A click in the overview goes there") {
  Rig rig(app);
  rig.type('W');
  rig.type('W');
  const Box box = rig.screen.overview_of(0).box;
  rig.click(box.x1 - 40, (box.y0 + box.y1) / 2);
  CHECK(app.cursor > app.extent.begin + (app.extent.end - app.extent.begin) * 8 / 10);
  CHECK(app.axis.begin <= app.cursor);
  CHECK(app.axis.end >= app.cursor);
}

TEST_CASE_METHOD(OneRun, "Arrows go by steps, Shift by ten, Home and End to the ends") {
  Rig rig(app);
  rig.key("Home");
  rig.key("Right");
  const std::int32_t step = app.side().step;
  rig.key("Right");
  CHECK(app.side().step == step + 1);
  CHECK(app.side().moment().step == step + 1);
  rig.key("Right", true);
  CHECK(app.side().step == step + 11);
  rig.type('q');
  CHECK(app.side().step == step + 10);
  rig.key("End");
  CHECK(app.cursor == app.extent.end);
}

TEST_CASE_METHOD(OneRun, "Digits toggle panels, Z shows one alone") {
  Rig rig(app);
  REQUIRE(rig.screen.find(panel("steps")) != nullptr);
  rig.type('2');
  CHECK(rig.screen.find(panel("steps")) == nullptr);
  rig.type('2');
  CHECK(rig.screen.find(panel("steps")) != nullptr);
  const Box box = rig.picture("blocks").box;
  rig.mouse((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2);
  rig.type('z');
  CHECK(rig.screen.find(panel("steps")) == nullptr);
  CHECK(rig.picture("blocks").box.width() > 1200);
  rig.type('z');
  CHECK(rig.screen.find(panel("steps")) != nullptr);
}

TEST_CASE_METHOD(OneRun, "A panel that is asked for takes the place of less telling ones") {
  Rig rig(app);
  REQUIRE(rig.screen.find(panel("latency")) != nullptr);
  rig.type('i');
  rig.type('h');
  CHECK(app.shown[panel("what-if")]);
  CHECK(rig.screen.find(panel("compare")) != nullptr);
  CHECK(rig.screen.find(panel("latency")) == nullptr);
  for (const Drawn& drawn : rig.screen.drawn()) {
    INFO(drawn.panel->name);
    CHECK(drawn.picture.box.height() >= drawn.panel->size(app.sides.size()).least * ImGui::GetFontSize());
  }
  rig.type('i');
  rig.type('h');
  CHECK(rig.screen.find(panel("latency")) != nullptr);
}

TEST_CASE_METHOD(OneRun, "A search finds preemptions one after the other, and ids") {
  Rig rig(app);
  rig.type('/');
  CHECK(app.search_open);
  app.search = "preempted";
  app.search_open = false;
  rig.key("Enter");
  const auto times = app.side().model->times(Mark::preempted);
  REQUIRE(times.size() > 2);
  CHECK(app.side().clock->time(app.cursor) == times[0]);
  rig.key("Enter");
  CHECK(app.side().clock->time(app.cursor) == times[1]);
  rig.key("Enter", true);
  rig.key("Enter", true);
  CHECK(app.side().clock->time(app.cursor) == times.back());
  rig.key("Escape");
  app.search = "63";
  rig.key("Enter");
  CHECK(app.selected == "63");
  app.search = "nobody";
  app.hit = -1;
  rig.key("Enter");
  CHECK_THAT(app.message, has_text("is not in this trace"));
}

TEST_CASE_METHOD(OneRun, "What is typed after / goes into the search, and Enter goes to the hit") {
  Rig rig(app);
  rig.type('/');
  rig.frames(3);
  CHECK(ImGui::GetIO().WantTextInput);
  for (const char32_t character : {U'5', U'4'}) {
    ImGui::GetIO().AddInputCharacter(static_cast<unsigned>(character));
    rig.type(character);
  }
  CHECK(app.search == "54");
  CHECK(rig.screen.find(panel("blocks")) != nullptr);  // 5 and 4 toggled nothing
  rig.key("Enter");
  CHECK_FALSE(app.search_open);
  CHECK(app.selected == "54");
}

TEST_CASE_METHOD(OneRun, "A sentence of Why selects whom it is about") {
  move_cursor_to_time(app, app.side().model->times(Mark::preempted)[0]);
  Rig rig(app);
  const Rect rect = rig.some("why", Ref::Kind::sentence);
  rig.click(rect.box);
  CHECK_FALSE(app.selected.empty());
}

TEST_CASE_METHOD(OneRun, "Theme and scale change by key, and stay within their limits") {
  Rig rig(app);
  rig.type('t');
  CHECK(app.theme == Theme::light);
  for (int i = 0; i < 20; ++i) rig.type('+', true);
  CHECK(app.scale == 3);
  for (int i = 0; i < 20; ++i) rig.type('-', true);
  CHECK(app.scale == 1);
}

TEST_CASE_METHOD(OneRun, "A slider runs the scenario again, and the old run stays until then") {
  app.shown[panel("what-if")] = true;
  app.shown[panel("requests")] = true;
  app.panels_chosen = true;
  Rig rig(app);
  const TraceModel* before = app.side().model;
  REQUIRE(before->times(Mark::preempted).size() > 10);
  const Box slider = rig.control("blocks");
  rig.click(slider.x1 - 3, (slider.y0 + slider.y1) / 2);
  CHECK(app.side().model == before);
  REQUIRE(app.what_if);
  for (int i = 0; i < 2000 && app.what_if->busy(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    advance(app, 0.005);
    rig.frames(1);
  }
  CHECK(app.side().model != before);
  CHECK(app.side().model->times(Mark::preempted).empty());
  CHECK(app.side().resolved->engine.num_blocks == 25600);
}

TEST_CASE_METHOD(OneRun, "The latest wish wins over the one that runs") {
  turn_knob(app, 4, "1600");
  turn_knob(app, 4, "900");
  for (int i = 0; i < 2000 && app.what_if->busy(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    advance(app, 0.005);
  }
  CHECK(app.side().resolved->engine.num_blocks == 900);
  // What cannot run is said, and the run before it stays.
  const TraceModel* before = app.side().model;
  turn_knob(app, 3, "0");
  for (int i = 0; i < 2000 && app.what_if->busy(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    advance(app, 0.005);
  }
  CHECK_THAT(app.message, has_text("block_size"));
  CHECK(app.side().model == before);
}

TEST_CASE_METHOD(OneRun, "Panels are chosen, resized, scrolled and shown alone without a mouse") {
  select(app, "54");
  Rig rig(app);
  std::set<const Panel*> met;
  for (std::size_t i = 0; i < all_panels().size(); ++i) {
    rig.type('r');
    REQUIRE(app.chosen);
    met.insert(app.chosen);
  }
  for (const Drawn& drawn : rig.screen.drawn()) CHECK(met.contains(drawn.panel));

  app.chosen = &panel("why");
  const float tall = rig.picture("why").box.height();
  rig.key("Down", false, true);
  CHECK(rig.picture("why").box.height() > tall + 5);
  rig.key("Up", false, true);
  rig.key("Up", false, true);
  CHECK(rig.picture("why").box.height() < tall);
  const float wide = rig.picture("why").box.width();
  rig.key("Left", false, true);
  CHECK(rig.picture("why").box.width() > wide + 5);
  rig.key("Right", false, true);
  CHECK(rig.picture("why").box.width() == Approx(wide).margin(1));

  REQUIRE(rig.picture("why").content_height > rig.picture("why").box.height());
  float& scroll = app.side().scroll[panel("why")];
  for (int i = 0; i < 20; ++i) rig.key("PageDown");
  CHECK(scroll == Approx(rig.picture("why").content_height - rig.picture("why").box.height()).margin(1));
  for (int i = 0; i < 20; ++i) rig.key("PageUp");
  CHECK(scroll == 0);

  rig.type('z');
  CHECK(app.alone == &panel("why"));
  CHECK(rig.picture("why").box.width() > 1200);
  rig.key("Escape");
  CHECK_FALSE(app.alone);
  CHECK_FALSE(app.chosen);
  CHECK(app.selected == "54");
}

TEST_CASE_METHOD(OneRun, "Escape closes the menu, and only that") {
  select(app, "54");
  Rig rig(app);
  rig.click(rig.control("Menu"));
  rig.frames(1);
  REQUIRE(rig.screen.controls().contains("Panels"));
  rig.key("Escape");
  rig.frames(1);
  CHECK_FALSE(rig.screen.controls().contains("Panels"));
  CHECK(app.selected == "54");
}

TEST_CASE_METHOD(OneRun, "What a command has said makes way for the next one") {
  Rig rig(app);
  rig.type('m');
  CHECK_THAT(app.message, has_text("range begins"));
  rig.key("Right");
  CHECK(app.message.empty());
}

TEST_CASE("Very many lanes give way to the density until they are few enough, and a run opens where something happens") {
  App app;
  add_side(app, open_scenario(scenario_file("chat-hour"), {}, "hour"));
  REQUIRE(app.side().model->num_requests() > 1000);
  app.lanes = LaneView::requests;
  Rig rig(app);
  const auto spans = [&] {
    const auto& rects = rig.picture("requests").rects;
    return std::any_of(rects.begin(), rects.end(), [](const Rect& r) { return r.ref.kind == Ref::Kind::span; });
  };
  CHECK_FALSE(spans());
  show_range(app, 600'000'000'000, 630'000'000'000);
  go_to_something(app);
  rig.frames(2);
  CHECK(spans());
  CHECK(app.cursor >= app.axis.begin);
  CHECK(app.cursor <= app.axis.end);
  CHECK(app.side().moment().seated.size() > 1);
  show_range(app, app.extent.begin, app.extent.end);
  rig.frames(2);
  CHECK_FALSE(spans());
  app.lanes = LaneView::seats;
  rig.frames(1);
  CHECK(spans());
}

TEST_CASE("Names keep their ends, numbers their units") {
  Style style;
  CHECK(style.fit_name("run.trace", 1000) == "run.trace");
  const float room = style.width("0123456789012");
  const std::string a = style.fit_name("a-very-long-name-of-a-run-1.trace", room);
  const std::string b = style.fit_name("a-very-long-name-of-a-run-2.trace", room);
  CHECK(a != b);
  CHECK(a.ends_with(".trace"));
  CHECK(style.width(a) <= room);
  const std::string text = "the step takes 43.931343 ms, 96 of 149 blocks are used (31.0 %) and step 17 is next";
  for (float width = style.width("0123456789"); width < style.width(text); width += 3) {
    const std::string lines = in_lines(style, text, width);
    for (const char* whole : {"43.931343 ms", "31.0 %", "step 17"}) {
      if (style.width(std::string("(") + whole + ",)") <= width) CHECK_THAT(lines, has_text(whole));
    }
    std::string again = lines;
    std::replace(again.begin(), again.end(), '\n', ' ');
    CHECK(again == text);
  }
}

TEST_CASE_METHOD(OneRun, "A run that is kept says what was varied") {
  app.knob = 2;
  turn_knob(app, 2, "16");
  for (int i = 0; i < 1000 && app.what_if->busy(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    advance(app, 0);
  }
  CHECK(app.side().name == "crowded, seats 16");
  apply(app, Command::pin);
  REQUIRE(app.sides.size() == 2);
  CHECK(app.sides[1]->name == "kept: crowded, seats 16");
  turn_knobs_back(app);
  for (int i = 0; i < 1000 && app.what_if->busy(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    advance(app, 0);
  }
  CHECK(app.sides[0]->name == "crowded");
}

TEST_CASE("A screen that nobody touches stays as it is") {
  for (const std::size_t runs : {1U, 2U, 4U}) {
    App app;
    for (std::size_t i = 0; i < runs; ++i) add_side(app, open_scenario(scenario_file("system-prompt-storm"), {}, "run"));
    move_cursor(app, app.extent.end / 4);
    for (const auto& [width, height] : {std::pair{1280, 800}, {1920, 1080}, {1000, 640}}) {
      for (const float scale : {1.0F, 1.5F, 2.0F, 3.0F}) {
        app.scale = scale;
        CAPTURE(runs, width, height, scale);
        Rig rig(app, width, height);
        const auto places = [&] {
          std::vector<float> out;
          for (const Drawn& drawn : rig.screen.drawn()) {
            out.insert(out.end(), {static_cast<float>(drawn.panel->order), drawn.picture.box.y0, drawn.picture.box.y1});
          }
          return out;
        };
        const std::vector<float> before = places();
        rig.frames(1);
        CHECK(places() == before);
        rig.frames(1);
        CHECK(places() == before);
      }
    }
  }
}

TEST_CASE("A frame keeps its budget of rectangles, with one run and with four") {
  App app;
  for (const char* variant : {"engine.num_blocks=601", "engine.num_blocks=2000", "engine.policy=nano_vllm", "rate_scale=2"}) {
    add_side(app, open_scenario(scenario_file("system-prompt-storm"), {variant}, variant));
    for (const LaneView view : {LaneView::requests, LaneView::seats, LaneView::density}) {
      app.lanes = view;
      set_panels(app, [&] {
        std::vector<const Panel*> all(all_panels().begin(), all_panels().end());
        std::erase_if(all, [](const Panel* panel) { return panel->layout == nullptr; });
        return all;
      }());
      move_cursor(app, app.extent.end / 4);
      Rig rig(app, 3840, 2160);
      std::size_t rects = 0;
      for (const Drawn& drawn : rig.screen.drawn()) rects += drawn.picture.rects.size();
      for (std::size_t i = 0; i < app.sides.size(); ++i) rects += rig.screen.overview_of(i).rects.size();
      CHECK(rects > 1000);
      CHECK(rects <= 25'000);
    }
  }
}

TEST_CASE("A trace that is cut off is told, shown on request, and followed as it grows") {
  const std::filesystem::path folder = std::filesystem::temp_directory_path() / ("tokenyard-grow-" + std::to_string(getpid()));
  std::filesystem::create_directory(folder);
  const std::string whole = std::string(TOKENYARD_SOURCE_DIR) + "/scenarios/golden/head-of-line.fcfs.trace";
  const std::string path = (folder / "growing.trace").string();
  std::string text;
  {
    std::ifstream in(whole, std::ios::binary);
    text.assign(std::istreambuf_iterator<char>(in), {});
    std::ofstream(path, std::ios::binary) << text.substr(0, text.size() / 2);
  }
  App app;
  add_side(app, open_trace(path));
  REQUIRE(app.side().trace->unfinished());
  const std::int32_t first = app.side().model->num_steps();
  REQUIRE(first > 10);
  app.banner = app.side().trace->unfinished_in_words();
  {
    Rig rig(app);
    rig.click(rig.control("Follow"));
    CHECK(app.banner.empty());
    CHECK(app.follow);
    CHECK_FALSE(advance(app, 0.01));
    std::ofstream(path, std::ios::binary | std::ios::app) << text.substr(text.size() / 2);
    for (int i = 0; i < 10; ++i) advance(app, 0.01);
    rig.frames(1);
  }
  CHECK(app.side().model->num_steps() > first);
  CHECK_FALSE(app.side().trace->unfinished());
  CHECK(app.cursor == app.extent.end);

  std::ofstream(path, std::ios::binary) << text.substr(0, text.size() / 2) << "nonsense\n";
  App broken;
  add_side(broken, open_trace(path));
  broken.banner = broken.side().trace->error();
  CHECK_THAT(broken.banner, has_text("growing.trace: line"));
  Rig rig(broken);
  rig.click(rig.control("Show what could be read"));
  CHECK(broken.banner.empty());
  CHECK(rig.some("requests", Ref::Kind::span).box.width() > 0);
  std::filesystem::remove_all(folder);
}

TEST_CASE("Every key of the table does what it says, and none does two things") {
  std::set<std::string> seen;
  for (const Binding& binding : bindings()) {
    CHECK(keys_of(binding.command).size() > 0);
    for (const char* key : binding.keys) {
      if (key == nullptr) continue;
      CHECK(seen.insert(std::string(key) + (binding.in_lessons ? " in lessons" : "")).second);
    }
  }
  KeyPress right;
  right.name = "Right";
  CHECK(command_for(right, false) == Command::step_on);
  CHECK(command_for(right, true) == Command::next_page);
  KeyPress question;
  question.character = '?';
  question.shift = true;  // on some keyboards
  CHECK(command_for(question, false) == Command::help);
  KeyPress plus;
  plus.character = '+';
  plus.ctrl = true;
  CHECK(command_for(plus, false) == Command::larger);
}

TEST_CASE_METHOD(OneRun, "Every command can be carried out at any time") {
  const std::filesystem::path old = std::filesystem::current_path();
  const std::filesystem::path there = std::filesystem::temp_directory_path() / ("tokenyard-ui-" + std::to_string(getpid()));
  std::filesystem::create_directory(there);
  std::filesystem::current_path(there);
  {
    Rig rig(app);
    for (const Binding& binding : bindings()) {
      rig.screen.carry_out(binding.command);
      rig.frames(1);
    }
  }
  CHECK(std::filesystem::exists("tokenyard-requests-1.csv"));
  CHECK(std::filesystem::exists("tokenyard-steps-1.csv"));
  CHECK(std::filesystem::file_size("tokenyard-1.perfetto.json") > 1000);
  std::filesystem::current_path(old);
  std::filesystem::remove_all(there);
}

}  // namespace tokenyard::viz
