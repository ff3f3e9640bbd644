#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "cli/commands.h"
#include "cli/commands/generation.h"
#include "core/base/input_error.h"
#ifdef TOKENYARD_HAVE_BEAST
#include <sys/resource.h>

#include <algorithm>
#include <filesystem>
#include <limits>

#include "backends/text/loaded_model.h"
#include "cli/output/say.h"
#include "cli/scenario_files.h"
#include "cli/serve/http_server.h"
#include "cli/version.h"
#include "core/base/model_json.h"
#include "core/policy.h"
#include "core/request_lengths.h"
#include "core/trace/writer.h"
#include "sim/paced_backend.h"
#include "sim/scenario.h"
#endif

namespace tokenyard::cli {
namespace {

struct ServeOptions {
  std::string backend = "auto", hardware = "h100-sxm", shape = "llama-3.1-8b";
  std::string host = "127.0.0.1", api_key;
  int port = 8000, max_waiting = 1024;
  double drain_timeout = 30;
};

#ifdef TOKENYARD_HAVE_BEAST

// What answers: a model, and what computes it or pretends to.
struct Served {
  std::unique_ptr<LoadedModel> loaded;
  std::optional<Tokenizer> tokenizer;  // of a simulated GPU
  std::unique_ptr<Backend> simulated;
  serve::ServedModel model;
  serve::EngineThread::Setup setup;
};

// Tokens a request may have, prompt and answer, as an Engine with this backend will see it.
std::int32_t longest_request(const EngineConfig& config, const BackendLimits& limits) {
  EngineConfig resolved = config;
  if (limits.num_blocks > 0 && (config.num_blocks == 0 || config.num_blocks > limits.num_blocks)) {
    resolved.num_blocks = limits.num_blocks;
  }
  std::int64_t longest = context_limit_of(resolved);
  if (limits.max_context > 0) longest = std::min<std::int64_t>(longest, limits.max_context);
  return static_cast<std::int32_t>(std::min(longest, std::int64_t{usable_blocks(resolved)} * resolved.block_size + 1));
}

void load(Served& to, const ServeOptions& options, const EngineArguments& arguments) {
  const std::string folder = arguments.model_folder();
  TextOptions text_options = arguments.text_options();
  text_options.backend = options.backend == "cuda"  ? TextBackend::cuda
                         : options.backend == "cpu" ? TextBackend::cpu
                                                    : TextBackend::automatic;
  note_gpu(text_options.backend);
  to.loaded = std::make_unique<LoadedModel>(folder, text_options);
  print_notes(to.loaded->notes);
  to.model = serve::read_served_model(folder, to.loaded->weights.config(), to.loaded->tokenizer, arguments.thinking());
  to.setup.config = to.loaded->engine;
  to.setup.backend = to.loaded->backend.get();
  to.setup.header.backend = to.loaded->backend_name;
  to.setup.header.hardware = to.loaded->hardware;
}

void simulate(Served& to, const ServeOptions& options, const EngineArguments& arguments) {
  // Without a model's own, prompts are counted in the storyteller's tokens, which are shorter than a large model's.
  const std::string folder = arguments.model_folder();
  to.tokenizer = Tokenizer::load(folder + "/tokenizer.json");
  const std::string shape =
      arguments.is_embedded() ? options.shape : std::filesystem::absolute(folder + "/config.json").string();
  RequestSpec unused;  // a scenario has a request; of this one the model, the hardware and the engine count
  unused.id = "none";
  unused.prompt.append(Token{0});
  const Scenario scenario = scenario_of_requests({unused}, "serve", shape, options.hardware, arguments.scenario_overrides());
  to.simulated = std::make_unique<PacedBackend>(make_cost_model(scenario), scenario.model->max_context);
  to.model = serve::read_served_model(folder, load_model_config(folder), *to.tokenizer, arguments.thinking());
  if (arguments.is_embedded()) to.model.name = scenario.model->name;
  to.model.words.emplace(*to.tokenizer);
  to.setup.config = scenario.engine;
  to.setup.backend = to.simulated.get();
  to.setup.header.backend = "sim";
  to.setup.header.model = to_json(*scenario.model);
  to.setup.header.hardware = to_json(*scenario.hardware);
  warn("note: {} on a simulated {} says invented words. {}\n", scenario.model->name, options.hardware, error_note(scenario));
}

// A connection is a descriptor.
void allow_many_connections() {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
}

int serve_model(const ServeOptions& options, const EngineArguments& arguments) {
  allow_many_connections();
  Served served;
  options.backend == "sim" ? simulate(served, options, arguments) : load(served, options, arguments);
  serve::ServedModel& model = served.model;
  model.max_model_len = longest_request(served.setup.config, served.setup.backend->limits());
  model.fingerprint = fmt::format("tokenyard-{}-{}", kVersion, served.setup.header.backend);
  model.created = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();

  std::unique_ptr<TraceWriter> trace;
  if (!arguments.trace().empty()) trace = std::make_unique<TraceWriter>(arguments.trace());
  served.setup.trace = trace.get();
  served.setup.header.program = kProgram;

  serve::ServerOptions server_options;
  server_options.host = options.host;
  server_options.port = static_cast<std::uint16_t>(options.port);
  server_options.api_key = options.api_key;
  if (const char* key = std::getenv("TOKENYARD_API_KEY"); server_options.api_key.empty() && key != nullptr) {
    server_options.api_key = key;
  }
  server_options.max_waiting = options.max_waiting;
  server_options.drain_timeout = std::chrono::milliseconds(static_cast<std::int64_t>(options.drain_timeout * 1000));
  server_options.version = kVersion;
  serve::HttpServer server(std::move(server_options), model, served.setup);
  if (!server.is_local() && !server.has_key()) {
    warn("warning: whoever reaches {} may use this server; --api-key asks for a key\n", options.host);
  }
  const bool any_v6 = options.host.find(':') != std::string::npos;
  say("http://{}:{} serves {} on {}; Ctrl-C ends\n", any_v6 ? "[" + options.host + "]" : options.host, server.port(),
      model.name, served.setup.header.backend);
  std::fflush(stdout);
  const int status = server.run();
  if (status != 0) {
    warn("tokenyard: serving ended: {}\n", server.failure());
  }
  if (trace) trace->finish();
  return status;
}

#else

int serve_model(const ServeOptions&, const EngineArguments&) {
  throw InputError(
      "this tokenyard was built without Boost.Beast and serves nothing; install Boost 1.81 or later (Debian 12: "
      "libboost1.81-dev, Debian 13: libboost-dev), then build again");
}

#endif

}  // namespace

Command serve_command() {
  Command command("serve", "Serve a model behind OpenAI's interface");
  auto options = std::make_shared<ServeOptions>();
  command.option("--host", &options->host, "ADDRESS", "Where to listen; 0.0.0.0 is every network").shows_default();
  command.option("--port", &options->port, "N", "0: one that is free").between(0, 65535).shows_default();
  command.option("--api-key", &options->api_key, "KEY",
                 "Ask clients for it; better in the environment, as TOKENYARD_API_KEY, where others do not see it");
  command.option("--backend", &options->backend, "NAME", "What computes; sim answers invented words at a GPU's pace")
      .one_of({"auto", "cpu", "cuda", "sim"});
  command.option("--hardware", &options->hardware, "GPU", "Of --backend sim").shows_default();
  command.option("--model-shape", &options->shape, "NAME", "Of --backend sim without --model").shows_default();
  command.option("--max-waiting", &options->max_waiting, "N", "Longest queue; more requests are refused with status 429")
      .between(1, 1'000'000)
      .shows_default();
  command
      .option("--drain-timeout", &options->drain_timeout, "SECONDS",
              "How long running requests may go on after SIGTERM or Ctrl-C")
      .between(0, 86'400)
      .shows_default();
  auto arguments = std::make_shared<EngineArguments>(command);
  command.notes(
      "GET / is a page with a chat box, the counters, and why each request waits; /metrics is for Prometheus, /openapi.json "
      "lists "
      "everything. `tokenyard view --follow FILE.trace` beside it shows the server at work.\n\n"
      "Exit status: 0 after SIGTERM or Ctrl-C, once the running requests have ended; 1 when the backend failed. A second "
      "signal "
      "ends at once.");
  command.examples({{"tokenyard serve", "the embedded storyteller"},
                    {"tokenyard serve --model SmolLM2-135M-Instruct --trace served.trace", ""},
                    {"tokenyard serve --backend sim --hardware h100-sxm --model-shape llama-3.1-70b --set tensor_parallel=4",
                     "a stand-in for load tests"}});
  command.run([options, arguments] { return serve_model(*options, *arguments); });
  return command;
}

}  // namespace tokenyard::cli
