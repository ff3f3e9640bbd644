#include "viz/app/what_if.h"

#include <chrono>
#include <stdexcept>
#include <utility>

#include "core/base/input_error.h"
#include "sim/run.h"
#include "viz/model/model_builder.h"

namespace tokenyard::viz {
namespace {

struct Cancelled {};

// A page has none unless its server sends certain headers, and one that is opened as a file has no server.
#ifdef __EMSCRIPTEN__
constexpr bool kThreads = false;
#else
constexpr bool kThreads = true;
#endif

}  // namespace

SimulatedRun simulate_into_model(const std::string& scenario, const std::vector<std::string>& overrides,
                                 const std::string& name, const std::function<bool()>& cancelled) {
  const auto begin = std::chrono::steady_clock::now();
  SimulatedRun run;
  run.overrides = overrides;
  try {
    auto loaded = std::make_shared<Scenario>(load_scenario(scenario, overrides));
    auto trace = std::make_shared<MemoryTrace>();
    RunOptions options;
    options.trace = trace.get();
    options.program = "tokenyard view";
    options.after_step = [&](const Engine&, const Metrics&, TimeNs) {
      if (cancelled && cancelled()) throw Cancelled{};
    };
    run_scenario(*loaded, options);
    ModelBuilder builder(name);
    builder.on_header(trace->header());
    MemoryTraceSource source(trace, name);
    while (pass_on(source, builder) != TraceSource::Kind::none) {
      if (cancelled && cancelled()) throw Cancelled{};
    }
    run.model = builder.take();
    run.trace = std::move(trace);
    run.scenario = std::move(loaded);
  } catch (const Cancelled&) {
  } catch (const InputError& error) {
    run.error = error.what();
  } catch (const std::invalid_argument& error) {
    run.error = error.what();
  }
  run.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return run;
}

WhatIf::WhatIf() {
  if constexpr (kThreads) thread_ = std::thread([this] { work(); });
}

WhatIf::~WhatIf() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    ++wishes_;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void WhatIf::ask(std::string scenario, std::vector<std::string> overrides, std::string name) {
  {
    const std::lock_guard lock(mutex_);
    wish_ = Wish{std::move(scenario), std::move(overrides), std::move(name)};
    ++wishes_;
  }
  changed_.notify_one();
}

std::optional<SimulatedRun> WhatIf::poll() {
  if constexpr (!kThreads) {
    if (wish_) {
      const Wish wish = *std::exchange(wish_, std::nullopt);
      done_ = simulate_into_model(wish.scenario, wish.overrides, wish.name);
    }
  }
  const std::lock_guard lock(mutex_);
  return std::exchange(done_, std::nullopt);
}

bool WhatIf::busy() const {
  const std::lock_guard lock(mutex_);
  return running_ || wish_.has_value() || done_.has_value();
}

void WhatIf::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stop_ || wish_; });
    if (stop_) return;
    const Wish wish = *std::exchange(wish_, std::nullopt);
    const std::uint64_t mine = wishes_;
    running_ = true;
    lock.unlock();
    SimulatedRun run = simulate_into_model(wish.scenario, wish.overrides, wish.name, [this, mine] {
      const std::lock_guard guard(mutex_);
      return wishes_ != mine;
    });
    lock.lock();
    running_ = false;
    if (wishes_ == mine) done_ = std::move(run);
  }
}

}  // namespace tokenyard::viz
