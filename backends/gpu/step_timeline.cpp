#include "backends/gpu/step_timeline.h"

#include <fmt/core.h>

#include "core/base/json_text.h"

namespace tokenyard {
namespace {

std::string quoted(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

}  // namespace

std::string timeline_of(const StepProfile& profile, const ProfiledStep& step, const std::string& device) {
  const std::string title = fmt::format("{}: {} requests with {} tokens each", device, step.rows, step.context);
  std::string out = fmt::format(
      "{{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n"
      "{{\"ph\":\"M\",\"pid\":1,\"tid\":1,\"name\":\"process_name\",\"args\":{{\"name\":{}}}}},\n"
      "{{\"ph\":\"M\",\"pid\":1,\"tid\":1,\"name\":\"thread_name\",\"args\":{{\"name\":\"kernels\"}}}}",
      quoted(title));
  for (const StepProfile::Span& span : profile.timeline) {
    out += fmt::format(
        ",\n{{\"ph\":\"X\",\"pid\":1,\"tid\":1,\"name\":{},\"ts\":{:.3f},\"dur\":{:.3f},\"args\":{{\"layer\":{}}}}}",
        quoted(span.kernel), static_cast<double>(span.begin) / 1e3, static_cast<double>(span.end - span.begin) / 1e3,
        span.layer);
  }
  return out + "\n]}\n";
}

}  // namespace tokenyard
