#include <cmath>
#include <map>
#include <set>
#include <string>

#include "catch.h"
#include "core/trace/support.h"
#include "viz/model/model_builder.h"
#include "viz/view/comparison.h"
#include "viz/view/lanes.h"
#include "viz/view/layout.h"
#include "viz/view/overview.h"
#include "viz/view/panel.h"
#include "viz/view/tip.h"

using namespace tokenyard;
using namespace tokenyard::test;
using namespace tokenyard::viz;

namespace {

std::shared_ptr<const TraceModel> random_model(Policy policy, std::uint64_t seed, std::int32_t requests) {
  Dice dice(seed);
  const EngineConfig config = random_engine_config(policy, dice);
  TestBackend backend;
  ModelBuilder builder("random");
  run_traced(config, random_workload(dice, config, requests), backend, builder);
  return builder.take();
}

bool near(float a, float b, float by) { return std::abs(a - b) <= by; }

void require_inside(const Picture& picture, const Style& style) {
  const Box& box = picture.box;
  const auto inside = [&](float x, float y) {
    return x >= box.x0 - 0.01f && x <= box.x1 + 0.01f && y >= box.y0 - 0.01f && y <= box.y1 + 0.01f;
  };
  for (const Rect& r : picture.rects) {
    CAPTURE(r.box.x0, r.box.y0, r.box.x1, r.box.y1, box.x0, box.y0, box.x1, box.y1, static_cast<int>(r.tone));
    if (!(inside(r.box.x0, r.box.y0) && inside(r.box.x1, r.box.y1) && r.box.x1 >= r.box.x0 && r.box.y1 >= r.box.y0)) {
      FAIL("a rectangle lies outside its panel");
    }
  }
  for (const Label& l : picture.labels) {
    CAPTURE(l.text, l.x, l.y, box.x0, box.y0, box.x1, box.y1);
    if (!inside(l.x, l.y) || !inside(l.x + style.width(l.text), l.y + style.em)) FAIL("a text lies outside its panel");
  }
  for (const Line& l : picture.lines) {
    for (const Line::Point& p : l.points) {
      CAPTURE(p.x, p.y, box.x0, box.y0, box.x1, box.y1);
      if (!inside(p.x, p.y)) FAIL("a line leaves its panel");
    }
  }
}

// Every mark of the visible time has a tick of its kind where it fell.
void require_marks(const Frame& frame, const Picture& picture, const Axis& axis) {
  for (const Event& event : frame.model->events()) {
    const Place place = frame.clock->place(event.at);
    if (event.at < frame.clock->time(axis.begin) || event.at > frame.clock->time(axis.end)) continue;
    const auto x = static_cast<float>(axis.x(place));
    bool found = false;
    for (const Rect& r : picture.rects) {
      found |= r.ref.kind == Ref::Kind::mark && r.tone == tone_of(static_cast<int>(event.mark), Tone::mark_preempted) &&
               x >= r.box.x0 - 1.5f && x <= r.box.x1 + 1.5f;
    }
    CAPTURE(event.at, name_of(event.mark), x);
    if (!found) FAIL("a mark is hidden");
  }
}

}  // namespace

