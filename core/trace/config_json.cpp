#include "core/trace/config_json.h"

#include <string_view>
#include <type_traits>

#include "core/base/json_reader.h"
#include "core/base/json_text.h"
#include "core/policy.h"

namespace tokenyard {
namespace {

template <typename Field>
constexpr bool kNamed = std::is_enum_v<Field> || std::is_same_v<Field, Policy>;

// The one list of fields: `visit(name, field, least)`.
template <typename Config, typename Visit>
void for_each_field(Config& c, Visit&& visit) {
  visit("policy", c.policy, 0);
  visit("max_num_seqs", c.max_num_seqs, 1);
  visit("max_num_batched_tokens", c.max_num_batched_tokens, 1);
  visit("max_model_len", c.max_model_len, 0);
  visit("block_size", c.block_size, 1);
  visit("num_blocks", c.num_blocks, 0);
  visit("enable_prefix_caching", c.enable_prefix_caching, 0);
  visit("eos_token_id", c.eos_token_id, -1);
  visit("vllm_version", c.vllm_version, 0);
  visit("enable_chunked_prefill", c.enable_chunked_prefill, 0);
  visit("queue_order", c.queue_order, 0);
  visit("free_order", c.free_order, 0);
  visit("long_prefill_token_threshold", c.long_prefill_token_threshold, 0);
  visit("watermark_blocks", c.watermark_blocks, 0);
  visit("admission_gate", c.admission_gate, 0);
  visit("batch_timeout", c.batch_timeout, 0);
  visit("delivery", c.delivery, 0);
  visit("reservation", c.reservation, 0);
  visit("strict_peer", c.strict_peer, 0);
  visit("async_scheduling", c.async_scheduling, 0);
}

}  // namespace

void read_engine_config(JsonObject& object, EngineConfig& config) {
  for (const char* name : {"max_num_active_seqs", "long_prefill_token_threshold_adaptive", "prefill_schedule_interval"}) {
    if (const auto value = object.find(name)) value->fail("this option of vLLM is not modelled; leave it out");
  }
  for_each_field(config, [&](const char* name, auto& field, std::int32_t least) {
    using Field = std::remove_reference_t<decltype(field)>;
    const auto value = object.find(name);
    if (!value) return;
    if constexpr (kNamed<Field>) {
      // A version looks like a number, and --set takes it for one.
      const auto number = value->json().is_number() ? parse_name<Field>(value->json().dump()) : std::nullopt;
      field = number ? *number : *parse_name<Field>(value->choice(all_names<Field>()));
    } else if constexpr (std::is_same_v<Field, bool>) {
      field = value->boolean();
    } else {
      const std::int64_t most = sizeof(Field) == 4 ? INT32_MAX : std::int64_t{1} << 60;
      field = static_cast<Field>(value->integer(least, most));
    }
  });
}

bool names_vllm_version(const EngineConfig& config) {
  return config.policy->has_versions && config.vllm_version != VllmVersion::v0_28;
}

std::string engine_config_json(const EngineConfig& config) {
  std::string out = "{";
  for_each_field(config, [&](const char* name, const auto& field, std::int32_t) {
    using Field = std::remove_cvref_t<decltype(field)>;
    // So that older readers can read what is not new.
    if (name == std::string_view("async_scheduling") && !config.async_scheduling) return;
    if (name == std::string_view("vllm_version") && !names_vllm_version(config)) return;
    if (out.size() > 1) out += ',';
    append_json_string(out, name);
    out += ':';
    if constexpr (kNamed<Field>) {
      append_json_string(out, name_of(field));
    } else if constexpr (std::is_same_v<Field, bool>) {
      out += field ? "true" : "false";
    } else {
      append_int(out, field);
    }
  });
  out += '}';
  return out;
}

}  // namespace tokenyard
