// One request's answer on its way to the client: tokens become text, text becomes OpenAI's JSON, whole or as server-sent
// events. Knows no network, and belongs to the network's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backends/text/stop_strings.h"
#include "cli/serve/engine_thread.h"
#include "cli/serve/generation.h"
#include "cli/serve/reply.h"

namespace tokenyard::serve {

class Connection;

class LiveAnswer {
 public:
  // `id` is unique: "chatcmpl-...". `created`: seconds since 1970.
  LiveAnswer(Generation generation, const ServedModel& model, std::string id, std::int64_t created);
  ~LiveAnswer();  // whatever its choices still say is passed over
  LiveAnswer(const LiveAnswer&) = delete;
  LiveAnswer& operator=(const LiveAnswer&) = delete;

  // Submits every choice of every prompt, now or later; the engine is borrowed.
  void submit(EngineThread& engine);
  // Nobody wants it: its choices leave the engine.
  void cancel(EngineThread& engine);

  // A token of choice `index`. `logprobs` may be null. True when its text has come to a stop string: the choice can be
  // cancelled.
  bool on_token(std::int32_t index, Token token, const TokenLogprobs* logprobs, bool ends_text);
  void on_end(std::int32_t index, FinishReason reason, const std::string& why);
  // Ends it with an error, if it has not ended.
  void fail(const ApiError& error);

  bool streams() const { return generation_.stream; }
  bool begun() const { return begun_; }  // the status is known: a stream's client can be told that it begins
  bool ended() const { return ended_; }  // nothing follows
  int status() const { return status_; }
  // A stream that went wrong before it began has a plain answer, as every other.
  bool is_event_stream() const { return generation_.stream && status_ == 200; }
  // What is to be sent by now; the caller takes it out.
  std::string& output() { return output_; }

  Connection* to = nullptr;  // whoever sends it

  std::int32_t num_choices() const { return static_cast<std::int32_t>(choices_.size()); }
  const std::string& id() const { return id_; }

 private:
  struct State;  // of a choice

  void submit(State& choice);
  void submit_siblings(const State& first);
  void begin();
  void emit(State& choice, std::string_view text, const std::string& logprobs);
  void end_choice(State& choice);
  void end();
  void event(const char* type, Json data);  // of a response
  Json response(const char* status) const;
  Json message_item(const char* status) const;
  std::string item_id() const;  // of a response's one message
  Json usage() const;
  std::string whole() const;
  std::string chunk_head() const;
  const char* finish_name(const State& choice) const;

  Generation generation_;
  const ServedModel& model_;
  std::string id_;
  std::int64_t created_;
  std::vector<std::unique_ptr<State>> choices_;
  EngineThread* engine_ = nullptr;
  bool waits_for_first_ = false;
  std::int32_t open_ = 0;  // choices that have not ended
  std::string head_;       // of every chunk, up to the choice's index
  std::string output_;
  std::int64_t sequence_ = 0;  // of a response's events
  bool begun_ = false, ended_ = false;
  int status_ = 200;
};

}  // namespace tokenyard::serve
