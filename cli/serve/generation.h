// A request for text as OpenAI's clients send it, read and checked.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cli/serve/served_model.h"
#include "core/base/json.h"

namespace tokenyard::serve {

enum class Api { chat, completions, responses };

struct Prompt {
  std::vector<Token> tokens;
  std::string text;  // of a completion with `echo`
};

struct Generation {
  Api api = Api::chat;
  std::vector<Prompt> prompts;  // one, but for completions
  std::int32_t n = 1;           // answers to each prompt; with seeds seed, seed + 1 ...
  Sampling sampling;            // params.logprobs: as asked for
  bool stream = false;
  bool include_usage = false;
  bool echo = false;
  bool skip_special_tokens = true;
  Json asked;  // responses: the fields that the answer repeats
};

// Throws ApiError for what is no such request, for values that are impossible and for fields that would change the answer and
// are not supported; other fields are passed over, as OpenAI's clients expect. Thread-safe. Linear in the body, but for the
// tokenizer.
Generation read_generation(Api api, std::string_view body, const ServedModel& model);

// POST /tokenize and /detokenize: the answer's JSON.
std::string tokenize(std::string_view body, const ServedModel& model);
std::string detokenize(std::string_view body, const ServedModel& model);

// What the engine is asked for: choice number `choice` of `prompt`. REQUIRES: params.seed is no kDrawSeed.
RequestSpec spec_of(const Generation& generation, const Prompt& prompt, std::int32_t choice, const ServedModel& model);

}  // namespace tokenyard::serve
