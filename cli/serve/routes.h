// Which request is for what.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "cli/serve/generation.h"
#include "cli/serve/reply.h"

namespace tokenyard::serve {

enum class Endpoint {
  page,
  live,
  health,
  version,
  metrics,
  open_api,
  models,
  model,
  chat,
  completions,
  responses,
  tokenize,
  detokenize
};

struct Route {
  Endpoint endpoint;
  std::string name;  // of Endpoint::model
};

// By method and path; what follows a "?" is passed over. Throws ApiError (404, 405).
Route route(std::string_view method, std::string_view target);

// Whether it is open to everybody when a key is set: what monitoring asks, and the page, which holds no data.
bool is_open(Endpoint endpoint);
// Whether it takes a JSON body.
bool takes_json(Endpoint endpoint);

// Reads the body of one that takes JSON: a reply at once, or a text to be generated. Throws ApiError. Thread-safe.
std::variant<Reply, Generation> read_request(Endpoint endpoint, std::string_view body, const ServedModel& model);

// "Bearer KEY". Takes the same time for every wrong key of one length.
bool has_key(std::string_view authorization, std::string_view key);

Reply models_reply(const ServedModel& model);
Reply model_reply(const std::string& name, const ServedModel& model);  // throws ApiError for another name

}  // namespace tokenyard::serve
