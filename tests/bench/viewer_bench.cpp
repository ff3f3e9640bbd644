// viewer_bench [FOLDER]: how long the viewer takes to open a trace, to lay out a full frame at any zoom and scroll position,
// and to find the state at any step. FOLDER holds azure2023/ as it is published; docs/measurements.md has figures. A trace is
// made in one process and opened in another, so that its memory is the viewer's alone.
#include <fmt/core.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "core/engine.h"
#include "core/trace/recorder.h"
#include "core/trace/writer.h"
#include "sim/run.h"
#include "viz/model/trace_file.h"
#include "viz/view/bars.h"
#include "viz/view/comparison.h"
#include "viz/view/lanes.h"
#include "viz/view/overview.h"
#include "viz/view/panel.h"

namespace {

using namespace tokenyard;

constexpr TimeNs kStep = 10'000'000;
constexpr int kRuns = 7;  // the best counts: other work on the machine makes any single one long

// Every step takes 10 ms.
class Clockwork : public Backend {
 public:
  void submit(const StepPlan& plan) override {
    result_.tokens.clear();
    for (const tokenyard::Row& row : plan.rows) {
      if (row.sample) result_.tokens.push_back(kUnnamedToken);
    }
    result_.duration = kStep;
    result_.parts = {};
    result_.parts.gemm = kStep / 10 * 6;
    result_.parts.attention = kStep / 10 * 3;
    result_.parts.host = kStep / 10;
  }
  const StepResult& collect() override {
    now_ += kStep;
    return result_;
  }
  TimeNs now() const override { return now_; }
  void wait_until(TimeNs time) override { now_ = std::max(now_, time); }
  void wake() override {}

 private:
  TimeNs now_ = 0;
  StepResult result_;
};

// Requests that arrive evenly, each with the beginning that all share and a text of its own.
class Stream : public RequestSource {
 public:
  Stream(std::int32_t requests, TimeNs gap, std::int32_t output) : requests_(requests), gap_(gap), output_(output) {}
  void poll(TimeNs now, std::int64_t, std::vector<SourceEvent>& due) override {
    for (; next_ < requests_ && gap_ * next_ <= now; ++next_) {
      SourceEvent event;
      event.spec.id = "r" + std::to_string(next_);
      event.spec.arrival = gap_ * next_;
      event.spec.prompt.append(1, 0, 128);
      event.spec.prompt.append(2 + next_, 0, static_cast<std::int32_t>(100 + next_ % 200));
      event.spec.max_tokens = output_;
      due.push_back(std::move(event));
    }
  }
  TimeNs next_time() const override { return next_ < requests_ ? gap_ * next_ : kNever; }

 private:
  std::int64_t requests_;
  TimeNs gap_;
  std::int32_t output_;
  std::int64_t next_ = 0;
};

void make(const EngineConfig& config, Stream stream, const std::string& trace) {
  Clockwork backend;
  TraceWriter writer(trace);
  writer.on_header({"viewer_bench", "sim", config, "", "", ""});
  TraceRecorder recorder(writer);
  Engine engine(config, backend, {&recorder});
  engine.run(stream);
  writer.on_end(engine.num_steps(), backend.now());
  writer.flush();
}

bool in_child(const std::function<void()>& work) {
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    try {
      work();
      std::fflush(stdout);
      _exit(0);
    } catch (const std::exception& error) {
      fmt::print(stderr, "{}\n", error.what());
      std::fflush(stderr);
      _exit(1);
    }
  }
  int status = 0;
  return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

// Of this process's core: says more than the clock on a shared machine.
double cpu_ms() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return 1e3 * static_cast<double>(now.tv_sec) + 1e-6 * static_cast<double>(now.tv_nsec);
}

struct Worst {
  double worst = 0, sum = 0;
  std::int64_t count = 0;
  void add(double value) {
    worst = std::max(worst, value);
    sum += value;
    ++count;
  }
};

