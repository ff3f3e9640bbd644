// The engine on a thread of its own, and what it says to the network's thread: a batch a step, handed over under one lock and
// with one wake-up. Neither thread waits for a client.
//
//   network thread:  submit, cancel  ──►  Inbox  ──►  engine thread
//                    take()          ◄──  Batch  ◄──  a step's tokens
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "cli/serve/server_metrics.h"
#include "core/engine.h"
#include "core/trace/recorder.h"
#include "core/trace/writer.h"

namespace tokenyard::serve {

class LiveAnswer;
class Choice;

struct TokenEvent {
  Choice* choice;  // lives until its end was taken
  Token token;
  std::int32_t logprobs;  // in Batch::logprobs, or -1
  bool ends_text;         // the token only says that the text has ended
};

// A choice has left the engine. Its tokens stand before it in the same batch or in an earlier one.
struct EndEvent {
  std::shared_ptr<Choice> choice;
  std::size_t after;  // tokens of this batch that came before
  FinishReason reason;
  std::string why;  // of a refusal or a failure
};

struct Batch {
  std::vector<TokenEvent> tokens;
  std::vector<TokenLogprobs> logprobs;
  std::vector<EndEvent> ends;
  std::optional<std::string> live;     // asked for with ask_live()
  std::optional<std::string> failure;  // the backend failed, and the engine has stopped
  bool empty() const { return tokens.empty() && ends.empty() && !live && !failure; }
};

class EngineThread {
 public:
  struct Setup {
    EngineConfig config;
    Backend* backend = nullptr;  // borrowed
    std::vector<EngineObserver*> observers;
    TraceWriter* trace = nullptr;  // borrowed, may be null; gets the whole trace, header and end too
    TraceHeader header;            // but for the engine's configuration
  };
  // `wake` is called on the engine's thread when a batch is ready, and not again before it was taken. Throws what Engine's
  // constructor throws.
  EngineThread(const Setup& setup, std::function<void()> wake);
  ~EngineThread();  // as finish()

  void start();
  // Thread-safe, as in Engine.
  std::uint64_t submit(RequestSpec spec, std::shared_ptr<Choice> choice);
  void cancel(std::uint64_t ticket, FinishReason reason);
  // The next batch brings the waiting and the running requests with their reasons, as JSON.
  void ask_live();
  // What has happened since the last call.
  Batch take();
  Gauges now() const;

  // Ends when every request has left, and ends the trace; rethrows what went wrong with writing it.
  void finish();

  const EngineConfig& config() const { return config_; }

 private:
  friend class Choice;
  class Watch;

  void run();
  void note(const Scheduler& scheduler);
  void flush_trace(TimeNs every);
  void hand_over();

  EngineConfig config_;
  Backend& backend_;
  TraceWriter* trace_;
  TraceHeader header_;
  std::optional<TraceRecorder> recorder_;
  std::unique_ptr<Watch> watch_;
  std::unique_ptr<Engine> engine_;
  std::function<void()> wake_;

  Batch step_;  // this and the next: the engine's thread alone
  TimeNs flushed_at_ = 0;
  std::mutex mutex_;  // guards the next two
  Batch ready_;
  bool woken_ = false;
  std::condition_variable taken_;

  std::atomic<std::int64_t> submitted_{0}, joined_{0};
  std::atomic<std::int64_t> running_{0}, waiting_{0}, blocks_used_{0};  // by the latest plan or step
  std::atomic<bool> live_asked_{false}, stopping_{false};
  std::exception_ptr broken_;  // what ended the thread
  std::thread thread_;
};

// One answer of the engine to a prompt. on_token and on_end belong to the engine's thread, all else to the network's.
class Choice final : public RequestListener, public std::enable_shared_from_this<Choice> {
 public:
  Choice(EngineThread& engine, LiveAnswer* to, std::int32_t number) : answer(to), index(number), engine_(engine) {}
  void on_token(const Request& request, Token token, const TokenLogprobs* logprobs) override;
  void on_end(const Request& request, const std::string& why) override;

  LiveAnswer* answer;  // null: nobody wants it any more
  std::int32_t index;
  std::uint64_t ticket = 0;
  // Of the prompt, found in the prefix cache. Written before the first token is handed over.
  std::int32_t cached_tokens = 0;

 private:
  EngineThread& engine_;
  bool begun_ = false;  // the engine's thread
};

}  // namespace tokenyard::serve
