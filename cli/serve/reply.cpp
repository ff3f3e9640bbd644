#include "cli/serve/reply.h"

#include "core/base/json.h"

namespace tokenyard::serve {

std::string error_json(const ApiError& error) {
  const auto or_null = [](const std::string& text) { return text.empty() ? Json() : Json(text); };
  return Json(Json::Object{{"error", Json::Object{{"message", error.what()},
                                                  {"type", error.type},
                                                  {"param", or_null(error.param)},
                                                  {"code", or_null(error.code)}}}})
      .dump(-1, /*sort_keys=*/false);
}

Reply error_reply(const ApiError& error) {
  return {error.status, "application/json", error_json(error), error.status == 429 || error.code == "bodies_full" ? 1 : 0,
          error.allow};
}

}  // namespace tokenyard::serve
