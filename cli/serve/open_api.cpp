#include "cli/serve/open_api.h"

#include "core/base/json.h"

namespace tokenyard::serve {

std::string open_api(const ServedModel& /*model*/, const std::string& version) {
  return Json(Json::Object{{"openapi", "3.1.0"},
                           {"info", Json::Object{{"title", "Tokenyard"}, {"version", version}}},
                           {"paths", Json::Object{}}})
      .dump(-1, /*sort_keys=*/false);
}

}  // namespace tokenyard::serve
