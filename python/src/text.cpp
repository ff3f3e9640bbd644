#include <nanobind/stl/shared_ptr.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <future>
#include <memory>
#include <mutex>

#include "backends/text/text_engine.h"
#include "cli/commands/generation.h"
#include "cli/version.h"
#include "core/base/json.h"
#include "core/base/json_reader.h"
#include "core/trace/config_json.h"
#include "core/trace/writer.h"
#include "python/src/module.h"

namespace tokenyard::python {
namespace {

// The engine and the file it writes to. Answers share it, so it outlives the Python object it was made for. The engine's thread
// never asks for the GIL.
struct Served {
  std::unique_ptr<TraceWriter> trace;
  std::unique_ptr<TextEngine> engine;
};

// One request. A request that nobody holds any more is cancelled.
class Pending {
 public:
  Pending(std::shared_ptr<Served> served, bool streams) : served_(std::move(served)) {
    if (streams) pieces_ = std::make_shared<Pieces>();
  }
  ~Pending() { cancel(); }
  Pending(const Pending&) = delete;
  Pending& operator=(const Pending&) = delete;

  void start(Answer answer) {
    ticket_ = answer.ticket;
    answer_ = std::move(answer);
    completion_ = answer_.completion.share();
  }
  TextEngine::OnText on_text() {
    if (!pieces_) return {};
    return [pieces = pieces_](std::string_view text) {
      const std::lock_guard lock(pieces->mutex);
      pieces->texts.emplace_back(text);
      pieces->more.notify_one();
    };
  }

  bool ready() const { return completion_.wait_for(std::chrono::seconds(0)) == std::future_status::ready; }
  bool wait(double seconds) const {
    const nb::gil_scoped_release unlocked;
    return completion_.wait_for(std::chrono::duration<double>(seconds)) == std::future_status::ready;
  }
  // What has come since the last call, after at most `seconds`; empty: nothing has. After ready() the last piece is there.
  std::string take(double seconds) {
    const nb::gil_scoped_release unlocked;
    const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    std::unique_lock lock(pieces_->mutex);
    while (pieces_->texts.empty() && !ready() && std::chrono::steady_clock::now() < until) {
      pieces_->more.wait_for(lock, std::chrono::milliseconds(5));  // the end is not told
    }
    std::string text;
    for (const std::string& piece : pieces_->texts) text += piece;
    pieces_->texts.clear();
    return text;
  }
  void cancel() {
    if (completion_.valid() && !ready()) served_->engine->cancel(answer_);
  }
  // Waits for the end.
  nb::tuple result() const {
    {
      const nb::gil_scoped_release unlocked;
      completion_.wait();
    }
    const Completion& c = completion_.get();
    nb::list logprobs;
    const auto candidate = [](const TokenLogprobs::Candidate& of) { return nb::make_tuple(of.token, of.logprob); };
    for (const TokenLogprobs& l : c.logprobs) {
      nb::list top;
      for (const TokenLogprobs::Candidate& of : l.top) top.append(candidate(of));
      logprobs.append(nb::make_tuple(candidate(l.chosen), top));
    }
    return nb::make_tuple(c.text, c.tokens, name_of(c.finish_reason), c.why, c.prompt_tokens, c.cached_tokens, c.seed, c.ttft,
                          c.e2el, logprobs);
  }

 private:
  struct Pieces {
    std::mutex mutex;
    std::condition_variable more;
    std::deque<std::string> texts;
  };

  std::shared_ptr<Served> served_;
  std::shared_ptr<Pieces> pieces_;
  Answer answer_;
  std::uint64_t ticket_ = 0;
  std::shared_future<Completion> completion_;
};

Sampling read(const std::string& json) {
  Sampling sampling;
  JsonObject object = JsonValue::parse(json, "SamplingParams").object();
  cli::read_sampling(object, sampling);
  object.done();
  return sampling;
}

class PythonEngine {
 public:
  // `engine`: a JSON object of EngineConfig's fields.
  PythonEngine(const std::string& model, const std::string& engine, const std::string& backend, int threads,
               int tensor_parallel, const std::string& kv_dtype, const std::string& trace)
      : served_(std::make_shared<Served>()) {
    const nb::gil_scoped_release unlocked;
    TextOptions options;
    JsonObject object = JsonValue::parse(engine, "LLM").object();
    read_engine_config(object, options.engine);
    object.done();
    options.backend = backend == "cpu" ? TextBackend::cpu : backend == "cuda" ? TextBackend::cuda : TextBackend::automatic;
    options.threads = threads;
    options.tensor_parallel = tensor_parallel;
    options.kv_dtype = kv_dtype_of(kv_dtype);
    options.program = cli::kProgram;
    if (!trace.empty()) served_->trace = std::make_unique<TraceWriter>(trace);
    options.trace = served_->trace.get();
    served_->engine = std::make_unique<TextEngine>(model, options);
  }

