#include "backends/text/text_engine.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <utility>

#include "backends/cpu/cpu_backend.h"
#include "backends/gpu/gpu.h"
#include "backends/model/sampler.h"
#include "backends/text/stop_strings.h"
#include "core/base/input_error.h"
#include "core/policy.h"
#include "core/trace/recorder.h"

namespace tokenyard {
namespace {

constexpr std::int64_t kKvBytes = std::int64_t{1} << 30;

bool takes_cuda(const TextOptions& options, const ModelShape& model) {
  const TextBackend wanted = options.backend;
  if (wanted == TextBackend::cpu) return false;
  const std::string why = why_not_on_gpu(model, options.engine, options.tensor_parallel);
  if (wanted == TextBackend::cuda && !why.empty()) throw BackendError(why);
  return why.empty();
}

EngineConfig resolve(EngineConfig config, const ModelConfig& folder, bool cuda) {
  const ModelShape& model = folder.shape;
  if (config.max_model_len == 0) config.max_model_len = model.max_context;
  config.async_scheduling = config.async_scheduling && cuda && config.policy->plans_ahead;
  if (!folder.eos_token_ids.empty()) config.eos_token_id = folder.eos_token_ids.front();
  if (config.policy->whole_prompts(config)) {
    config.max_num_batched_tokens = std::max(config.max_num_batched_tokens, config.max_model_len);
  }
  if (config.num_blocks == 0 && config.block_size > 0 && !cuda) {
    const std::int64_t token_bytes = std::int64_t{8} * model.num_layers * model.num_kv_heads * model.head_dim;
    const std::int64_t context_blocks = (config.max_model_len + config.block_size - 1) / config.block_size;
    const std::int64_t fit = std::max(kKvBytes / (token_bytes * config.block_size), context_blocks);
    const std::int64_t wanted = std::min(fit, context_blocks * config.max_num_seqs);
    config.num_blocks = static_cast<std::int32_t>(wanted + (block_rules(config).null_block ? 1 : 0));
  }
  return config;
}

std::unique_ptr<Backend> make_backend(bool on_card, const Weights& weights, const EngineConfig& config, const TextOptions& text,
                                      std::int32_t num_ids) {
  if (on_card) {
    GpuOptions options;
    options.tensor_parallel = text.tensor_parallel;
    options.num_ids = num_ids;
    return make_gpu_backend(weights, config, std::move(options));
  }
  CpuOptions options;
  options.threads = text.threads;
  options.tensor_parallel = text.tensor_parallel;
  options.num_ids = num_ids;
  return std::make_unique<CpuBackend>(weights, config, std::move(options));
}

// One that JSON's readers keep exactly, as they hold numbers in 53 bits.
std::uint64_t draw_seed() {
  std::random_device device;
  return std::uniform_int_distribution<std::uint64_t>(0, (std::uint64_t{1} << 53) - 1)(device);
}

std::vector<std::string> joined(std::vector<std::string> notes, const std::vector<std::string>& more) {
  notes.insert(notes.end(), more.begin(), more.end());
  return notes;
}

}  // namespace

Sampling default_sampling(const ModelConfig& model) {
  Sampling sampling;
  sampling.params = model.sampling;
  return sampling;
}

struct TextEngine::State {
  State(const std::string& model_folder, const TextOptions& options)
      : folder(model_folder),
        thinking(options.thinking),
        weights(folder),
        tokenizer(Tokenizer::load(folder + "/tokenizer.json")),
        notes(joined(weights.notes(), tokenizer.notes())),
        name(takes_cuda(options, weights.config().shape) ? "cuda" : "cpu"),
        config(resolve(options.engine, weights.config(), name == "cuda")),
        backend(make_backend(name == "cuda", weights, config, options, tokenizer.num_ids())),
        trace(options.trace),
        engine(config, *backend, observers()) {
    // What the steps' times depend on besides the engine's settings.
    const std::string hardware =
        options.tensor_parallel > 1 ? "{\"tensor_parallel\":" + std::to_string(options.tensor_parallel) + "}" : "";
    if (trace != nullptr) trace->on_header({options.program, name, engine.scheduler().config(), "", "", hardware});
    thread = std::thread([this] { serve(); });
  }

  std::vector<EngineObserver*> observers() {
    std::vector<EngineObserver*> all = {&metrics};
    if (trace != nullptr) all.push_back(&recorder.emplace(*trace));
    return all;
  }

  void serve() {
    while (true) {
      try {
        return engine.serve();
      } catch (const BackendError&) {  // the engine has ended every live request with the reason; the next may fare better
      }
    }
  }

  std::string folder;
  std::optional<bool> thinking;
  Weights weights;
  Tokenizer tokenizer;
  std::mutex chat_mutex;
  std::optional<ChatTemplate> chat_template;
  std::vector<std::string> notes;
  std::string name;
  EngineConfig config;
  std::unique_ptr<Backend> backend;
  Metrics metrics;
  TraceSink* trace;
  std::optional<TraceRecorder> recorder;
  Engine engine;
  std::atomic<std::uint64_t> next_id{0};
  std::thread thread;

  // Turns one request's tokens into text.
  class Listener final : public RequestListener {
   public:
    Listener(State& state, const Sampling& sampling, OnText on_text, std::int32_t prompt_tokens, std::uint64_t seed)
        : state_(state),
          min_tokens_(sampling.min_tokens),
          on_text_(std::move(on_text)),
          stream_(state.tokenizer, /*skip_special=*/true),
          stops_(sampling.stop),
          submitted_at_(state.backend->now()) {
      completion_.prompt_tokens = prompt_tokens;
      completion_.seed = seed;
    }

    std::future<Completion> future() { return promise_.get_future(); }

