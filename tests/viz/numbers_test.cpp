// Every number that a panel shows, at every step of every scenario and of every trace in scenarios/: against the expander,
// against the totals of the run, and against the other panels.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>

#include "catch.h"
#include "core/base/text_file.h"
#include "core/dice.h"
#include "core/trace/replay.h"
#include "core/trace/state.h"
#include "core/trace/support.h"
#include "sim/lesson.h"
#include "sim/run.h"
#include "viz/model/model_builder.h"
#include "viz/view/layout.h"
#include "viz/view/panel.h"

using namespace tokenyard;
using namespace tokenyard::test;
using namespace tokenyard::viz;

namespace {

using Numbers = std::vector<std::int64_t>;

// The whole numbers in a text that stand alone: no part of a name or of a fraction.
Numbers numbers_in(std::string_view text) {
  Numbers out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find_first_of(" ,;:()\n", at), text.size());
    const std::string word(text.substr(at, end - at));
    if (!word.empty() && word.find_first_not_of("0123456789") == std::string::npos) out.push_back(std::stoll(word));
    at = end + 1;
  }
  return out;
}

// The text's first line that holds `words`, or nothing.
std::string line_with(std::string_view text, std::string_view words) {
  const std::size_t at = text.find(words);
  if (at == std::string_view::npos) return "";
  const std::size_t begin = text.rfind('\n', at) + 1;
  return std::string(text.substr(begin, text.find('\n', at) - begin));
}

std::string labels_of(const Picture& picture) {
  std::string out;
  for (const Label& label : picture.labels) out += label.text + "\n";
  return out;
}

// Takes a trace record by record, and compares after every step.
class Walk final : public TraceSink {
 public:
  explicit Walk(const std::string& name) : builder_(name), seeker_(builder_.model()) {}

  void on_header(const TraceHeader& header) override {
    state_.emplace(header);
    builder_.on_header(header);
  }
  void on_join(const JoinRecord& join) override {
    state_->apply(join);
    builder_.on_join(join);
  }
  void on_cancel(const CancelRecord& cancel) override {
    state_->apply(cancel);
    builder_.on_cancel(cancel);
  }
  void on_step(const StepRecord& record) override {
    builder_.on_step(record);
    state_->begin(record);
    rows_ = state_->rows().size();
    late_ = 0;
    // What runs is what was planned, less who is known to have ended by then.
    if (model().header().engine.async_scheduling) state_->finish(record);
    if (model().header().engine.async_scheduling) {
      for (const TraceState::Row& row : state_->rows()) late_ += state_->request(row.request).live() ? 0 : row.count;
    }
    compare_step();
    if (!model().header().engine.async_scheduling) state_->finish(record);
  }
  void on_end(std::int64_t steps, TimeNs at) override {
    state_->end();
    builder_.on_end(steps, at);
  }

  const TraceModel& model() const { return builder_.model(); }
  void compare_totals(const Metrics& metrics);

  std::int64_t texts = 0, maps = 0;

 private:
  void compare_step();
  void compare_blocks(const Moment& moment);
  void compare_texts(const Moment& moment);

  ModelBuilder builder_;
  std::optional<TraceState> state_;
  Seeker seeker_;
  std::size_t rows_ = 0;
  std::int64_t late_ = 0;
  std::int64_t next_blocks_ = 0, next_texts_ = 0;
};

