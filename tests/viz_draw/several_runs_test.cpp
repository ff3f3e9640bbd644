// Several runs side by side under synthetic mouse and keys: compared, aligned, in small windows.
#include <unistd.h>

#include <filesystem>
#include <numeric>

#include "catch.h"
#include "tests/viz_draw/rig.h"
#include "viz/view/layout.h"

namespace tokenyard::viz {
namespace {

struct TwoRuns {
  App app;
  TwoRuns() {
    add_side(app, open_scenario(scenario_file("slowest-gates-batch"), {}, "static"));
    add_side(app, open_scenario(scenario_file("slowest-gates-batch"), {"engine.policy=orca", "engine.reservation=oracle"},
                                "continuous"));
  }
};

// The same decisions at another speed; of a datasheet, since fitted constants change.
struct TwoSpeeds {
  App app;
  TwoSpeeds() {
    add_side(app, open_scenario(scenario_file("preemption-storm"),
                                {"hardware.bf16_tflops=990", "hardware.memory_gb_per_s=3350"}, "fast"));
    add_side(app, open_scenario(scenario_file("preemption-storm"), {"hardware=a100-80gb"}, "slow"));
  }
};

}  // namespace

TEST_CASE_METHOD(TwoRuns, "Two runs share cursor and visible time, and are selected in together") {
  Rig rig(app);
  REQUIRE(rig.screen.find(panel("requests"), 1) != nullptr);
  const Rect rect = rig.some("requests", Ref::Kind::span, 1);
  rig.click(rect.box);
  CHECK(app.active == 1);
  CHECK(app.sides[0]->selected >= 0);
  CHECK(app.sides[0]->model->request(app.sides[0]->selected).id == app.sides[1]->model->request(app.sides[1]->selected).id);
  CHECK(app.sides[0]->clock->time(app.cursor) == app.sides[1]->clock->time(app.cursor));
  rig.key("Tab");
  CHECK(app.active == 0);
}

TEST_CASE_METHOD(TwoRuns, "The first difference is gone to, without files left behind") {
  Rig rig(app);
  rig.key("End");
  rig.click(rig.control("First difference"));
  CHECK(app.cursor < app.extent.end);
  REQUIRE(app.difference_shown);
  const Parting first = *app.differences->at(0);
  CHECK_THAT(first.sides[0].place, has_text("of static at"));
  CHECK_THAT(first.sides[1].place, has_text("of continuous at"));
  // Both sides show that step; it differs in its kind only, in the next one it is about somebody.
  for (const auto& side : app.sides) CHECK(side->step == first.step);
  rig.frames(2);
  rig.click(rig.control("Next difference"));
  CHECK(app.difference == 1);
  const Parting second = *app.differences->at(1);
  CHECK(second.step > first.step);
  CHECK_FALSE(second.request.empty());
  CHECK(app.selected == second.request);
  for (const auto& side : app.sides) CHECK(side->step == second.step);
  rig.key("Escape");
  CHECK_FALSE(app.difference_shown);
  rig.type('X');
  CHECK(app.difference == 2);
  for (int i = 0; i < 200; ++i) apply(app, Command::next_difference);
  CHECK_THAT(app.message, has_text("no further difference"));
  rig.type('x');
  CHECK(app.difference == 0);
  rig.key("Escape");
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::temp_directory_path())) {
    CHECK(entry.path().filename().string().find("tokenyard-" + std::to_string(getpid())) == std::string::npos);
  }
}

TEST_CASE_METHOD(TwoSpeeds, "Where only times differ, the steps and requests that changed most are listed and gone to") {
  Rig rig(app);
  rig.type('x');
  REQUIRE(app.difference_shown);
  CHECK(app.differences->at(0) == nullptr);
  CHECK(app.differences->steps() == app.sides[0]->model->num_steps());
  const TimeChanges& times = app.differences->times();
  REQUIRE(times.steps.size() == 5);
  REQUIRE(times.requests.size() == 5);
  // As the models have them.
  for (const TimeChanges::Step& step : times.steps) {
    for (std::size_t i = 0; i < 2; ++i)
      CHECK(app.sides[i]->model->step(static_cast<std::int32_t>(step.index)).duration == step.took[i]);
  }
  for (const TimeChanges::Request& request : times.requests) {
    for (std::size_t i = 0; i < 2; ++i) {
      const TraceModel& model = *app.sides[i]->model;
      CHECK(e2el_of(model.request(model.find(request.id))) == request.took[i]);
    }
  }
  rig.frames(2);
  rig.click(rig.control(in_words(times.steps[3])));
  for (const auto& side : app.sides) CHECK(side->step == times.steps[3].index);
  CHECK(app.align == Align::step);
  rig.frames(1);  // what is said of a step may take a line more, and the window stands on it
  rig.click(rig.control(in_words(times.requests[1])));
  CHECK(app.selected == times.requests[1].id);
}