    void on_token(const Request& request, Token token, const TokenLogprobs* logprobs) override {
      if (stops_.found()) return;  // computed before the cancel arrived
      if (completion_.tokens.empty()) completion_.ttft = state_.backend->now() - submitted_at_;
      completion_.tokens.push_back(token);
      if (logprobs != nullptr) completion_.logprobs.push_back(*logprobs);
      if (request.finish_reason == FinishReason::stop) return;  // this token only says so
      const std::string text = stream_.push(token);
      emit(cut(text));
      if (stops_.found()) state_.engine.cancel(request.ticket, FinishReason::stop);
    }

    void on_end(const Request& request, const std::string& why) override {
      if (!stops_.found()) {
        emit(cut(stream_.finish()));
        emit(stops_.finish());
      }
      completion_.finish_reason = stops_.found() ? FinishReason::stop : request.finish_reason;
      if (completion_.finish_reason == FinishReason::refused || completion_.finish_reason == FinishReason::error) {
        completion_.why = why;
      }
      completion_.cached_tokens = request.num_preemptions == 0 ? request.num_cached : 0;
      completion_.e2el = state_.backend->now() - submitted_at_;
      promise_.set_value(std::move(completion_));
    }

   private:
    // vLLM's rule: a stop string counts when it ends after the first min_tokens, wherever it began.
    std::string cut(const std::string& text) {
      return std::ssize(completion_.tokens) <= min_tokens_ ? stops_.pass(text) : stops_.push(text);
    }
    void emit(const std::string& text) {
      if (text.empty()) return;
      completion_.text += text;
      if (on_text_) on_text_(text);
    }

    State& state_;
    std::int32_t min_tokens_;
    OnText on_text_;
    TextStream stream_;
    StopStrings stops_;
    TimeNs submitted_at_;
    Completion completion_;
    std::promise<Completion> promise_;
  };
};

TextEngine::TextEngine(const std::string& model_folder, const TextOptions& options)
    : state_(std::make_unique<State>(model_folder, options)) {}

TextEngine::~TextEngine() { finish(); }

Answer TextEngine::submit(std::string_view prompt, const Sampling& sampling, OnText on_text) {
  return submit_tokens(state_->tokenizer.encode(prompt), sampling, std::move(on_text));
}

Answer TextEngine::chat(const std::vector<ChatMessage>& messages, const Sampling& sampling, OnText on_text) {
  const ChatTemplate& chat_template = this->chat_template();
  check_messages(messages);
  std::string prompt;
  try {
    prompt = chat_template.prompt(messages);
  } catch (const InputError& error) {
    return refused(error.what(), 0, sampling.params.seed);
  }
  return submit_tokens(state_->tokenizer.encode(prompt, /*with_template=*/false), sampling, std::move(on_text));
}

Answer TextEngine::refused(std::string why, std::int32_t prompt_tokens, std::uint64_t seed) {
  Completion completion;
  completion.finish_reason = FinishReason::refused;
  completion.why = std::move(why);
  completion.prompt_tokens = prompt_tokens;
  completion.seed = seed;
  std::promise<Completion> promise;
  promise.set_value(std::move(completion));
  Answer answer;
  answer.completion = promise.get_future();
  return answer;
}

Answer TextEngine::submit_tokens(std::vector<Token> prompt, const Sampling& sampling, OnText on_text) {
  RequestSpec spec;
  spec.id = "r" + std::to_string(state_->next_id++);
  spec.arrival = -1;
  spec.prompt.append(prompt);
  spec.max_tokens = sampling.max_tokens;
  spec.min_tokens = sampling.min_tokens;
  spec.priority = sampling.priority;
  spec.ignore_eos = sampling.ignore_eos;
  spec.stop_token_ids = sampling.stop_token_ids;
  const std::vector<Token>& ends = model().eos_token_ids;
  if (!sampling.ignore_eos && ends.size() > 1) {
    spec.stop_token_ids.insert(spec.stop_token_ids.end(), ends.begin() + 1, ends.end());
  }
  spec.sampling = sampling.params;
  if (spec.sampling.seed == kDrawSeed) spec.sampling.seed = draw_seed();
  const std::uint64_t seed = spec.sampling.seed;

  const auto prompt_tokens = static_cast<std::int32_t>(prompt.size());
  if (std::optional<std::string> why = refusal(spec, state_->tokenizer.num_ids())) {
    return refused(std::move(*why), prompt_tokens, seed);
  }
  Answer answer;
  auto listener = std::make_shared<State::Listener>(*state_, sampling, std::move(on_text), prompt_tokens, seed);
  answer.completion = listener->future();
  answer.ticket = state_->engine.submit(std::move(spec), std::move(listener));
  return answer;
}

void TextEngine::cancel(const Answer& answer) {
  if (answer.ticket != 0) state_->engine.cancel(answer.ticket);
}

const ModelConfig& TextEngine::model() const { return state_->weights.config(); }
const Tokenizer& TextEngine::tokenizer() const { return state_->tokenizer; }
const ChatTemplate& TextEngine::chat_template() {
  const std::lock_guard lock(state_->chat_mutex);
  if (!state_->chat_template) state_->chat_template = ChatTemplate::load(state_->folder, state_->thinking);
  return *state_->chat_template;
}
const std::vector<std::string>& TextEngine::notes() const { return state_->notes; }
const EngineConfig& TextEngine::config() const { return state_->engine.scheduler().config(); }

const std::string& TextEngine::backend() const { return state_->name; }

const Metrics& TextEngine::finish() {
  if (state_->thread.joinable()) {
    state_->engine.stop();
    state_->thread.join();
    if (state_->trace != nullptr) state_->trace->on_end(state_->engine.num_steps(), state_->backend->now());
  }
  return state_->metrics;
}

}  // namespace tokenyard
