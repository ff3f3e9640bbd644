#include "sim/recorded_run.h"

#include <algorithm>
#include <filesystem>

#include "core/base/json_reader.h"
#include "core/base/model_json.h"
#include "core/trace/reader.h"
#include "core/trace/state.h"

namespace tokenyard {
namespace {

std::uint64_t mixed(std::uint64_t hash, std::int64_t value) {
  hash = (hash ^ static_cast<std::uint64_t>(value)) * 0x9E3779B97F4A7C15U;
  return hash ^ hash >> 29;
}

}  // namespace

Execution read_execution(const TraceHeader& header, const std::string& path) {
  Execution out;
  out.block_size = header.engine.block_size;
  if (header.scenario.empty()) return out;
  JsonObject scenario = JsonValue::parse(header.scenario, path + ": scenario").object();
  if (const auto v = scenario.find("tensor_parallel")) out.tensor_parallel = v->int32(1, 1024);
  if (const auto v = scenario.find("kv_dtype")) out.kv_dtype = kv_dtype_of(v->choice({"auto", "fp8"}));
  if (const auto v = scenario.find("cuda_graphs")) out.cuda_graphs = v->boolean();
  return out;
}

RecordedRun read_recorded_run(const std::string& path, const std::optional<ModelShape>& model) {
  TraceReader reader(path);
  const TraceHeader& header = reader.header();
  RecordedRun out;
  out.name = std::filesystem::path(path).filename().string();
  if (!model && header.model.empty()) throw InputError(path + ": names no model; --model NAME says which it was");
  out.model = model ? *model : read_model(JsonValue::parse(header.model, path + ": model"));
  out.program = header.program;
  out.execution = read_execution(header, path);
  if (!header.hardware.empty()) {
    const JsonValue hardware = JsonValue::parse(header.hardware, path + ": hardware");
    if (hardware.has("name")) out.device = hardware.object().at("name").string();
  }
  TraceState state(header, path);
  TimeNs last_end = 0;
  std::vector<std::int32_t> before, now;  // requests of the step before and of this one, sorted
  for (TraceReader::Kind kind = reader.next(); kind != TraceReader::Kind::none; kind = reader.next()) {
    if (kind == TraceReader::Kind::join) state.apply(reader.join());
    if (kind == TraceReader::Kind::cancel) state.apply(reader.cancel());
    if (kind != TraceReader::Kind::step) continue;
    const StepRecord& record = reader.step();
    MeasuredStep step;
    step.step = record.step;
    step.load.ahead = record.ahead;
    for (const StepRecord::Blocks& moved : record.moved) {
      const auto number = static_cast<std::size_t>(moved.request);
      if (number < state.requests().size()) {
        step.load.copied_blocks += static_cast<std::int64_t>(state.requests()[number].blocks.size());
      }
    }
    state.begin(record);
    now.clear();
    for (const TraceState::Row& row : state.rows()) {
      step.load.add(row);
      now.push_back(row.request);
    }
    state.finish(record);
    std::sort(now.begin(), now.end());
    const bool busy = std::find_first_of(now.begin(), now.end(), before.begin(), before.end()) != now.end();
    std::swap(before, now);
    const TimeNs end = std::max(record.end, record.start + record.duration);
    if (record.duration > 0) {
      step.duration = std::max(record.duration, end - (busy ? last_end : record.start));
      if (record.parts != StepParts{}) {
        step.parts = record.parts;
        step.parts.host += step.duration - step.parts.total();
      }
      if (step.load.ahead && step.parts == StepParts{} && !out.steps.empty()) out.steps.back().launched = step.load;
      out.hash = mixed(mixed(mixed(out.hash, record.step), record.duration), step.load.decode_kv);
      out.steps.push_back(step);
    }
    last_end = end;
  }
  return out;
}

}  // namespace tokenyard
