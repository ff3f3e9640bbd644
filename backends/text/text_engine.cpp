#include "backends/text/text_engine.h"

#include <atomic>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "backends/model/sampler.h"
#include "backends/text/loaded_model.h"
#include "backends/text/stop_strings.h"
#include "core/base/input_error.h"
#include "core/trace/recorder.h"

namespace tokenyard {

struct TextEngine::State {
  State(const std::string& model_folder, const TextOptions& options)
      : folder(model_folder),
        thinking(options.thinking),
        model(folder, options),
        trace(options.trace),
        engine(model.engine, *model.backend, observers()) {
    if (trace != nullptr)
      trace->on_header({options.program, model.backend_name, engine.scheduler().config(), "", "", model.hardware});
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
  LoadedModel model;
  std::mutex chat_mutex;
  std::optional<ChatTemplate> chat_template;
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
          stream_(state.model.tokenizer, /*skip_special=*/true),
          stops_(sampling.stop),
          submitted_at_(state.model.backend->now()) {
      completion_.prompt_tokens = prompt_tokens;
      completion_.seed = seed;
    }

    std::future<Completion> future() { return promise_.get_future(); }

    void on_token(const Request& request, Token token, const TokenLogprobs* logprobs) override {
      if (stops_.found()) return;  // computed before the cancel arrived
      if (completion_.tokens.empty()) completion_.ttft = state_.model.backend->now() - submitted_at_;
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
      completion_.e2el = state_.model.backend->now() - submitted_at_;
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
  return submit_tokens(state_->model.tokenizer.encode(prompt), sampling, std::move(on_text));
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
  return submit_tokens(state_->model.tokenizer.encode(prompt, /*with_template=*/false), sampling, std::move(on_text));
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
  const auto prompt_tokens = static_cast<std::int32_t>(prompt.size());
  RequestSpec spec = request_spec(prompt, sampling, model().eos_token_ids);
  spec.id = "r" + std::to_string(state_->next_id++);
  const std::uint64_t seed = spec.sampling.seed;

  if (std::optional<std::string> why = refusal(spec, state_->model.tokenizer.num_ids())) {
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

const ModelConfig& TextEngine::model() const { return state_->model.weights.config(); }
const Tokenizer& TextEngine::tokenizer() const { return state_->model.tokenizer; }
const ChatTemplate& TextEngine::chat_template() {
  const std::lock_guard lock(state_->chat_mutex);
  if (!state_->chat_template) state_->chat_template = ChatTemplate::load(state_->folder, state_->thinking);
  return *state_->chat_template;
}
const std::vector<std::string>& TextEngine::notes() const { return state_->model.notes; }
const EngineConfig& TextEngine::config() const { return state_->engine.scheduler().config(); }

const std::string& TextEngine::backend() const { return state_->model.backend_name; }

const Metrics& TextEngine::finish() {
  if (state_->thread.joinable()) {
    state_->engine.stop();
    state_->thread.join();
    if (state_->trace != nullptr) state_->trace->on_end(state_->engine.num_steps(), state_->model.backend->now());
  }
  return state_->metrics;
}

}  // namespace tokenyard
