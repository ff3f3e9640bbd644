#include <fmt/core.h>

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "backends/gpu/gpu.h"
#include "backends/model/rank_team.h"
#include "cli/commands.h"
#include "cli/commands/bench_profile.h"
#include "cli/commands/generation.h"
#include "cli/commands/gpu_run.h"
#include "cli/output/report.h"
#include "cli/output/say.h"
#include "cli/scenario_files.h"
#include "cli/version.h"
#include "core/base/input_error.h"
#include "core/base/model_json.h"
#include "core/base/output_file.h"
#include "core/policy.h"
#include "core/trace/recorder.h"
#include "core/trace/writer.h"
#include "sim/scenario.h"

namespace tokenyard::cli {
namespace {

constexpr float kTemperature = 0.6f;  // nano-vLLM's benchmark has it

struct BenchOptions {
  std::string scenario = "nano-vllm-bench";
  std::string shape, model, policy, trace, json;
  std::vector<std::string> set, goodput;
  std::int32_t tensor_parallel = 0;  // 0: the scenario's
  std::string kv_dtype;              // likewise, if empty
  float temperature = kTemperature;
  double gpu_memory_utilization = 0.9;
  bool no_graphs = false;
  bool no_async = false;
  ProfileOptions profile;
};

// A scenario's requests, to be answered by a model that does not know how long they are meant to be.
class MeasuredSource final : public RequestSource {
 public:
  MeasuredSource(std::unique_ptr<RequestSource> source, float temperature)
      : source_(std::move(source)), temperature_(temperature) {}
  void poll(TimeNs now, std::int64_t step, std::vector<SourceEvent>& due) override {
    const std::size_t before = due.size();
    source_->poll(now, step, due);
    for (std::size_t i = before; i < due.size(); ++i) {
      RequestSpec& spec = due[i].spec;
      spec.max_tokens = expected_output(spec);
      spec.ignore_eos = true;
      spec.stop_token_ids.clear();
      spec.scripted_output.clear();
      spec.sampling.temperature = temperature_;
      spec.sampling.seed = next_seed_++;
    }
  }
  TimeNs next_time() const override { return source_->next_time(); }
  std::int64_t next_step() const override { return source_->next_step(); }
  void on_end(const Request& request) override { source_->on_end(request); }

 private:
  std::unique_ptr<RequestSource> source_;
  float temperature_;
  std::uint64_t next_seed_ = 0;
};

// What the steps did, to be held against what the card can do.
struct Work {
  std::int64_t steps = 0;
  std::int64_t decode_steps = 0;      // of nothing but decodes
  std::int64_t decode_kv_tokens = 0;  // whose K/V these steps' attention reads
  StepParts decode, other;            // of such steps, and of the rest
};

class Watch final : public Backend {
 public:
  explicit Watch(Backend& backend) : backend_(backend) {}
  BackendLimits limits() const override { return backend_.limits(); }
  void submit(const StepPlan& plan) override {
    ++work.steps;
    bool decodes = true;
    std::int64_t kv_tokens = 0;
    for (const Row& row : plan.rows) {
      decodes = decodes && row.count == 1;
      kv_tokens += row.first + 1;
    }
    work.decode_steps += decodes ? 1 : 0;
    work.decode_kv_tokens += decodes ? kv_tokens : 0;
    decodes_.push_back(decodes);
    backend_.submit(plan);
  }
  const StepResult& collect() override {
    const StepResult& result = backend_.collect();
    StepParts& to = decodes_.front() ? work.decode : work.other;
    decodes_.pop_front();
    to.gemm += result.parts.gemm;
    to.attention += result.parts.attention;
    to.elementwise += result.parts.elementwise;
    to.head += result.parts.head;
    to.communication += result.parts.communication;
    to.host += result.parts.host;
    return result;
  }
  TimeNs now() const override { return backend_.now(); }
  void wait_until(TimeNs time) override { backend_.wait_until(time); }
  void wake() override { backend_.wake(); }
  Work work;