  std::shared_ptr<Pending> submit(const std::string& prompt, const std::string& sampling, bool streams) {
    return begin(sampling, streams,
                 [&](const Sampling& s, TextEngine::OnText on_text) { return engine().submit(prompt, s, std::move(on_text)); });
  }
  std::shared_ptr<Pending> submit_tokens(const std::vector<Token>& prompt, const std::string& sampling, bool streams) {
    return begin(sampling, streams, [&](const Sampling& s, TextEngine::OnText on_text) {
      return engine().submit_tokens(prompt, s, std::move(on_text));
    });
  }
  std::shared_ptr<Pending> chat(const std::vector<std::pair<std::string, std::string>>& messages, const std::string& sampling,
                                bool streams) {
    std::vector<ChatMessage> all;
    for (const auto& [role, content] : messages) all.push_back({role, content});
    return begin(sampling, streams,
                 [&](const Sampling& s, TextEngine::OnText on_text) { return engine().chat(all, s, std::move(on_text)); });
  }

  std::vector<Token> encode(const std::string& text) const { return engine().tokenizer().encode(text); }
  std::string decode(const std::vector<Token>& ids) const {
    for (const Token id : ids) {
      if (id < 0 || id >= engine().tokenizer().num_ids()) {
        throw InputError("expected token ids from 0 to " + std::to_string(engine().tokenizer().num_ids() - 1) + ", found " +
                         std::to_string(id));
      }
    }
    return engine().tokenizer().decode(ids, /*skip_special=*/true);
  }
  std::string config() const { return engine_config_json(engine().config()); }
  std::string backend() const { return engine().backend(); }
  std::vector<std::string> notes() const { return engine().notes(); }

  // Waits for all requests and ends the trace.
  void close() {
    const nb::gil_scoped_release unlocked;
    closed_ = true;
    served_->engine->finish();
    if (served_->trace) served_->trace->finish();
  }

 private:
  TextEngine& engine() const { return *served_->engine; }

  template <typename Submit>
  std::shared_ptr<Pending> begin(const std::string& sampling, bool streams, Submit&& submit) {
    if (closed_) throw InputError("this LLM is closed");
    const nb::gil_scoped_release unlocked;
    const Sampling s = read(sampling);
    auto pending = std::make_shared<Pending>(served_, streams);
    pending->start(submit(s, pending->on_text()));
    return pending;
  }

  std::shared_ptr<Served> served_;
  bool closed_ = false;
};

}  // namespace

void bind_text(nb::module_& module) {
  using namespace nb::literals;
  module.def(
      "check_sampling", [](const std::string& sampling) { read(sampling); }, "sampling"_a);
  nb::class_<Pending>(module, "Pending")
      .def("ready", &Pending::ready)
      .def("wait", &Pending::wait, "seconds"_a)
      .def("take", &Pending::take, "seconds"_a)
      .def("cancel", &Pending::cancel)
      .def("result", &Pending::result);
  nb::class_<PythonEngine>(module, "Engine")
      .def(nb::init<const std::string&, const std::string&, const std::string&, int, int, const std::string&,
                    const std::string&>(),
           "model"_a, "engine"_a, "backend"_a, "threads"_a, "tensor_parallel"_a, "kv_dtype"_a, "trace"_a)
      .def("submit", &PythonEngine::submit, "prompt"_a, "sampling"_a, "streams"_a)
      .def("submit_tokens", &PythonEngine::submit_tokens, "prompt"_a, "sampling"_a, "streams"_a)
      .def("chat", &PythonEngine::chat, "messages"_a, "sampling"_a, "streams"_a)
      .def("encode", &PythonEngine::encode, "text"_a)
      .def("decode", &PythonEngine::decode, "ids"_a)
      .def("config", &PythonEngine::config)
      .def("backend", &PythonEngine::backend)
      .def("notes", &PythonEngine::notes)
      .def("close", &PythonEngine::close);
}

}  // namespace tokenyard::python
