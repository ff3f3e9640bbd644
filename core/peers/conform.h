// Replays a peer's recorded decisions ("peer-decisions/1") through our scheduler and compares every recorded field.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.h"
#include "core/request.h"

namespace tokenyard {

// The rules that a recording of vLLM follows, by its "peer_commit": a release as in "vllm 0.33.0 (g4ba787ec9)", or the commit
// of August 2026 that stands for 0.28. Nothing when we do not know them.
std::optional<VllmVersion> vllm_version_of(const std::string& peer_commit);

// One run of nano-vLLM's or vLLM's real scheduler with a scripted model.
struct Recording {
  struct Scheduled {
    std::string id;
    std::int64_t tokens, computed_before;
    friend bool operator==(const Scheduled&, const Scheduled&) = default;
  };
  struct Admitted {
    std::string id;
    std::int64_t hit_tokens;
    friend bool operator==(const Admitted&, const Admitted&) = default;
  };
  struct Step {
    std::int64_t step = 0;
    bool ahead = false;  // vLLM, asynchronous: the step before was in flight when this one was scheduled
    std::vector<std::string> aborted, added;
    std::string phase;  // nano-vllm: prefill, decode or idle
    std::vector<Scheduled> scheduled;
    std::vector<Admitted> admitted;
    std::vector<std::string> resumed, preempted;
    std::map<std::string, std::vector<std::int64_t>> new_blocks;
    std::int64_t free_blocks = 0;
    std::vector<std::int64_t> free_queue_head;
    std::vector<std::string> sampled, dropped, finished;  // dropped: a row's token that nobody took
    std::map<std::string, std::string> finish_reasons;
    std::vector<std::string> waiting, running;
  };
  struct Input {
    RequestSpec spec;
    std::int64_t abort_step = -1;
  };

  std::string name;
  EngineConfig config;  // strict_peer
  std::vector<Input> requests;
  std::vector<Step> steps;
  std::vector<std::string> unfinished;  // vLLM
  std::string unsuitable;               // readable, yet no run of the peer whose rules we follow: why, or empty
};

// Throws InputError for what cannot be read: broken JSON, missing or unknown fields, wrong types.
Recording parse_recording(std::string_view text, const std::string& name);
Recording load_recording(const std::string& path);

struct Conformance {
  std::int64_t steps = 0;      // recorded
  std::int64_t identical = 0;  // leading steps in which every field agrees
  std::string difference;      // the first one, with what both sides had; empty when all agree
};
Conformance conform(const Recording& recording);

}  // namespace tokenyard