 private:
  Backend& backend_;
  std::deque<bool> decodes_;  // of the steps in flight
};

double seconds(TimeNs ns) { return static_cast<double>(ns) / 1e9; }

std::string card_table(const Work& work, const GpuFacts& facts, double bandwidth, TimeNs duration) {
  std::string out = "Where the time went (s)          decode steps  others     share (%)\n";
  const auto line = [&](const char* label, TimeNs decode, TimeNs other) {
    out += fmt::format("{:<32} {:<13.3f} {:<10.3f} {:.1f}\n", label, seconds(decode), seconds(other),
                       100 * seconds(decode + other) / seconds(duration));
  };
  const StepParts& d = work.decode;
  const StepParts& o = work.other;
  line("  matrix products", d.gemm, o.gemm);
  line("  attention", d.attention, o.attention);
  line("  norms, rotation, activation", d.elementwise, o.elementwise);
  line("  head and sampling", d.head, o.head);
  if (facts.tensor_parallel > 1) line("  communication", d.communication, o.communication);
  line("  host, with the GPU idle", d.host, o.host);
  const TimeNs between = duration - d.total() - o.total();
  line("  between steps", between, 0);
  if (work.decode_steps == 0) return out;
  const double kv_bytes = static_cast<double>(work.decode_kv_tokens) * static_cast<double>(facts.kv_bytes_per_token);
  const double weights = static_cast<double>(work.steps) * static_cast<double>(facts.weight_bytes);
  const double rate = kv_bytes / seconds(d.attention);
  const double floor = (kv_bytes + weights) / bandwidth;
  out += fmt::format("Decode attention: {:.2f} TB of K/V at {:.2f} TB/s, {:.0f} % of the {:.2f} TB/s this card reads at\n",
                     kv_bytes / 1e12, rate / 1e12, 100 * rate / bandwidth, bandwidth / 1e12);
  out += fmt::format(
      "Mean decode step: {:.3f} ms; its weights and K/V take {:.3f} ms to read\n",
      seconds(d.total()) * 1e3 / static_cast<double>(work.decode_steps),
      (kv_bytes / static_cast<double>(work.decode_steps) + static_cast<double>(facts.weight_bytes)) / bandwidth * 1e3);
  out += fmt::format(
      "Floor, reading {:.2f} TB of weights and the K/V once: {:.2f} s; this run {:.2f} s, {:.0f} % of the card's speed\n",
      weights / 1e12, floor, seconds(duration), 100 * floor / seconds(duration));
  return out;
}

// Answers the scenario's requests and writes the run to `path`, if that is not empty. Returns the configuration as resolved.
EngineConfig run_scenario_on(Backend& backend, const GpuFacts& facts, const EngineConfig& config, const Scenario& scenario,
                             float temperature, const std::string& path, Metrics& metrics) {
  std::unique_ptr<TraceWriter> trace;
  if (!path.empty()) trace = std::make_unique<TraceWriter>(path);
  MeasuredSource source(make_source(scenario), temperature);
  std::vector<EngineObserver*> observers = {&metrics};
  std::optional<TraceRecorder> recorder;
  if (trace) observers.push_back(&recorder.emplace(*trace));
  Engine engine(config, backend, observers);
  if (trace) {
    const std::string hardware = fmt::format(R"({{"name":"{}","tensor_parallel":{}}})", facts.device, facts.tensor_parallel);
    trace->on_header({kProgram, "cuda", engine.scheduler().config(), scenario.json, to_json(*scenario.model), hardware});
  }
  {
    Progress progress;
    while (engine.step(&source)) progress.update(engine, metrics, backend.now());
  }
  if (trace) {
    trace->on_end(engine.num_steps(), backend.now());
    trace->finish();
  }
  return engine.scheduler().config();
}

int bench(const BenchOptions& options) {
  if (!options.shape.empty() && !options.model.empty()) throw InputError("--shape and --model: give one of them");
  std::vector<std::string> overrides = options.set;
  if (!options.policy.empty()) overrides.push_back("engine.policy=" + options.policy);
  if (!options.shape.empty()) overrides.push_back("model=" + options.shape);
  if (!options.model.empty()) overrides.push_back("model=" + options.model + "/config.json");
  if (options.tensor_parallel > 0) overrides.push_back("tensor_parallel=" + std::to_string(options.tensor_parallel));
  if (!options.kv_dtype.empty()) overrides.push_back("kv_dtype=" + options.kv_dtype);
  note_temperature(options.temperature);
  const Slo slo = parse_slo(options.goodput);
  const Scenario scenario = load_scenario(find_scenario(options.scenario), overrides);
  if (!scenario.model) throw InputError(options.scenario + ": names no model; add --shape, such as --shape qwen3-0.6b");
  if (options.profile.wanted && scenario.execution.tensor_parallel > 1) {
    throw InputError("--profile times the kernels of one GPU; with tensor_parallel 1");
  }
  if (const std::string& why = why_no_gpu(); !why.empty()) throw BackendError(why);

  note_gpu();
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  GpuOptions gpu;
  gpu.tensor_parallel = scenario.execution.tensor_parallel;
  gpu.kv_dtype = scenario.execution.kv_dtype;
  gpu.gpu_memory_utilization = options.gpu_memory_utilization;
  gpu.graphs = !options.no_graphs;
  EngineConfig config = scenario.engine;
  config.strict_peer = false;
  config.async_scheduling = !options.no_async && config.policy->plans_ahead;
  std::unique_ptr<GpuBackend> backend;
  if (options.model.empty()) {
    backend = make_gpu_backend(*scenario.model, 1, config, gpu);
  } else {
    const Weights weights(options.model);
    print_notes(weights.notes());
    backend = make_gpu_backend(weights, config, gpu);
  }
  const GpuFacts facts = backend->facts();
  const double start_s = std::chrono::duration<double>(Clock::now() - start).count();
  const std::string cards = facts.tensor_parallel > 1 ? fmt::format("{} x {}{}", facts.tensor_parallel, facts.device,
                                                                    facts.by_nccl ? " over NCCL" : "")
                                                      : facts.device;
  warn("{}: {:.2f} GB of weights, {:.1f} GB of K/V, {} graphs, ready in {:.1f} s\n", cards,
       static_cast<double>(facts.weight_bytes) / 1e9, static_cast<double>(facts.kv_bytes) / 1e9, facts.num_graphs, start_s);

  if (options.profile.wanted) {
    profile_steps(*backend, options.profile, config.max_num_seqs, options.temperature);
    return 0;
  }

  Watch watch(*backend);
  Metrics metrics(slo);
  const EngineConfig resolved = run_scenario_on(watch, facts, config, scenario, options.temperature, options.trace, metrics);

  const double bandwidth = backend->measure_read_bandwidth();

  ReportContext context;
  context.scenario = scenario.name;
  context.backend = "cuda";
  context.engine = resolved;
  context.model = scenario.model->name;
  context.hardware = cards;
  context.timing = context.model + (options.model.empty() ? ", random weights" : "") + " on " + cards + ", measured";
  if (!options.json.empty()) write_file(options.json, result_json(metrics, context));
  print_result(metrics, context);
  say("{}", card_table(watch.work, facts, bandwidth, metrics.duration()));
  if (!options.trace.empty()) say("trace: {}\n", options.trace);
  return 0;
}

}  // namespace

GpuFacts record_on_gpu(const std::string& name, bool ahead, const std::string& trace) {
  const Scenario scenario = load_scenario(name);
  EngineConfig config = scenario.engine;
  config.strict_peer = false;
  config.async_scheduling = ahead && config.policy->plans_ahead;
  const std::unique_ptr<GpuBackend> backend = make_gpu_backend(*scenario.model, 1, config);
  Metrics metrics;
  run_scenario_on(*backend, backend->facts(), config, scenario, kTemperature, trace, metrics);
  return backend->facts();
}

Command bench_command() {
  Command command("bench", "Run a scenario on this machine's GPU and hold it against what the card can do");
  auto options = std::make_shared<BenchOptions>();
  command
      .positional("SCENARIO", &options->scenario,
                  "nano-vLLM's benchmark if none; any scenario, or recorded traffic as simulate takes it")
      .shows_default();
  command.option("--shape", &options->shape, "MODEL",
                 "Random weights in the shape of this model: qwen3-0.6b, llama-3.1-8b ...");
  command.option("--model", &options->model, "FOLDER", "The weights of a Hugging Face folder");
  command
      .option("--tensor-parallel", &options->tensor_parallel, "N",
              "GPUs that share the model: 1, 2, 4 or 8; the scenario's tensor_parallel unless said")
      .between(1, kMostRanks);
  command
      .option("--kv-dtype", &options->kv_dtype, "TYPE",
              "fp8: K and V in eight bits a number (docs/fp8.md); the scenario's kv_dtype unless said")
      .one_of({"auto", "fp8"});
  command.option("--policy", &options->policy, "NAME", "Short for --set engine.policy=NAME").one_of(all_names<Policy>());
  command.option("--set", &options->set, "PATH=VALUE", "Change values: engine.max_num_seqs=64");
  command.option("--temperature", &options->temperature, "NUMBER", "Of every request; 0: greedy")
      .between(0, 100)
      .shows_default();
  command.option("--gpu-memory-utilization", &options->gpu_memory_utilization, "SHARE", "Share of the card's memory to use")
      .between(0.05, 1)
      .shows_default();
  command.flag("--no-graphs", options->no_graphs, "Launch every kernel by itself, to see what CUDA graphs are worth");
  command.flag("--no-async", options->no_async,
               "Plan a step only when the one before has ended, to see what planning ahead is worth");
  command.option("--trace", &options->trace, "FILE.trace", "Write every decision, time and token (JSON Lines)")
      .writes()
      .excludes("--profile");
  command.option("--json", &options->json, "FILE.json", "Write the result under the field names of `vllm bench serve`")
      .writes()
      .excludes("--profile");
  command.option("--goodput", &options->goodput, "METRIC:MS", "Count requests within these limits, in ms: ttft:500 tpot:50");
  command.group("One step, kernel by kernel");
  command.flag("--profile", options->profile.wanted,
               "In place of the scenario: times every kernel of a decode step, and what it has to read and write");
  command.option("--rows", &options->profile.rows, "N", "Requests in that step, a table for each number; as many as seats")
      .between(1, 1 << 20)
      .needs("--profile");
  command.option("--context", &options->profile.context, "TOKENS", "That each of them has")
      .between(1, 1 << 24)
      .needs("--profile")
      .shows_default();
  command.option("--timeline", &options->profile.timeline, "FILE.json", "Write that step for Perfetto (ui.perfetto.dev)")
      .writes()
      .needs("--profile");
  command.notes("Requests get the lengths the scenario gives them, whatever the model says.");
  command.examples({{"tokenyard bench", "nano-vLLM's workload, Qwen3-0.6B's shape"},
                    {"tokenyard bench --policy vllm_v1 --set engine.block_size=16 --trace gpu.trace", ""},
                    {"tokenyard bench --shape qwen3-8b --tensor-parallel 2", "two GPUs share the model"},
                    {"tokenyard bench --kv-dtype fp8", "half the K/V to read"},
                    {"tokenyard bench --profile --rows 1 8 32 256 --timeline step.json", "each kernel beside its floor"},
                    {"tokenyard replay gpu.trace", "the same decisions again, without a GPU"}});
  command.run([options] { return bench(*options); });
  return command;
}

}  // namespace tokenyard::cli
