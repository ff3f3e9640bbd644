#include "viz/app/differences.h"

#include "core/base/input_error.h"
#include "viz/app/app.h"

namespace tokenyard::viz {
namespace {

void go_to(App& app, std::size_t n) {
  if (app.sides.size() < 2) {
    app.message = "there is one trace only";
    return;
  }
  const std::size_t other = app.active == 0 ? 1 : app.active;
  try {
    if (!app.differences || !app.differences->is_of(app, 0, other)) {
      app.differences = std::make_unique<Differences>(app, 0, other);
      n = 0;
    }
    const Parting* const parting = app.differences->at(n);
    if (parting == nullptr && n > 0) {
      app.message = "no further difference: nobody else is treated otherwise";
      return;
    }
    if (parting == nullptr && app.differences->times().first < 0) {
      app.message = "the same decisions and the same times throughout";
      return;
    }
    app.difference = n;
    app.difference_shown = true;
    if (parting != nullptr) go_to_step(app, {0, other}, static_cast<std::int32_t>(parting->step));
    if (parting != nullptr && !parting->request.empty()) select(app, parting->request);
  } catch (const InputError& error) {
    app.message = error.what();
  }
}

}  // namespace

Differences::Differences(const App& app, std::size_t a, std::size_t b)
    : sides_{a, b},
      runs_{run_of(app, a), run_of(app, b)},
      sources_{source_of(*app.sides[a]), source_of(*app.sides[b])},
      comparison_(*sources_[0], *sources_[1], {.ignore_time = true}) {}

Differences::Run Differences::run_of(const App& app, std::size_t side) {
  const TraceModel* const model = app.sides[side]->model;
  return {model, model->num_steps()};
}

bool Differences::is_of(const App& app, std::size_t a, std::size_t b) const {
  return sides_[0] == a && sides_[1] == b && runs_[0] == run_of(app, a) && runs_[1] == run_of(app, b);
}

const Parting* Differences::at(std::size_t n) {
  while (found_.size() <= n) {
    std::optional<Parting> next = comparison_.next();
    if (!next) return nullptr;
    found_.push_back(std::move(*next));
  }
  return &found_[n];
}

void go_to_first_difference(App& app) { go_to(app, 0); }

void go_to_next_difference(App& app) { go_to(app, app.differences ? app.difference + 1 : 0); }

}  // namespace tokenyard::viz
