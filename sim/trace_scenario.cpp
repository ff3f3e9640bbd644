#include "sim/trace_scenario.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "core/base/input_error.h"
#include "core/base/json_reader.h"
#include "core/trace/config_json.h"
#include "core/trace/reader.h"
#include "core/trace/state.h"
#include "sim/recorded_run.h"

namespace tokenyard {
namespace {

constexpr std::string_view kFirstKey = R"({"tokenyard_trace":)";

Json prompt_of(const TraceState::Request& request) {
  Json::Array pieces;
  std::int32_t left = request.num_prompt;
  for (const TokenSpan& span : request.tokens.spans()) {
    const std::int32_t tokens = std::min(left, span.length);
    if (tokens == 0) break;
    left -= tokens;
    if (span.content == kNoContent) {
      const auto ids = request.tokens.stored().subspan(static_cast<std::size_t>(span.offset), static_cast<std::size_t>(tokens));
      pieces.push_back(Json::Object{{"ids", Json::list(ids)}});
    } else {
      // A piece that begins within a text is a text of its own, the same for all who have it.
      const std::string name = std::to_string(span.content) + "+" + std::to_string(span.offset);
      pieces.push_back(Json::Object{{"text", name}, {"tokens", tokens}});
    }
  }
  return pieces;
}

}  // namespace

bool begins_trace(std::string_view line) { return line.starts_with(kFirstKey); }

Json trace_scenario(const std::string& path) {
  TraceReader reader(path);
  const TraceHeader& header = reader.header();
  TraceState state(header, path);
  for (TraceSource::Kind kind = reader.next(); kind != TraceSource::Kind::end && kind != TraceSource::Kind::none;
       kind = reader.next()) {
    if (kind == TraceSource::Kind::join) state.apply(reader.join());
    if (kind == TraceSource::Kind::step) state.apply(reader.step());
    if (kind == TraceSource::Kind::cancel) state.apply(reader.cancel());
  }
  state.end();

  if (state.requests().empty()) throw InputError(path + ": expected at least one request, found none");
  Json::Array requests;
  std::set<std::string> ids;
  for (const TraceState::Request& request : state.requests()) {
    const RequestSpec& spec = request.join.spec;
    // A trace may use an id again; a list of requests may not.
    const bool first = ids.insert(spec.id).second;
    Json entry = Json::Object{{"id", first ? spec.id : spec.id + "#" + std::to_string(request.join.request)},
                              {"arrival_ms", static_cast<double>(spec.arrival) / 1e6},
                              {"prompt", prompt_of(request)},
                              {"max_tokens", spec.max_tokens}};
    const std::int32_t output = request.tokens.size() - request.num_prompt;
    if (output > 0) entry["output_tokens"] = output;
    if (spec.priority != 0) entry["priority"] = spec.priority;
    requests.push_back(std::move(entry));
  }
  Json engine = Json::parse(engine_config_json(header.engine), path);
  engine.erase("strict_peer");
  engine.erase("eos_token_id");
  Json scenario = Json::Object{{"tokenyard_scenario", 1}, {"name", std::filesystem::path(path).stem().string()}};
  if (!header.model.empty()) scenario["model"] = Json::parse(header.model, path);
  if (!header.hardware.empty()) scenario["hardware"] = Json::parse(header.hardware, path);
  const Execution execution = read_execution(header, path);
  if (execution.tensor_parallel > 1) scenario["tensor_parallel"] = execution.tensor_parallel;
  if (execution.kv_dtype != KvDtype::automatic) scenario["kv_dtype"] = name_of(execution.kv_dtype);
  if (!execution.cuda_graphs) scenario["cuda_graphs"] = false;
  scenario["engine"] = std::move(engine);
  scenario["workload"] = Json::Array{Json::Object{{"type", "requests"}, {"requests", std::move(requests)}}};
  return scenario;
}

}  // namespace tokenyard
