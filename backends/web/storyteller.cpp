// The embedded model inside of a web page: real tokens, real K/V blocks and real preemptions of the CPU backend, on the page's
// only thread, a few steps at a time. viz/web/page.js calls these functions and hands the trace that grows to the viewer.
#include <emscripten.h>

#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backends/model/sampler.h"
#include "backends/text/loaded_model.h"
#include "core/base/input_error.h"
#include "core/engine.h"
#include "core/trace/recorder.h"
#include "core/trace/writer.h"

namespace tokenyard {
namespace {

constexpr const char* kModel = "/model";
constexpr const char* kTrace = "/story.trace";

struct Story final : RequestListener {
  explicit Story(const Tokenizer& tokenizer) : stream(tokenizer, /*skip_special=*/true) {}
  void on_token(const Request& request, Token token, const TokenLogprobs*) override {
    ++tokens;
    if (request.finish_reason != FinishReason::stop) text += stream.push(token);
  }
  void on_end(const Request& request, const std::string& why) override {
    text += stream.finish();
    if (request.finish_reason == FinishReason::refused || request.finish_reason == FinishReason::error) text += "(" + why + ")";
  }
  TextStream stream;
  std::string text;
  std::int64_t tokens = 0;
};

TextOptions options_of(int num_blocks, int max_num_seqs) {
  TextOptions options;
  options.backend = TextBackend::cpu;
  options.threads = 1;
  options.engine.num_blocks = num_blocks;
  options.engine.max_num_seqs = max_num_seqs;
  return options;
}

struct Storyteller {
  Storyteller(int num_blocks, int max_num_seqs)
      : model(kModel, options_of(num_blocks, max_num_seqs)),
        trace(kTrace),
        recorder(trace),
        engine(model.engine, *model.backend, {&recorder}) {
    trace.on_header({"tokenyard in a web page", model.backend_name, engine.scheduler().config(), "", "", model.hardware});
  }

  LoadedModel model;
  TraceWriter trace;
  TraceRecorder recorder;
  Engine engine;
  std::vector<std::shared_ptr<Story>> stories;
};

std::unique_ptr<Storyteller> teller;
std::string error_text;

// Nothing is thrown into JavaScript.
template <typename Function>
int carry_out(const Function& function) {
  try {
    const int result = function();
    error_text.clear();
    return result;
  } catch (const std::exception& error) {
    error_text = error.what();
    teller.reset();
    return -1;
  }
}

}  // namespace
}  // namespace tokenyard

using namespace tokenyard;  // NOLINT(google-build-using-namespace): what follows has C's names

extern "C" {

EMSCRIPTEN_KEEPALIVE const char* storyteller_error() { return error_text.c_str(); }

// An engine with so many blocks and seats and nothing to do. -1, as of all below: storyteller_error says why.
EMSCRIPTEN_KEEPALIVE int storyteller_begin(int num_blocks, int max_num_seqs) {
  teller.reset();
  return carry_out([&] {
    teller = std::make_unique<Storyteller>(num_blocks, max_num_seqs);
    return 0;
  });
}

// The story's number.
EMSCRIPTEN_KEEPALIVE int storyteller_submit(const char* beginning, int max_tokens, int seed) {
  return carry_out([&] {
    Storyteller& now = *teller;
    Sampling sampling = default_sampling(now.model.weights.config());
    sampling.max_tokens = max_tokens;
    sampling.params.seed = static_cast<std::uint64_t>(seed);
    RequestSpec spec = request_spec(now.model.tokenizer.encode(beginning), sampling, now.model.weights.config().eos_token_ids);
    spec.id = std::to_string(now.stories.size());
    if (const std::optional<std::string> why = refusal(spec, now.model.tokenizer.num_ids())) throw InputError(*why);
    now.stories.push_back(std::make_shared<Story>(now.model.tokenizer));
    now.engine.submit(std::move(spec), now.stories.back());
    return static_cast<int>(now.stories.size()) - 1;
  });
}

// Computes for about so many milliseconds. 1: there is more to do. 0: all stories are told, and the trace is whole.
EMSCRIPTEN_KEEPALIVE int storyteller_step(double milliseconds) {
  return carry_out([&] {
    Storyteller& now = *teller;
    const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double, std::milli>(milliseconds);
    bool more = true;
    while (more && std::chrono::steady_clock::now() < until) more = now.engine.step(nullptr);
    if (more) {
      now.trace.flush();
      return 1;
    }
    now.trace.on_end(now.engine.num_steps(), now.model.backend->now());
    now.trace.finish();
    return 0;
  });
}

EMSCRIPTEN_KEEPALIVE const char* storyteller_text(int story) {
  return teller && story >= 0 && story < static_cast<int>(teller->stories.size())
             ? teller->stories[static_cast<std::size_t>(story)]->text.c_str()
             : "";
}

// Tokens made so far.
EMSCRIPTEN_KEEPALIVE double storyteller_tokens() {
  std::int64_t sum = 0;
  if (teller) {
    for (const auto& story : teller->stories) sum += story->tokens;
  }
  return static_cast<double>(sum);
}

}  // extern "C"
