#include "cli/output/report.h"

#include <fmt/core.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "cli/output/say.h"
#include "core/base/input_error.h"
#include "core/base/json.h"
#include "sim/result_values.h"

namespace tokenyard::cli {
namespace {

constexpr double kMs = 1e6;
constexpr double kSecond = 1e9;

struct Latency {
  const char* title;
  const char* label;  // in the table
  const Distribution& values;
};

std::vector<Latency> latencies(const Metrics& m) {
  return {{"Time to First Token", "TTFT", m.ttft},
          {"Time per Output Token (excl. 1st token)", "TPOT", m.tpot},
          {"Inter-token Latency", "ITL", m.itl},
          {"End-to-end Latency", "E2EL", m.e2el}};
}

double per_second(double amount, const Metrics& m) {
  return m.duration() > 0 ? amount / (static_cast<double>(m.duration()) / kSecond) : 0;
}
double share(std::int64_t part, std::int64_t whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0;
}

}  // namespace

Slo parse_slo(const std::vector<std::string>& words) {
  Slo slo;
  for (const std::string& word : words) {
    const std::size_t colon = word.find(':');
    const std::string key = word.substr(0, colon);
    char* end = nullptr;
    const char* text = colon == std::string::npos ? "" : word.c_str() + colon + 1;
    const double ms = std::strtod(text, &end);
    const bool known = key == "ttft" || key == "tpot" || key == "e2el";
    if (!known || *text == '\0' || *end != '\0' || !std::isfinite(ms) || ms < 0 || ms > 1e12) {
      throw InputError("--goodput: expected ttft:MS, tpot:MS or e2el:MS, found \"" + word + "\"");
    }
    (key == "ttft" ? slo.ttft : key == "tpot" ? slo.tpot : slo.e2el) = static_cast<TimeNs>(ms * kMs);
  }
  return slo;
}

std::string nothing_served(const Metrics& m) {
  if (m.completed + m.cancelled + m.failed > 0) return "";
  if (m.refused == 0) return "no request was served: none came";
  return fmt::format("no request was served: all {} were refused, the first of them {}", m.refused,
                     m.first_refusals.empty() ? "" : m.first_refusals.front());
}

std::string result_table(const Metrics& m, const ReportContext& context) {
  std::string out;
  const auto line = [&](const char* label, double value) { out += fmt::format("{:<40} {:<10.2f}\n", label, value); };
  const auto count = [&](const char* label, std::int64_t value) { out += fmt::format("{:<40} {:<10}\n", label, value); };
  const auto header = [&](const char* title, char fill) {
    const std::string text = std::string(" ") + title + " ";
    const std::size_t left = (50 - std::min<std::size_t>(50, text.size())) / 2;
    out += std::string(left, fill) + text + std::string(50 - std::min<std::size_t>(50, left + text.size()), fill) + "\n";
  };

  header("Serving Benchmark Result", '=');
  count("Successful requests:", m.completed);
  count("Failed requests:", m.refused + m.failed + m.cancelled);
  line("Benchmark duration (s):", static_cast<double>(m.duration()) / kSecond);
  count("Total input tokens:", m.input_tokens);
  count("Total generated tokens:", m.output_tokens);
  line("Request throughput (req/s):", per_second(static_cast<double>(m.completed), m));
  if (m.slo().any()) line("Request goodput (req/s):", per_second(static_cast<double>(m.good), m));
  line("Output token throughput (tok/s):", per_second(static_cast<double>(m.output_tokens), m));
  line("Peak output token throughput (tok/s):", static_cast<double>(m.max_output_tokens_per_s));
  line("Peak concurrent requests:", static_cast<double>(m.max_live));
  line("Total token throughput (tok/s):", per_second(static_cast<double>(m.input_tokens + m.output_tokens), m));
  for (const Latency& latency : latencies(m)) {
    header(latency.title, '-');
    line(fmt::format("Mean {} (ms):", latency.label).c_str(), latency.values.mean() / kMs);
    line(fmt::format("Median {} (ms):", latency.label).c_str(), latency.values.percentile(50) / kMs);
    line(fmt::format("P99 {} (ms):", latency.label).c_str(), latency.values.percentile(99) / kMs);
  }
  header("Scheduler", '-');
  count("Steps:", m.steps);
  line("Mean batch size (requests):", m.batch_size.mean());
  line("Max batch size (requests):", m.batch_size.percentile(100));
  line("Mean tokens per step:", m.step_tokens.mean());
  count("Preemptions:", m.preemptions);
  line("Prefix cache hit rate (%):", 100 * share(m.prefix_hits, m.prefix_queries));
  line("Busy (%):", 100 * share(m.busy, m.duration()));
  if (m.refused > 0) count("Refused (can never run):", m.refused);
  if (m.cancelled > 0) count("Cancelled by the client:", m.cancelled);
  if (m.failed > 0) count("Failed with the backend:", m.failed);
  if (m.out_of_kv > 0) count("Cut off, KV pool too small:", m.out_of_kv);
  header("KV slots, mean over busy time", '-');
  const auto shares = m.memory_shares();
  const char* meanings[] = {
      "Used (%):", "Reserved, will be used (%):", "Internal, never used (%):", "External, holes too small (%):", "Free (%):"};
  for (std::size_t i = 0; i < shares.size(); ++i) line(meanings[i], 100 * shares[i]);
  out += std::string(50, '=') + "\n";
  out += fmt::format("{}: policy {}, {} blocks of {} tokens, {}\n", context.scenario, name_of(context.engine.policy),
                     context.engine.num_blocks, context.engine.block_size, context.timing);
  if (!context.error_note.empty()) out += context.error_note + "\n";
  for (const std::string& refusal : m.first_refusals) out += "refused " + refusal + "\n";
  return out;
}

void print_result(const Metrics& m, const ReportContext& context) {
  say("{}", result_table(m, context));
  if (const std::string why = nothing_served(m); !why.empty()) warn("{}\n", why);
}

std::string result_json(const Metrics& m, const ReportContext& context) {
  Json j = Json::Object();
  j["backend"] = context.backend;
  j["model_id"] = context.model;
  j["hardware"] = context.hardware;
  j["hardware_error"] = context.error_note;
  j["scenario"] = context.scenario;
  j["policy"] = name_of(context.engine.policy);
  j["num_blocks"] = context.engine.num_blocks;
  j["block_size"] = context.engine.block_size;
  for (const ResultValue& value : result_values(m)) {
    const std::size_t dot = value.name.find('.');
    Json* field = &j[value.name.substr(0, dot)];
    if (dot != std::string::npos) {
      if (field->is_null()) *field = Json::Object();
      field = &(*field)[value.name.substr(dot + 1)];
    }
    if (std::isnan(value.value)) {
      *field = Json();
    } else if (value.integer) {
      *field = static_cast<std::int64_t>(value.value);
    } else {
      *field = value.value;
    }
  }
  j["percentiles_exact"] = m.itl.exact() && m.ttft.exact();
  j["first_refusals"] = Json::list(m.first_refusals);
  return j.dump(2, /*sort_keys=*/false) + "\n";
}

Progress::Progress()
    : terminal_(isatty(STDERR_FILENO) != 0), start_(Clock::now()), next_(start_ + std::chrono::milliseconds(300)) {}

void Progress::erase() {
  if (shown_) fmt::print(stderr, "\r\033[K");
  shown_ = false;
}

void Progress::update(const Engine& engine, const Metrics& m, TimeNs now) {
  if (!terminal_ || (engine.num_steps() & 1023) != 0) return;
  const Clock::time_point wall = Clock::now();
  if (wall < next_) return;
  next_ = wall + std::chrono::milliseconds(200);
  shown_ = true;
  const double seconds = std::chrono::duration<double>(wall - start_).count();
  fmt::print(stderr, "\r\033[K{:.0f} s of traffic in {:.1f} s: {} requests done, {} live, {} steps",
             static_cast<double>(now) / kSecond, seconds, m.completed, engine.num_live(), m.steps);
  std::fflush(stderr);
}

}  // namespace tokenyard::cli