void Walk::compare_step() {
  const std::int32_t index = model().num_steps() - 1;
  const Step& step = model().step(index);
  const Moment& moment = seeker_.seek(index);
  const TraceState& truth = *state_;
  const std::int32_t usable = model().usable_blocks(), used = truth.num_usable() - truth.num_free();
  CAPTURE(model().name(), step.number);
  // One comparison that fails is told; a macro for each of a million steps would take a minute.
  const auto same = [&](const char* what, std::int64_t a, std::int64_t b) {
    if (a != b) FAIL(what << ": " << a << " and " << b);
  };
  same("running", step.running, std::ssize(truth.running()));
  same("running and seated", step.running, std::ssize(moment.seated));
  same("waiting", step.waiting, truth.num_waiting());
  same("used blocks", step.used_blocks, used);
  same("used blocks of the map", moment.used_blocks, used);
  same("cached blocks", step.cached_blocks, moment.cached_blocks);
  if (step.used_blocks + step.cached_blocks > usable) FAIL("more blocks than there are");
  same("evicted", step.evicted_blocks, std::ssize(moment.evicted));
  same("evicted by the trace", step.evicted_blocks, std::ssize(truth.evicted()));
  same("rows", step.rows(), static_cast<std::int64_t>(rows_));
  same("tokens of who had ended", step.late_tokens, late_);
  std::int64_t tokens = 0;
  for (const TraceState::Row& row : truth.rows()) tokens += row.count;
  same("tokens", step.tokens() + step.late_tokens, tokens);
  same("who runs has a row or not", step.running, step.rows() - step.late_rows + step.stalled);
  // Slots.
  const std::int64_t size = model().header().engine.block_size;
  const MemoryUse& memory = step.memory;
  same("slots", memory.used + memory.reserved + memory.internal + memory.external + memory.free, usable * size);
  same("free slots", memory.external + memory.free, std::int64_t{usable - used} * size);
  const StepMeans means = sum_of(step, index).means();
  double live = 0;
  for (const double requests : means.in_phase) live += requests;
  same("density", std::llround(live), step.running + step.waiting);
  // What costs a look at the whole pool, or text, is done at every step of a small run, and now and then in a long one.
  if (index >= next_blocks_) {
    next_blocks_ = index + 1 + std::ssize(moment.blocks) * index / scaled(2'000'000);
    compare_blocks(moment);
  }
  if (index >= next_texts_) {
    next_texts_ = index + 1 + index / scaled(1'000);
    compare_texts(moment);
  }
}

void Walk::compare_blocks(const Moment& moment) {
  std::int64_t used = 0, cached = 0;
  for (std::size_t b = 0; b < moment.blocks.size(); ++b) {
    const TraceState::Block& truth = state_->blocks()[b];
    if (moment.blocks[b].references != truth.references) FAIL("the references of block " << b);
    used += truth.references > 0;
    cached += moment.blocks[b].references == 0 && moment.blocks[b].findable;
  }
  if (used != moment.used_blocks) FAIL("used blocks: " << used << " and " << moment.used_blocks);
  if (cached != moment.cached_blocks) FAIL("cached blocks: " << cached << " and " << moment.cached_blocks);
  std::int64_t slots = 0, later = 0;
  const std::vector<Fill> fills = fills_of(model(), moment);
  for (std::size_t b = 0; b < fills.size(); ++b) {
    if (moment.blocks[b].references == 0) continue;
    slots += fills[b].used;
    later += fills[b].later;
  }
  const MemoryUse& memory = model().step(moment.step).memory;
  if (slots != memory.used) FAIL("slots that the map shows as filled: " << slots << " and " << memory.used);
  if (later != memory.reserved) FAIL("slots that the map shows as to be filled: " << later << " and " << memory.reserved);
  std::int64_t in_tree = 0;
  for (const PrefixNode& node : prefix_tree(model(), moment)) in_tree += std::ssize(node.blocks);
  if (keeps_prefixes(model()) ? in_tree != used + cached : in_tree != 0) FAIL("blocks in the prefix tree: " << in_tree);
  ++maps;
}

void Walk::compare_texts(const Moment& moment) {
  const Step& step = model().step(moment.step);
  const Clock clock(model());
  Style style;
  Frame frame{};
  frame.model = &model();
  frame.clock = &clock;
  frame.style = &style;
  frame.axis.begin = clock.place(step.start);
  frame.axis.end = frame.axis.begin + Axis::kNarrowest;
  frame.cursor = step.start;
  frame.step = moment.step;
  frame.moment = &moment;
  const std::vector<PrefixNode> tree = prefix_tree(model(), moment);
  const std::vector<Sentence> sentences = explain(model(), moment);
  frame.tree = &tree;
  frame.sentences = &sentences;
  Scene scene;
  scene.frames = {frame};
  const auto at_right = [&](const char* panel) { return numbers_in(find_panel(panel)->at_right(scene)); };
  const auto drawn = [&](const char* panel, Box box) { return labels_of(find_panel(panel)->layout(scene, box)); };
  const std::int64_t usable = model().usable_blocks();
  const std::int64_t used = moment.used_blocks, cached = moment.cached_blocks;

  const std::string words = step_in_words(model(), moment.step);
  CAPTURE(words);
  REQUIRE(numbers_in(line_with(words, " used, ")) == Numbers{used, usable, cached});
  REQUIRE(numbers_in(line_with(words, " run, ")).at(0) == step.running);
  REQUIRE(at_right("blocks") == Numbers{used, usable});
  REQUIRE(at_right("batch") == Numbers{step.rows(), step.tokens()});
  REQUIRE(at_right("why") == Numbers{step.number});

  const std::string counters = drawn("counters", {0, 0, 1200, 400});
  CAPTURE(counters);
  const auto counter = [&](std::string name) {
    if (counters.find(name + "\n") == std::string::npos) name = name.substr(name.find(' ') + 1);  // where the scale needs room
    const std::size_t at = counters.find(name + "\n");
    REQUIRE(at != std::string::npos);
    return numbers_in(counters.substr(at + name.size() + 1)).at(0);
  };
  REQUIRE(counter("running") == step.running);
  REQUIRE(counter("waiting") == step.waiting);
  REQUIRE(counter("blocks used") == used);
  REQUIRE(counter("blocks cached") == cached);

  const Box map_box{0, 0, 900, 600};
  const Picture map = find_panel("blocks")->layout(scene, map_box);
  const std::string above = labels_of(map);
  CAPTURE(above);
  const std::size_t free_but = above.find(" free, but cached");
  REQUIRE((free_but == std::string::npos) == (cached == 0));
  if (cached > 0) REQUIRE(numbers_in(above.substr(above.rfind(' ', free_but - 1) + 1, free_but)).at(0) == cached);
  const bool cell_a_block = std::none_of(map.rects.begin(), map.rects.end(), [](const Rect& r) { return r.ref.count > 1; });
  if (cell_a_block) {
    const auto cells = [&](Tone tone) {
      return std::count_if(map.rects.begin(), map.rects.end(), [&](const Rect& r) { return r.tone == tone; });
    };
    REQUIRE(cells(Tone::cached) == cached);
    REQUIRE(cells(Tone::free) == usable - used - cached);
  }
  if (keeps_prefixes(model()) && !tree.empty()) {
    const std::string prefixes = drawn("prefix", {0, 0, 1200, 300});
    CAPTURE(prefixes);
    REQUIRE(numbers_in(line_with(prefixes, "in use")) == Numbers{used, cached});
  }

  std::string why;
  for (const Sentence& sentence : sentences) why += sentence.text + "\n";
  CAPTURE(why);
  const auto said = [&](const char* phrase, const char* one) {
    const std::string line = line_with(why, phrase);
    return numbers_in(line.empty() ? line_with(why, one) : line);
  };
  const auto or_none = [](std::int64_t n) { return n == 0 ? Numbers{} : Numbers{n}; };
  REQUIRE(said(" requests decode a token", "1 request decodes a token") == or_none(step.decode_rows));
  REQUIRE(said(" cached blocks evicted to", "1 cached block evicted to") == or_none(step.evicted_blocks));
  REQUIRE(said(" requests leave at", "1 request leaves at") == or_none(step.finished));
  std::int64_t preempted = 0;
  for (const Sentence& sentence : sentences) preempted += sentence.kind == Sentence::Kind::preempted;
  REQUIRE(preempted == step.preempted);
  // Free blocks that a standing refusal names for this step are the map's.
  for (std::size_t at = 0; (at = why.find(" free in this one", at)) != std::string::npos; ++at) {
    const std::size_t from = why.rfind("; ", at) + 2;
    REQUIRE(numbers_in(why.substr(from, at - from)) == Numbers{usable - used});
  }
  std::int64_t rows = 0, row_tokens = 0;
  for (const MomentRow& row : rows_of(model(), moment)) {
    rows += row.phase != Phase::stalled;
    row_tokens += row.tokens;
  }
  REQUIRE(rows + step.late_rows == step.rows());
  REQUIRE(row_tokens == step.tokens());
  ++texts;
}

void Walk::compare_totals(const Metrics& metrics) {
  const TraceModel& m = model();
  CAPTURE(m.name());
  const TraceState::Totals& totals = state_->totals();
  const Latency latency = latency_of(m, {});
  const Verdict verdict = verdict_of(m, latency);
  std::int64_t preempted = 0, evicted = 0, computed = 0, hits = 0, asked = 0, of_requests = 0, rows = 0;
  for (const Step& step : m.steps()) {
    preempted += step.preempted;
    evicted += step.evicted_blocks;
    computed += step.tokens() + step.late_tokens;
    hits += step.hit_tokens;
    asked += step.asked_tokens;
    rows += step.rows();
  }
  for (const viz::Request& request : m.requests()) of_requests += request.preemptions;
  CHECK(m.num_steps() == metrics.steps);
  CHECK(preempted == metrics.preemptions);
  CHECK(preempted == totals.preemptions);
  CHECK(preempted == verdict.preemptions);
  CHECK(preempted == of_requests);
  CHECK(evicted == totals.evicted_blocks);
  CHECK(computed == metrics.computed_tokens);
  CHECK(computed == totals.computed_tokens);
  CHECK(hits == metrics.prefix_hits);
  CHECK(asked == metrics.prefix_queries);
  CHECK(rows == std::llround(metrics.batch_size.mean() * static_cast<double>(metrics.steps)));
  CHECK(verdict.completed == metrics.completed);
  CHECK(verdict.refused == metrics.refused);
  CHECK(verdict.cancelled == metrics.cancelled);
  CHECK(verdict.failed == metrics.failed);
  CHECK(verdict.makespan == metrics.duration());
  CHECK(m.sum_steps(0, m.num_steps()).busy == metrics.busy);
  const auto same = [](const Distribution& a, const Distribution& b) {
    CHECK(a.count() == b.count());
    for (const double p : {50.0, 95.0, 99.0}) CHECK(a.percentile(p) == b.percentile(p));
  };
  same(latency.ttft, metrics.ttft);
  same(latency.tpot, metrics.tpot);
  same(latency.itl, metrics.itl);
  same(latency.e2el, metrics.e2el);
  if (metrics.duration() > 0) {
    CHECK(verdict.tokens_per_s ==
          Approx(static_cast<double>(metrics.output_tokens) * 1e9 / static_cast<double>(metrics.duration())));
  }
  CHECK(verdict.wasted_kv == Approx(metrics.memory_shares()[2] + metrics.memory_shares()[3]).margin(1e-12));
  // When all have left, nobody holds a block.
  Seeker seeker(m);
  const Moment& left = seeker.seek_end();
  CHECK(left.used_blocks == 0);
  CHECK(left.seated.empty());
}

std::vector<std::filesystem::path> files_in(const std::string& folder, const std::string& extension) {
  std::vector<std::filesystem::path> out;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(TOKENYARD_SOURCE_DIR) + "/" + folder)) {
    if (entry.path().extension() == extension) out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

TEST_CASE("Panels agree with the expander, the totals and each other at every step of every scenario", "[viz]") {
  int runs = 0;
  for (const std::filesystem::path& path : files_in("scenarios", ".json")) {
    Lesson lesson = load_lesson(path.string());
    if (scaled(100) < 100) lesson.variants.resize(1);  // under sanitizers
    for (const Variant& variant : lesson.variants) {
      Walk walk(path.stem().string() + ":" + variant.name);
      RunOptions options;
      options.trace = &walk;
      options.program = "tokenyard test";
      walk.compare_totals(run_scenario(load_scenario(path.string(), variant.overrides), options).metrics);
      CHECK(walk.texts > 0);
      CHECK(walk.maps > 0);
      ++runs;
    }
  }
  CHECK(runs > scaled(20));
}

TEST_CASE("Requests that follow each other look different, and alike in every run", "[viz]") {
  const std::string path = std::string(TOKENYARD_SOURCE_DIR) + "/scenarios/paged-memory.json";
  std::vector<std::vector<int>> looks;
  for (const char* const variant : {"orca_max", "paged"}) {
    ModelBuilder builder(variant);
    RunOptions options;
    options.trace = &builder;
    run_scenario(load_scenario(path, find_variant(load_lesson(path), variant).overrides), options);
    looks.emplace_back();
    for (std::int32_t i = 0; i < builder.model().num_requests(); ++i) looks.back().push_back(hue_of(builder.model(), i));
  }
  REQUIRE(looks[0].size() > 2 * kLooks);
  CHECK(looks[0] == looks[1]);
  for (std::size_t i = 0; i + kLooks <= looks[0].size(); ++i) {
    std::vector<int> some(looks[0].begin() + static_cast<std::ptrdiff_t>(i),
                          looks[0].begin() + static_cast<std::ptrdiff_t>(i) + kLooks);
    std::sort(some.begin(), some.end());
    if (std::adjacent_find(some.begin(), some.end()) != some.end())
      FAIL("two of " << kLooks << " from " << i << " on look alike");
  }
}

TEST_CASE("Panels agree with the expander, the totals and each other at every step of every recorded trace", "[viz]") {
  std::vector<std::filesystem::path> paths = files_in("scenarios/recorded", ".trace");
  for (const std::filesystem::path& path : files_in("scenarios/golden", ".trace")) paths.push_back(path);
  std::int64_t ahead = 0;
  for (const std::filesystem::path& path : paths) {
    Walk walk(path.stem().string());
    TraceReader again(open_text_file(path.string()), path.string());
    walk.on_header(again.header());
    while (pass_on(again, walk) != TraceSource::Kind::none) {
    }
    TraceReader reader(open_text_file(path.string()), path.string());
    const ReplayOutcome outcome = replay(reader);
    REQUIRE(outcome.identical);
    walk.compare_totals(outcome.metrics);
    for (const viz::Request& request : walk.model().requests()) ahead += request.preempted_late;
  }
  CHECK(ahead > 0);
}
