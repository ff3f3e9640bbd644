#include "cli/serve/routes.h"

#include <algorithm>
#include <cstddef>

#include "core/base/input_error.h"

namespace tokenyard::serve {
namespace {

struct Entry {
  const char* path;
  const char* method;
  Endpoint endpoint;
};

constexpr Entry kEntries[] = {
    {"/", "GET", Endpoint::page},
    {"/live", "GET", Endpoint::live},
    {"/health", "GET", Endpoint::health},
    {"/version", "GET", Endpoint::version},
    {"/metrics", "GET", Endpoint::metrics},
    {"/openapi.json", "GET", Endpoint::open_api},
    {"/v1/models", "GET", Endpoint::models},
    {"/v1/chat/completions", "POST", Endpoint::chat},
    {"/v1/completions", "POST", Endpoint::completions},
    {"/v1/responses", "POST", Endpoint::responses},
    {"/tokenize", "POST", Endpoint::tokenize},
    {"/detokenize", "POST", Endpoint::detokenize},
};
constexpr std::string_view kOneModel = "/v1/models/";

Json model_json(const ServedModel& model) {
  return Json::Object{{"id", model.name},
                      {"object", "model"},
                      {"created", model.created},
                      {"owned_by", "tokenyard"},
                      {"root", model.name},
                      {"parent", Json()},
                      {"max_model_len", model.max_model_len}};
}

}  // namespace

Route route(std::string_view method, std::string_view target) {
  const std::string_view path = target.substr(0, target.find('?'));
  const auto wrong_method = [&](const char* right) {
    ApiError error(405, "the method of " + shown(path) + " is " + right, "invalid_request_error", {}, "method_not_allowed");
    error.allow = right;
    return error;
  };
  for (const Entry& entry : kEntries) {
    if (path != entry.path) continue;
    if (method != entry.method) throw wrong_method(entry.method);
    return {entry.endpoint, {}};
  }
  if (path.starts_with(kOneModel)) {
    if (method != "GET") throw wrong_method("GET");
    return {Endpoint::model, std::string(path.substr(kOneModel.size()))};
  }
  throw ApiError(404, "there is nothing at " + shown(path) + "; /openapi.json lists what there is", "invalid_request_error", {},
                 "not_found");
}

bool is_open(Endpoint endpoint) {
  return endpoint == Endpoint::page || endpoint == Endpoint::health || endpoint == Endpoint::version ||
         endpoint == Endpoint::metrics || endpoint == Endpoint::open_api;
}

bool takes_json(Endpoint endpoint) { return endpoint >= Endpoint::chat; }

std::variant<Reply, Generation> read_request(Endpoint endpoint, std::string_view body, const ServedModel& model) {
  switch (endpoint) {
    case Endpoint::chat: return read_generation(Api::chat, body, model);
    case Endpoint::completions: return read_generation(Api::completions, body, model);
    case Endpoint::responses: return read_generation(Api::responses, body, model);
    case Endpoint::tokenize: return Reply{200, "application/json", tokenize(body, model)};
    default: return Reply{200, "application/json", detokenize(body, model)};
  }
}

bool has_key(std::string_view authorization, std::string_view key) {
  constexpr std::string_view scheme = "Bearer ";
  if (!authorization.starts_with(scheme)) return false;
  authorization.remove_prefix(scheme.size());
  if (authorization.size() != key.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < key.size(); ++i) {
    difference |= unsigned{static_cast<unsigned char>(authorization[i])} ^ unsigned { static_cast<unsigned char>(key[i]) };
  }
  return difference == 0;
}

Reply models_reply(const ServedModel& model) {
  return {200, "application/json",
          Json(Json::Object{{"object", "list"}, {"data", Json::Array{model_json(model)}}}).dump(-1, /*sort_keys=*/false)};
}

Reply model_reply(const std::string& name, const ServedModel& model) {
  if (name != model.name) {
    throw ApiError(404, "the model \"" + shown(name) + "\" is not served here; \"" + model.name + "\" is",
                   "invalid_request_error", "model", "model_not_found");
  }
  return {200, "application/json", model_json(model).dump(-1, /*sort_keys=*/false)};
}

}  // namespace tokenyard::serve
