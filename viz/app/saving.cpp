#include "viz/app/saving.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>

#include "core/base/input_error.h"
#include "core/trace/perfetto.h"
#include "sim/run.h"

namespace tokenyard::viz {
namespace {

void write_text(const std::string& name, const std::string& text) {
  std::ofstream out(name, std::ios::binary);
  out << text;
  out.flush();
  if (!out) throw InputError(name + ": cannot be written");
}

}  // namespace

OnDisk::OnDisk(const Side& side, std::size_t index) : path_(side.file), mine_(side.file.empty()) {
  if (!mine_) return;
  const std::string name = "tokenyard-" + std::to_string(getpid()) + "-" + std::to_string(index) + ".trace";
  path_ = (std::filesystem::temp_directory_path() / name).string();
  TraceWriter writer(path_);
  RunOptions options;
  options.trace = &writer;
  options.program = side.model->header().program;
  run_scenario(*side.resolved, options);
  writer.flush();
}

OnDisk::~OnDisk() {
  std::error_code ignored;
  if (mine_) std::filesystem::remove(path_, ignored);
}

// tokenyard-1.png, or the next number that is free.
std::string free_name(const std::string& what, const std::string& ending) {
  for (int i = 1;; ++i) {
    std::string name = "tokenyard-" + what + std::to_string(i) + ending;
    if (!std::filesystem::exists(name)) return name;
  }
}

void save_csv(App& app) {
  const Side& side = app.side();
  const auto [from, to] = range_of(app, side);
  const std::string requests = free_name("requests-", ".csv"), steps = free_name("steps-", ".csv");
  try {
    write_text(requests, requests_csv(*side.model, from, to));
    write_text(steps, steps_csv(*side.model, from, to));
    app.message = "wrote " + requests + " and " + steps;
  } catch (const InputError& error) {
    app.message = error.what();
  }
}

void save_perfetto(App& app) {
  try {
    std::vector<std::unique_ptr<OnDisk>> files;
    std::vector<std::unique_ptr<TraceReader>> readers;
    std::vector<TraceReader*> borrowed;
    for (std::size_t i = 0; i < app.sides.size(); ++i) {
      files.push_back(std::make_unique<OnDisk>(*app.sides[i], i));
      auto file = std::make_unique<std::ifstream>(files.back()->path(), std::ios::binary);
      readers.push_back(std::make_unique<TraceReader>(std::move(file), app.sides[i]->name));
      borrowed.push_back(readers.back().get());
    }
    const std::string name = free_name("", ".perfetto.json");
    export_perfetto(borrowed, name);
    app.message = "wrote " + name + ": open it in ui.perfetto.dev";
  } catch (const InputError& error) {
    app.message = error.what();
  }
}

}  // namespace tokenyard::viz