// Every panel at once, 1920 x 1080.
class Screen {
 public:
  std::size_t lay_out(const viz::Frame& frame, const viz::LaneOptions& options, const viz::Extent& extent) {
    using namespace viz;
    rects_ = 0;
    spent_ = 0;
    BarCache shared;
    Scene scene;
    scene.frames = {frame};
    scene.frames.front().bars = &shared;
    const auto panel = [&](const char* name, Box box) { return find_panel(name)->layout(scene, box); };
    add(0, [&] { return overview(frame, {0, 0, 1920, 60}, extent.begin, extent.end); });
    add(1, [&] { return ruler(frame, {0, 60, 1400, 80}); });
    add(2, [&] { return lanes(frame, {0, 80, 1400, 700}, options); });
    // Whoever comes first pays for the bars of all.
    add(3, [&] {
      shared.clear();
      return panel("steps", {0, 700, 1400, 800});
    });
    add(4, [&] { return panel("batch", {0, 800, 1400, 900}); });
    add(5, [&] { return panel("counters", {0, 900, 1400, 1080}); });
    add(6, [&] { return panel("blocks", {1400, 60, 1920, 500}); });
    add(7, [&] { return panel("table", {1400, 500, 1920, 600}); });
    add(8, [&] { return panel("prefix", {1400, 600, 1920, 750}); });
    add(9, [&] { return panel("latency", {1400, 750, 1920, 950}); });
    add(10, [&] { return panel("why", {1400, 950, 1920, 1080}); });
    return rects_;
  }
  double spent() const { return spent_; }  // milliseconds, in the latest one
  std::string worst() const {
    static const char* const names[] = {"overview", "ruler", "lanes", "step time", "composition", "counters",
                                        "blocks",   "table", "tree",  "CDF",       "why"};
    std::string out;
    for (std::size_t i = 0; i < std::size(names); ++i) out += fmt::format(" {} {:.2f}", names[i], panels_[i].worst);
    return out;
  }

 private:
  template <typename Panel>
  void add(std::size_t index, Panel&& panel) {
    double best = 1e9;
    std::size_t rects = 0;
    for (int run = 0; run < kRuns; ++run) {
      const double from = cpu_ms();
      rects = panel().rects.size();
      best = std::min(best, cpu_ms() - from);
    }
    rects_ += rects;
    spent_ += best;
    panels_[index].add(best);
  }
  double spent_ = 0;
  std::size_t rects_ = 0;
  Worst panels_[11];
};

