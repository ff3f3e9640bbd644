// Any JSON: what is read is written so that it reads back, and so that nlohmann_json writes the same.
#include "core/base/json.h"

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "fuzz.h"

namespace tokenyard {

void fuzz(std::string_view text) {
  const Json json = Json::parse(text, "fuzz.json");
  const std::string sorted = json.dump();
  if (sorted != nlohmann::json::parse(text).dump()) std::abort();
  if (json.dump(2, /*sort_keys=*/false) != nlohmann::ordered_json::parse(text).dump(2)) std::abort();
  if (Json::parse(json.dump(1, /*sort_keys=*/false), "again") != json) std::abort();
  if (Json::parse(sorted, "again").dump() != sorted) std::abort();
  if (Json(json) != json) std::abort();
}

}  // namespace tokenyard
