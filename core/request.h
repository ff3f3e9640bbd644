// One request from arrival to its end.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/sampling_params.h"
#include "core/base/tokens.h"
#include "core/base/types.h"

namespace tokenyard {

// What a client asks for. Owned by value; the engine moves it into a Request.
struct RequestSpec {
  std::string id;                  // unique among live requests; the last tie-break of the priority queue
  TimeNs arrival = 0;              // when the client sent it; latencies count from here
  std::int64_t arrival_step = -1;  // >= 0: joins before this step, whatever the clock says
  TokenSequence prompt;
  std::int32_t max_tokens = 16;
  std::int32_t min_tokens = 0;
  std::int32_t priority = 0;  // lower is sooner
  bool ignore_eos = false;
  std::vector<Token> stop_token_ids;
  SamplingParams sampling;  // for backends that compute

  // Workload knowledge, for backends that simulate and for orca's oracle; no other scheduler looks at it.
  std::int32_t output_tokens = -1;          // how long the model would talk; -1: until max_tokens
  ContentId output_content = kNoContent;    // what its output is called, so that a later turn can quote it
  std::vector<Token> scripted_output = {};  // or the very ids it says

  friend bool operator==(const RequestSpec&, const RequestSpec&) = default;
};

enum class RequestState : std::uint8_t { waiting, running, preempted, finished };

enum class FinishReason : std::uint8_t { none, stop, length, kv_capacity, cancelled, refused, error };
const char* name_of(FinishReason);

class RequestListener;

// A live request. Owned by the engine, which reuses the object after the end; schedulers and backends hold pointers from
// admission of the request until the step in which it ends has been committed.
struct alignas(64) Request {
  // Read or written for every row of every step: a cache line.
  std::int32_t num_tokens = 0;    // prompt + output so far, == tokens.size(), and one more while `pending`
  std::int32_t num_computed = 0;  // leading tokens whose K/V exist or are computed by a scheduled step
  std::int32_t num_prompt = 0;
  std::int32_t num_published = 0;  // leading tokens whose blocks were made findable
  std::int32_t length_limit = 0;   // num_tokens at which it ends at the latest; set by Scheduler::add
  // Planning ahead, the step in flight samples this request's last token: its token number `pending`. -1: the token is known.
  std::int32_t pending = -1;
  std::int64_t num_slots = 0;       // tokens that the blocks of its table hold
  std::int32_t expected_kv = 0;     // tokens whose K/V it will hold at its end, as far as the workload tells; set likewise
  std::int32_t unnamed_output = 0;  // leading output tokens of which a workload says nothing; set likewise
  TimeNs last_token_at = -1;
  RequestState state = RequestState::waiting;
  FinishReason finish_reason = FinishReason::none;
  bool has_listener = false;
  bool left = false;  // and only a step in flight may still have a row of it

  // A second line.
  TokenSequence tokens;  // prompt, then output

  // Whenever a block is filled.
  std::vector<BlockId> blocks;          // the block table: blocks[i] holds positions i*block_size ...
  std::vector<BlockHash> block_hashes;  // of the leading full blocks, as far as anyone asked

  bool computed_before = false;  // preempted at least once: its next admission is a resumption
  std::int32_t num_preemptions = 0;
  std::int32_t num_cached = 0;  // tokens found in the prefix cache at the latest admission
  std::int32_t number = 0;      // 0, 1, 2, ... in joining order; what traces call it

  TimeNs first_token_at = -1;
  TimeNs joined_at = -1;
  std::int64_t joined_step = -1;
  std::int64_t queue_position = 0;  // in the waiting queue, FCFS order

  RequestSpec spec;          // spec.prompt is empty: it moved into `tokens`
  std::uint64_t ticket = 0;  // what Engine::submit returned; 0: it came from a source

  std::shared_ptr<RequestListener> listener;

  std::int32_t num_output() const { return num_tokens - num_prompt; }
  std::int32_t num_known() const { return num_tokens - (pending >= 0 ? 1 : 0); }
  // A fresh request, but for the memory of its two long vectors.
  void reset() {
    std::vector<BlockId> table = std::move(blocks);
    std::vector<BlockHash> hashes = std::move(block_hashes);
    table.clear();
    hashes.clear();
    *this = Request{};
    blocks = std::move(table);
    block_hashes = std::move(hashes);
  }
};

// How many tokens this request will have generated at its end, as far as the workload tells.
inline std::int32_t expected_output(const RequestSpec& spec) {
  if (spec.output_tokens < 0 || spec.ignore_eos) return spec.max_tokens;
  return std::min(spec.max_tokens, std::max({spec.output_tokens, spec.min_tokens, 1}));
}

// Output token number `n`, from 0 on, of a model that only follows its workload: the script, then tokens without a name until
// output_tokens are there. As real samplers do, it keeps the end of the text back until min_tokens are there.
Token workload_token(const RequestSpec& spec, std::int32_t n);
// How many of its leading tokens are kUnnamedToken for certain.
std::int32_t unnamed_output(const RequestSpec& spec);
inline Token workload_token(const Request& request, std::int32_t n) {
  return n < request.unnamed_output ? kUnnamedToken : workload_token(request.spec, n);
}

// Hears of one request, on the engine's thread. May call Engine::submit and cancel, nothing else of the engine.
class RequestListener {
 public:
  virtual ~RequestListener() = default;
  // `logprobs` is null unless request.spec.sampling asks for them and the backend computes.
  virtual void on_token(const Request& request, Token token, const TokenLogprobs* logprobs) = 0;
  // The request has left; `why` explains a refusal or a failure.
  virtual void on_end(const Request& request, const std::string& why) = 0;
};

}  // namespace tokenyard