void look(const std::string& name, const std::string& path) {
  using namespace viz;
  const auto begin = std::chrono::steady_clock::now();
  TraceFile file(path);
  file.read_all();
  const double open_ms = cpu_ms();
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  if (!file.error().empty() || file.unfinished()) throw std::runtime_error(file.error() + " the trace is not whole");
  const TraceModel& model = file.model();
  fmt::print("{}: {:.1f} MB, {} requests, {} steps, {} rows, {} spans, {} seats, {} blocks, {} preemptions\n", name,
             static_cast<double>(std::filesystem::file_size(path)) / 1e6, model.num_requests(), model.num_steps(),
             model.num_rows(), model.num_spans(), model.seats().size(), model.usable_blocks(),
             model.times(Mark::preempted).size());
  fmt::print("  open {:.0f} ms of a core ({:.0f} ms on the clock), peak {:.0f} MB\n", open_ms, took.count(),
             static_cast<double>(usage.ru_maxrss) / 1024);

  std::mt19937_64 dice(1);
  const auto roll = [&](std::int32_t least, std::int32_t most) {
    return std::uniform_int_distribution<std::int32_t>(least, most)(dice);
  };
  Seeker seeker(model);
  Worst seek;
  for (int i = 0; i < 400; ++i) {
    const std::int32_t to = roll(0, model.num_steps() - 1);
    double best = 1e9;
    for (int run = 0; run < kRuns; ++run) {
      seeker.seek(-1);
      const double from = cpu_ms();
      seeker.seek(to);
      best = std::min(best, cpu_ms() - from);
    }
    seek.add(best);
  }
  Worst next;
  std::int32_t at = model.num_steps() / 2;
  seeker.seek(at);
  for (int i = 0; i < 200 && at + 1 < model.num_steps(); ++i) {
    const double from = cpu_ms();
    seeker.seek(++at);
    next.add(cpu_ms() - from);
  }
  fmt::print("  seek anywhere {:.2f} ms at worst, {:.2f} ms on average; next step {:.3f} ms at worst\n", seek.worst,
             seek.sum / static_cast<double>(seek.count), next.worst);

  const double latency_from = cpu_ms();
  const Latency latency = latency_of(model, {});
  fmt::print("  latencies, once a trace: {:.1f} ms\n", cpu_ms() - latency_from);
  const Style style;
  for (const Align align : {Align::time, Align::step}) {
    const Clock clock(model, align);
    const Extent extent = extent_of({&clock, 1});
    for (const LaneView view : {LaneView::requests, LaneView::seats, LaneView::density}) {
      Screen screen;
      Worst frames;
      Worst moments;
      std::size_t most = 0;
      std::string place;
      for (int zoom = 0; zoom < 40; ++zoom) {
        for (int position = 0; position < 3; ++position) {
          Frame frame{};
          frame.model = &model;
          frame.clock = &clock;
          frame.style = &style;
          frame.axis.x0 = 0;
          frame.axis.x1 = 1400;
          const double share = std::pow(0.7, zoom);
          const auto width =
              std::max(Axis::kNarrowest, static_cast<Place>(static_cast<double>(extent.end - extent.begin) * share));
          const auto from = extent.begin + (extent.end - extent.begin - width) / 7 * (2 * position + 1);
          frame.axis.show(from, from + width, extent.begin, extent.end);
          frame.cursor = clock.time(frame.axis.begin + width / 2);
          frame.step = std::max(0, model.step_at(frame.cursor));
          frame.request = roll(0, model.num_requests() - 1);
          LaneOptions lanes;
          lanes.view = view;
          lanes.row = position == 2 ? 5.0f : 0.0f;
          const std::int32_t rows =
              view == LaneView::seats ? static_cast<std::int32_t>(model.seats().size()) : model.num_requests();
          // Who is there in the middle of the picture, as one would scroll.
          std::int32_t row = roll(0, rows - 1);
          const Moment& moment = seeker.seek(frame.step);
          if (view == LaneView::requests && !moment.seated.empty()) row = moment.seated.front().request;
          if (view == LaneView::seats) row = 0;
          lanes.scroll = static_cast<float>(std::max(0, row - 5)) * (lanes.row > 0 ? lanes.row : 1.25f * style.em);
          const double moment_from = cpu_ms();
          const std::vector<PrefixNode> tree = prefix_tree(model, moment);
          const std::vector<Sentence> sentences = explain(model, moment);
          moments.add(cpu_ms() - moment_from);
          frame.moment = &moment;
          frame.tree = &tree;
          frame.sentences = &sentences;
          frame.latency = &latency;
          most = std::max(most, screen.lay_out(frame, lanes, extent));
          const double spent = screen.spent();
          if (spent > frames.worst) place = fmt::format("zoom {:.1e}, row {}", share, row);
          frames.add(spent);
        }
      }
      fmt::print(
          "  {} over {}: frame {:.2f} ms at worst ({}), {:.2f} ms on average, {} rectangles at most; tree and why {:.2f} ms\n",
          name_of(view), name_of(align), frames.worst, place, frames.sum / static_cast<double>(frames.count), most,
          moments.worst);
      fmt::print("   {}\n", screen.worst());
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const char* shared = std::getenv("TOKENYARD_SHARED");
  const std::string folder =
      argc > 1 ? argv[1] : (shared != nullptr ? std::string(shared) : TOKENYARD_SOURCE_DIR "/../shared") + "/data";
  const std::string azure = folder + "/azure2023/AzureLLMInferenceTrace_conv.csv";
  const std::string trace = (std::filesystem::temp_directory_path() / fmt::format("viewer_bench.{}.trace", getpid())).string();
  bool well = true;
  const auto both = [&](const std::string& name, const std::function<void()>& write) {
    well = in_child(write) && in_child([&] { look(name, trace); }) && well;
    std::filesystem::remove(trace);
  };
  if (std::filesystem::exists(azure)) {
    both("azure hour", [&] {
      TraceWriter writer(trace);
      RunOptions options;
      options.trace = &writer;
      options.program = "viewer_bench";
      run_scenario(load_scenario(azure), options);
      writer.flush();
    });
  } else {
    fmt::print("azure hour: skipped, no {}\n", azure);
  }
  EngineConfig config;
  config.num_blocks = 3900;
  config.admission_gate = false;
  // 100 rows a request: ten million; memory is short, so that requests are preempted.
  both("vllm_v1", [&] { make(config, Stream(100'000, kStep * 100 / 254, 100), trace); });
  // Nearly every arrival stops all others for a step: a span for every row, and one for every wait between two.
  config.policy = Policy::nano_vllm;
  config.num_blocks = 30'000;
  both("nano_vllm", [&] { make(config, Stream(100'000, 2 * kStep, 50), trace); });
  return well ? 0 : 1;
}