TEST_CASE_METHOD(TwoSpeeds, "A click into the latency curve selects that request and says where its time went") {
  Rig rig(app, 1600, 1000);
  const Picture& picture = rig.picture("latency");
  const Rect* last = nullptr;  // the slowest of the second run
  for (const Rect& rect : picture.rects) {
    if (rect.ref.kind == Ref::Kind::request && rect.ref.trace == 1) last = &rect;
  }
  REQUIRE(last != nullptr);
  const std::int32_t slowest = last->ref.id;
  // A little beside the line.
  rig.click(last->box.x0 - 3, last->box.y0 + 4);
  const TraceModel& model = *app.sides[1]->model;
  CHECK(app.active == 1);
  CHECK(app.selected == model.request(slowest).id);
  CHECK(ttft_of(model.request(slowest)) == static_cast<TimeNs>(app.sides[1]->latency.curves[0].back()));
  CHECK_THAT(app.message, has_text("slow: " + app.selected + ": TTFT"));
  CHECK_THAT(app.message, has_text("decode"));
  CHECK_THAT(app.message, has_text("preempted"));
  const std::array<TimeNs, kPhases> times = phase_times(model, slowest);
  CHECK(std::accumulate(times.begin(), times.end(), TimeNs{0}) == e2el_of(model.request(slowest)));
}

TEST_CASE_METHOD(TwoSpeeds, "A marked range is compared, until it is unmarked") {
  Rig rig(app, 1600, 1000);
  const auto says = [&](const std::string& text) {
    const auto& labels = rig.picture("compare").labels;
    return std::any_of(labels.begin(), labels.end(), [&](const Label& label) { return label.text == text; });
  };
  CHECK(says("makespan"));
  const Box box = rig.picture("batch").box;
  rig.drag(box.x0 + box.width() * 0.5F, box.y0 + 20, box.x0 + box.width() * 0.7F, box.y0 + 20);
  rig.frames(1);
  REQUIRE(has_range(app));
  CHECK_FALSE(says("makespan"));
  CHECK(says("marked time"));
  for (const auto& side : app.sides) {
    const auto [from, to] = range_of(app, *side);
    CHECK(says(std::to_string(side->range.end_step - side->range.first_step)));
    CHECK(side->range.from == from);
    CHECK(side->range.to == to);
  }
  rig.key("Escape");
  CHECK(says("makespan"));
}

TEST_CASE("Four runs in a small window can be read, or the viewer says why not") {
  App app;
  for (const char* reservation : {"max", "pow2", "oracle", "max"})
    add_side(app,
             open_scenario(scenario_file("paged-memory"), {std::string("engine.reservation=") + reservation}, reservation));
  CHECK(app.sides[3]->name == "max (2)");
  {
    Rig rig(app);
    for (std::size_t i = 0; i < 4; ++i) {
      for (const char* name : {"steps", "batch"}) {
        for (const Label& label : rig.picture(name, i).labels) CHECK_FALSE(label.text.ends_with("..."));
      }
      CHECK(rig.picture("requests", i).box.width() >= 12 * 14);
    }
    for (const Label& label : rig.picture("compare").labels) CHECK_FALSE(label.text.ends_with("..."));
  }
  app.scale = 2;
  Rig rig(app);
  CHECK(rig.screen.find(panel("requests"), 0) == nullptr);
  CHECK(rig.screen.find(panel("compare")) != nullptr);
}

TEST_CASE_METHOD(TwoRuns, "A telephone held upright shows the panels of one run below each other") {
  for (const float scale : {1.0F, 2.0F}) {
    app.scale = scale;
    app.active = 0;
    Rig rig(app, static_cast<int>(390 * scale), static_cast<int>(790 * scale));
    float bottom = 0;
    for (const Drawn& drawn : rig.screen.drawn()) {
      CHECK(drawn.trace == 0);
      CHECK(drawn.picture.box.width() > 360 * scale);
      CHECK(drawn.picture.box.y0 >= bottom);
      bottom = drawn.picture.box.y1;
    }
    CHECK(rig.screen.find(panel("requests"), 0) != nullptr);
    CHECK(rig.screen.find(panel("compare")) != nullptr);
    // A tap on a run's line at the top takes that run.
    rig.click(rig.screen.overview_of(1).box);
    CHECK(app.active == 1);
    CHECK(rig.screen.find(panel("requests"), 1) != nullptr);
    CHECK(rig.screen.find(panel("requests"), 0) == nullptr);
  }
}

TEST_CASE_METHOD(TwoRuns, "Aligning keeps the moment of the active run") {
  move_cursor_to_time(app, 1'000'000'000);
  const std::int32_t step = app.side().step;
  for (int i = 0; i < kAligns; ++i) {
    apply(app, Command::next_align);
    CHECK(app.side().step == step);
  }
  CHECK(app.align == Align::time);
}

TEST_CASE_METHOD(TwoRuns, "Nothing is drawn outside of the window, whatever its size and scale") {
  for (const auto& [width, height] : {std::pair{1280, 800}, {1920, 1080}, {640, 480}}) {
    for (const float scale : {1.0F, 2.0F}) {
      app.scale = scale;
      Rig rig(app, width, height);
      for (const Drawn& drawn : rig.screen.drawn()) {
        CHECK(drawn.picture.box.x0 >= 0);
        CHECK(drawn.picture.box.y0 >= 0);
        CHECK(drawn.picture.box.x1 <= static_cast<float>(width));
        CHECK(drawn.picture.box.y1 <= static_cast<float>(height));
      }
    }
  }
}

}  // namespace tokenyard::viz
