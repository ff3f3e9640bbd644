// Text in, text out: a Hugging Face folder, the engine on a thread of its own, and a backend that computes.
//
//   TextEngine engine("path/to/model");
//   Answer answer = engine.submit("Once upon a time", {}, [](std::string_view text) { std::cout << text; });
//   Completion whole = answer.completion.get();
#pragma once

#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/model/chat_template.h"
#include "backends/model/model_config.h"
#include "backends/model/tokenizer.h"
#include "core/engine.h"
#include "core/metrics.h"
#include "core/trace/sink.h"

namespace tokenyard {

enum class TextBackend { automatic, cpu, cuda };  // automatic: the GPU where there is one that can compute the model

struct TextOptions {
  TextBackend backend = TextBackend::automatic;
  // max_model_len 0: the model's context; num_blocks 0: what a gigabyte of K/V holds, but no more than max_num_seqs contexts;
  // eos_token_id is the model's. On a GPU num_blocks 0 is what its memory holds. async_scheduling is on, and counts on a GPU
  // only: nowhere else is there anything to overlap.
  EngineConfig engine = [] {
    EngineConfig config;
    config.async_scheduling = true;
    return config;
  }();
  std::int32_t threads = 0;  // 0: one a core
  // Ranks that share the model, 1, 2, 4 or 8: cards, or groups of the threads. The answers are the same with each on a CPU; on
  // GPUs with 1 and 2 (docs/gpu.md).
  std::int32_t tensor_parallel = 1;
  KvDtype kv_dtype = KvDtype::automatic;
  std::optional<bool> thinking;  // turns the switch of the model's chat template; else as the template has it
  TraceSink* trace = nullptr;    // borrowed; gets the whole trace, header and end too
  std::string program;           // who writes the trace: "tokenyard 0.1.0"
};

// How an answer is chosen and where it ends.
struct Sampling {
  SamplingParams params;  // with the seed kDrawSeed each answer draws its own
  std::int32_t max_tokens = 256;
  std::int32_t min_tokens = 0;  // within them neither EOS nor a stop id is sampled, and no stop string ends
  bool ignore_eos = false;
  std::vector<std::string> stop;  // ends before the first of these strings
  std::vector<Token> stop_token_ids;
  std::int32_t priority = 0;
};

// What the model's makers recommend.
Sampling default_sampling(const ModelConfig& model);

struct Completion {
  std::string text;  // without the stop string or the token that ended it
  std::vector<Token> tokens;
  std::vector<TokenLogprobs> logprobs;  // one per token, if asked for
  FinishReason finish_reason = FinishReason::none;
  std::string why;  // it was refused, or failed
  std::int32_t prompt_tokens = 0;
  std::uint64_t seed = 0;          // of the sampling, or the one that was drawn for kDrawSeed
  std::int32_t cached_tokens = 0;  // of the prompt, found in the prefix cache
  TimeNs ttft = 0;                 // from submit() to the first token; 0: there was none
  TimeNs e2el = 0;                 // to the end
};

struct Answer {
  std::uint64_t ticket = 0;
  std::future<Completion> completion;  // always fulfilled; a failure is a finish_reason
};

class TextEngine {
 public:
  // Maps the model. Throws InputError for what is wrong with the folder, std::invalid_argument for the configuration,
  // BackendError where the GPU was asked for and cannot do it. InputError also where the model cannot be cut over the ranks.
  explicit TextEngine(const std::string& model_folder, const TextOptions& options = {});
  // As finish().
  ~TextEngine();
  TextEngine(const TextEngine&) = delete;
  TextEngine& operator=(const TextEngine&) = delete;

  // What a piece of the answer is given to, on the engine's thread: whole characters, in order. Must
  // not throw.
  using OnText = std::function<void(std::string_view text)>;

  // Thread-safe, as are all below but finish(). A prompt is taken as it is; added tokens written out in it count as such.
  Answer submit(std::string_view prompt, const Sampling& sampling, OnText on_text = {});
  // Ids that are there already. One that the model does not have is refused.
  Answer submit_tokens(std::vector<Token> prompt, const Sampling& sampling, OnText on_text = {});
  // A conversation in the model's own chat template. Throws InputError when the model has none that can be used
  // (ChatTemplate::load) or a role is unknown; a conversation that the template refuses is a refused answer.
  Answer chat(const std::vector<ChatMessage>& messages, const Sampling& sampling, OnText on_text = {});
  void cancel(const Answer& answer);

  const ModelConfig& model() const;
  const Tokenizer& tokenizer() const;
  // Loaded when it is first asked for. Throws InputError as ChatTemplate::load.
  const ChatTemplate& chat_template();
  const EngineConfig& config() const;  // resolved
  const std::string& backend() const;  // "cpu" or "cuda"
  // What was passed over in the model's files (Weights::notes() and Tokenizer::notes()), and why TextBackend::automatic did not
  // take a GPU that is there.
  const std::vector<std::string>& notes() const;

  // Waits until every request has left, ends the trace, and returns what was measured. Nothing may be submitted afterwards.
  const Metrics& finish();

 private:
  struct State;
  static Answer refused(std::string why, std::int32_t prompt_tokens, std::uint64_t seed);
  std::unique_ptr<State> state_;
};

}  // namespace tokenyard
