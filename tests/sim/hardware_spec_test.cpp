#include "sim/hardware_spec.h"

#include <nlohmann/json.hpp>

#include "core/base/json_reader.h"
#include "support.h"

using namespace tokenyard;

TEST_CASE("hardware survives its JSON") {
  for (const std::string& name : builtin_hardware()) {
    const HardwareSpec h = find_hardware(name);
    CHECK(read_hardware(JsonValue::parse(to_json(h), "h.json")) == h);
    CHECK_FALSE(h.known_error.empty());
    CHECK_FALSE(h.source.empty());
  }
}

TEST_CASE("hardware refuses what cannot be") {
  CHECK_THAT(error_of([&] { find_hardware("tpu"); }), has_text("a100-80gb"));
  nlohmann::json h = nlohmann::json::parse(to_json(find_hardware("h100-sxm")));
  h["gemm"]["flops_efficiency"] = 0;
  CHECK_THAT(error_of([&] { read_hardware(JsonValue::parse(h.dump(), "h.json")); }), has_text("/gemm/flops_efficiency"));
  h["gemm"].erase("flops_efficiency");
  CHECK_THAT(error_of([&] { read_hardware(JsonValue::parse(h.dump(), "h.json")); }), has_text("flops_efficiency"));
}