TEST_CASE("An axis zooms at the pointer and stays within its limits", "[viz]") {
  Dice dice(1);
  for (int round = 0; round < 2000; ++round) {
    Axis axis{dice.roll(0, 500), 0, 10, static_cast<float>(dice.roll(20, 900))};
    axis.end = axis.begin + dice.roll(200, 500);
    const double x = dice.roll(10, static_cast<int>(axis.x1));
    const Place before = axis.place(x);
    const Axis old = axis;
    axis.zoom(x, dice.roll(20, 300) / 100.0, 0, 1000);
    REQUIRE(axis.begin >= 0);
    REQUIRE(axis.end <= 1000);
    REQUIRE(axis.end - axis.begin >= Axis::kNarrowest);
    const bool free = axis.begin > 0 && axis.end < 1000;
    if (free) REQUIRE(std::abs(axis.place(x) - before) <= 2 + static_cast<Place>(2 * old.places_per_pixel()));
    const Place width = axis.end - axis.begin;
    axis.pan(dice.roll(-500, 500), 0, 1000);
    REQUIRE(axis.end - axis.begin == width);
    REQUIRE(axis.begin >= 0);
    REQUIRE(axis.end <= 1000);
  }
  Axis axis{0, 1'000'000, 0, 1000};
  const std::vector<Tick> marks = ticks(axis, Align::time, 90);
  REQUIRE(marks.size() == 11);
  CHECK(marks[1].place == 100'000);
  CHECK(marks[1].text == "100 us");
  CHECK(place_in_words(Align::step, 1'234'000'000) == "step 1,234");
  CHECK(place_in_words(Align::work, 1'000) == "1 token");
}

TEST_CASE("Clocks are monotone, and a step's begin is its place", "[viz]") {
  const auto policy = GENERATE(Policy::static_batch, Policy::nano_vllm, Policy::vllm_v1);
  const auto model = random_model(policy, 3, 60);
  for (const Align align : {Align::time, Align::step, Align::work, Align::arrival}) {
    const Clock clock(*model, align, 5);
    CAPTURE(name_of(align));
    Place last = clock.begin();
    for (TimeNs t = model->begin(); t <= model->end(); t += 137) {
      const Place place = clock.place(t);
      REQUIRE(place >= last);
      last = place;
    }
    TimeNs before = clock.time(clock.begin());
    for (Place p = clock.begin(); p <= clock.end(); p += std::max<Place>(1, (clock.end() - clock.begin()) / 997)) {
      REQUIRE(clock.time(p) >= before);
      before = clock.time(p);
    }
  }
  const Clock steps(*model, Align::step);
  const Clock work(*model, Align::work);
  std::int64_t tokens = 0;
  for (std::int32_t s = 0; s < model->num_steps(); ++s) {
    if (s + 1 < model->num_steps() && model->step(s).start == model->step(s + 1).start) continue;
    REQUIRE(steps.place(model->step(s).start) == std::int64_t{s} * 1'000'000);
    REQUIRE(steps.time(std::int64_t{s} * 1'000'000) == model->step(s).start);
  }
  for (const Step& step : model->steps()) {
    REQUIRE(step.tokens_before == tokens);
    REQUIRE(work.place(step.end) >= tokens * 1000);
    tokens += step.tokens();
  }
  const Clock arrival(*model, Align::arrival, 7);
  CHECK(arrival.place(model->request(7).begin) == 0);
}

TEST_CASE("Every panel stays within its box and budget, and hides no mark", "[viz]") {
  const auto policy = GENERATE(Policy::static_batch, Policy::orca, Policy::nano_vllm, Policy::vllm_v1);
  CAPTURE(name_of(policy));
  Dice dice(number_of(policy) + 11);
  std::int64_t marks = 0;
  for (int round = 0; round < 12; ++round) {
    const auto model = random_model(policy, static_cast<std::uint64_t>(round) * 7 + 1, 40 + 60 * (round % 3));
    if (model->num_steps() == 0) continue;
    marks += std::ssize(model->events());
    Seeker seeker(*model);
    const Latency latency = latency_of(*model, {TimeNs{5000}, {}, {}});
    const Verdict verdict = verdict_of(*model, latency);
    for (int look = 0; look < 12; ++look) {
      const auto align = static_cast<Align>(dice.roll(0, kAligns - 1));
      const Clock clock(*model, align, static_cast<std::int32_t>(dice.roll(0, model->num_requests() - 1)));
      Style style;
      style.scale = static_cast<float>(dice.roll(2, 6)) / 2;
      style.em = 13 * style.scale;
      Frame frame{};
      frame.model = model.get();
      frame.clock = &clock;
      frame.style = &style;
      frame.budget = dice.chance(30) ? 300 : 6000;
      frame.step = static_cast<std::int32_t>(dice.roll(0, model->num_steps() - 1));
      frame.cursor = model->step(frame.step).start;
      frame.request = static_cast<std::int32_t>(dice.roll(-1, model->num_requests() - 1));
      frame.axis.begin = clock.begin();
      frame.axis.end = std::max(clock.end(), clock.begin() + 100);
      const Extent extent = extent_of({&clock, 1});
      for (int zoom = dice.roll(0, 4); zoom > 0; --zoom) {
        frame.axis.zoom(0.3 * zoom, 0.4, extent.begin, extent.end);
      }
      const auto x0 = static_cast<float>(dice.roll(0, 200));
      const auto y0 = static_cast<float>(dice.roll(0, 200));
      const Box box{x0, y0, x0 + static_cast<float>(dice.roll(150, 1600)), y0 + static_cast<float>(dice.roll(20, 700))};
      const Moment& moment = seeker.seek(frame.step);
      const std::vector<PrefixNode> tree = prefix_tree(*model, moment);
      const std::vector<Sentence> sentences = explain(*model, moment);
      LaneOptions options;
      options.view = static_cast<LaneView>(dice.roll(0, 2));
      options.row = dice.chance(50) ? 0 : static_cast<float>(dice.roll(1, 40));
      options.scroll = static_cast<float>(dice.roll(0, 300));
      const std::vector<std::int32_t> order = ordered(*model, static_cast<LaneOrder>(dice.roll(0, kLaneOrders - 1)));
      if (dice.chance(50)) options.order = order;
      const Picture lane_picture = lanes(frame, box, options);
      const Picture strip = overview(frame, box, extent.begin, extent.end);
      frame.moment = &moment;
      frame.tree = &tree;
      frame.sentences = &sentences;
      frame.latency = &latency;
      frame.verdict = &verdict;
      frame.name = "a trace with a long name";
      frame.order = options.order;
      Scene scene;
      scene.frames = {frame};
      if (dice.chance(50)) scene.frames.push_back(frame);
      scene.scroll = options.scroll;
      scene.lanes = options.view;
      scene.statistic = static_cast<LatencyKind>(dice.roll(0, 3));
      scene.slo = {TimeNs{5000}, {}, {}};
      const TraceModel* const models[] = {model.get()};
      std::vector<Picture> pictures = {lane_picture, strip, ruler(frame, box)};
      std::vector<const Panel*> drawn_by = {nullptr, nullptr, nullptr};
      for (const Panel* panel : all_panels()) {
        const bool whole = panel->name == std::string("compare");  // drawn whole and moved; the host cuts it off
        scene.scroll = whole ? 0 : options.scroll;
        if (panel->layout != nullptr) pictures.push_back(panel->layout(scene, box));
        if (whole) pictures.back().box.y1 = std::max(box.y1, box.y0 + pictures.back().content_height);
        if (panel->layout != nullptr) drawn_by.push_back(panel);
        if (panel->meanings != nullptr) require_inside(legend(style, box, panel->meanings(std::span(models))), style);
        if (panel->reveal != nullptr) REQUIRE(panel->reveal(scene, box) >= 0);
      }
      for (std::size_t i = 0; i < pictures.size(); ++i) {
        CAPTURE(i, round, look, name_of(align), options.row, options.scroll);
        require_inside(pictures[i], style);
        for (const Rect& r : pictures[i].rects) {
          if (r.ref.kind != Ref::Kind::none) REQUIRE_NOTHROW(tip(frame, moment, tree, r.ref));
        }
      }
      CAPTURE(round, look, name_of(align), name_of(options.view), options.row, box.width());
      require_marks(frame, lane_picture, panel_axis(frame, box));
      Frame whole = frame;
      whole.axis.begin = extent.begin;
      whole.axis.end = extent.end;
      require_marks(whole, strip, panel_axis(whole, box));
      for (std::size_t i = 0; i < pictures.size(); ++i) {
        const std::string name = drawn_by[i] == nullptr ? "" : drawn_by[i]->name;
        CAPTURE(i, name, frame.budget);
        // Lanes may have 2.5 budgets, and every panel a strip of marks. These have a line each and no budget.
        if (name == "latency" || name == "why" || name == "compare") continue;
        const bool lanes = i == 0 || name == "requests";
        REQUIRE(std::ssize(pictures[i].rects) <= frame.budget * (lanes ? 3 : 1) + frame.budget / 2 + 10);
      }
    }
  }
  CHECK(marks > 40);
}

TEST_CASE("A lane shows its request's preemption and end at every zoom", "[viz]") {
  const auto model = random_model(Policy::vllm_v1, 21, 150);
  REQUIRE(!model->times(Mark::preempted).empty());
  const Clock clock(*model);
  Style style;
  Frame frame{};
  frame.model = model.get();
  frame.clock = &clock;
  frame.style = &style;
  LaneOptions options;
  options.row = 12;
  const Box box{0, 0, 900, 12.0f * static_cast<float>(model->num_requests()) + 40};
  for (const double share : {1.0, 0.3, 0.05}) {
    frame.axis.begin = clock.begin();
    frame.axis.end = clock.begin() + static_cast<Place>(share * static_cast<double>(clock.end() - clock.begin()));
    for (const std::int32_t budget : {100000, 400}) {
      frame.budget = budget;
      const Picture picture = lanes(frame, box, options);
      const Axis axis = panel_axis(frame, box);
      for (const Event& event : model->events()) {
        if (event.at > frame.axis.end) continue;
        const float top = lane_top(frame, options, event.request) +
                          (picture.content_height - 12.0f * static_cast<float>(model->num_requests()));
        const auto x = static_cast<float>(axis.x(event.at));
        bool found = false;
        for (const Rect& r : picture.rects) {
          // A merged cell's tick stands at its begin, which may be its width away.
          const float by = budget == 400 ? 900 : 8;
          found |= r.tone == tone_of(static_cast<int>(event.mark), Tone::mark_preempted) && r.box.y0 >= top - 0.5f &&
                   r.box.y1 <= top + 12 && near(r.box.x0, x, by);
        }
        CAPTURE(share, budget, event.request, event.at, name_of(event.mark), x, top);
        if (!found) FAIL("a lane hides a mark");
      }
    }
  }
}

TEST_CASE("A column is as high as the mean over its steps' time, and its band as the most of them", "[viz]") {
  const auto model = random_model(Policy::vllm_v1, 8, 400);
  const Clock clock(*model);
  Style style;
  Frame frame{};
  frame.model = model.get();
  frame.clock = &clock;
  frame.style = &style;
  const Box box{0, 0, 700, 400};
  int columns = 0, single = 0;
  for (const double share : {1.0, 0.2, 0.02}) {
    frame.axis.begin = clock.begin();
    frame.axis.end = clock.begin() + static_cast<Place>(share * static_cast<double>(clock.end() - clock.begin()));
    LaneOptions options;
    options.view = LaneView::density;
    const Picture picture = lanes(frame, box, options);
    std::int32_t top_live = 1;
    for (const Rect& r : picture.rects) {
      if (r.ref.kind == Ref::Kind::step)
        top_live = std::max(top_live, model->sum_steps(r.ref.part, r.ref.part + r.ref.count).most_live);
    }
    const float height = box.height() - 0.8F * style.em - 1;  // below the strip of marks
    const auto y_of = [&](double live) { return box.y1 - static_cast<float>(live / top_live) * height; };
    // The tops of a column's parts, and of its band, by its first step.
    std::map<std::int32_t, std::pair<float, float>> tops;
    std::map<std::int32_t, Ref> refs;
    for (const Rect& r : picture.rects) {
      if (r.ref.kind != Ref::Kind::step) continue;
      auto& [parts, band] = tops.try_emplace(r.ref.part, 1e9F, 1e9F).first->second;
      (r.tone == Tone::most ? band : parts) = std::min(r.tone == Tone::most ? band : parts, r.box.y0);
      refs[r.ref.part] = r.ref;
    }
    for (const auto& [first, top] : tops) {
      double time = 0, live = 0, most = 0;
      for (std::int32_t s = first; s < first + refs[first].count; ++s) {
        const viz::Step& step = model->step(s);
        const auto took = static_cast<double>(step.duration);
        time += took;
        live += took * (step.running + step.waiting);
        most = std::max(most, static_cast<double>(step.running + step.waiting));
      }
      CAPTURE(share, first, refs[first].count);
      // A phase of less than half a pixel is left out.
      REQUIRE(near(top.first, y_of(live / std::max(1.0, time)), 0.6F));
      if (refs[first].count == 1) REQUIRE(top.second == 1e9F);
      if (top.second < 1e9F) REQUIRE(near(top.second, y_of(most), 0.1F));
      columns += refs[first].count > 1 && top.second < 1e9F;
      single += refs[first].count == 1;
      const std::string words = tip(frame, {}, {}, refs[first]);
      if (refs[first].count > 1) REQUIRE(words.find(std::to_string(refs[first].count) + " steps, ") == 0);
    }
  }
  CHECK(columns > 50);
  CHECK(single > 5);
}

TEST_CASE("A click finds what is drawn there", "[viz]") {
  const auto model = random_model(Policy::vllm_v1, 4, 30);
  const Clock clock(*model);
  Style style;
  Frame frame{};
  frame.model = model.get();
  frame.clock = &clock;
  frame.style = &style;
  frame.axis.begin = clock.begin();
  frame.axis.end = clock.end();
  LaneOptions options;
  const Box box{0, 0, 3000, 900};
  const Picture picture = lanes(frame, box, options);
  const Axis axis = panel_axis(frame, box);
  for (std::int32_t r = 0; r < 5; ++r) {
    const viz::Request& request = model->request(r);
    const TimeNs middle = (request.begin + request.end) / 2;
    const float y = lane_top(frame, options, r) +
                    (picture.content_height - static_cast<float>(model->num_requests()) * 1.25f * style.em) + 4;
    const Rect* hit = picture.hit(static_cast<float>(axis.x(middle)), y);
    REQUIRE(hit != nullptr);
    CHECK(hit->ref.id == r);
  }
  Seeker seeker(*model);
  const Moment& moment = seeker.seek(model->num_steps() / 2);
  frame.step = model->num_steps() / 2;
  frame.moment = &moment;
  Scene scene;
  scene.frames = {frame};
  const Picture blocks = find_panel("blocks")->layout(scene, box);
  std::vector<bool> seen(moment.blocks.size());
  for (const Rect& rect : blocks.rects) {
    const Rect* hit = blocks.hit((rect.box.x0 + rect.box.x1) / 2, (rect.box.y0 + rect.box.y1) / 2);
    REQUIRE(hit != nullptr);
    CHECK(hit->ref.id == rect.ref.id);
    seen[static_cast<std::size_t>(rect.ref.id)] = true;
  }
  CHECK(std::find(seen.begin(), seen.end(), false) == seen.end());
}

TEST_CASE("Texts are shortened at character borders", "[viz]") {
  Style style;
  style.em = 20;  // 11 pixels a character
  CHECK(style.fit("abcdef", 66) == "abcdef");
  CHECK(style.fit("abcdef", 65) == "ab...");
  CHECK(style.fit("äöüäöü", 65) == "äö...");
  CHECK(style.fit("abcdef", 20).empty());
}

TEST_CASE("Panels are told apart by name, key and place in the list, and show one thing each", "[viz]") {
  std::set<std::string> names, keys;
  std::set<int> orders;
  for (const Panel* panel : all_panels()) {
    CAPTURE(panel->name);
    CHECK(find_panel(panel->name) == panel);
    CHECK(names.insert(panel->name).second);
    CHECK(keys.insert(panel->key).second);
    CHECK(orders.insert(panel->order).second);
    CHECK((panel->layout != nullptr) + (panel->words != nullptr) + (panel->sliders ? 1 : 0) == 1);
    for (const std::size_t traces : {1U, 2U, 4U}) {
      CHECK(panel->size(traces).least > 0);
      CHECK(panel->size(traces).share > 0);
    }
  }
  CHECK(find_panel("moon") == nullptr);
  CHECK(panel_names() == "requests, steps, batch, counters, blocks, table, prefix, latency, why, compare, details, what-if");
}
