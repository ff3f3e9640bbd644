// The chat template of a model: a Jinja program, run as transformers runs it (jinja2's ImmutableSandboxedEnvironment with
// trim_blocks, lstrip_blocks, loop controls, raise_exception, strftime_now, its own tojson and generation blocks).
//
//   const Template greeting = Template::parse("Hello {{ name }}!", "greeting.jinja");
//   greeting.render({{"name", "you"}});  // Hello you!
//
// Statements, filters, tests and methods: docs/tokenizer.md. What is not known is refused by its name. A template comes from
// outside and may be hostile: a rendering is bounded in steps, memory and depth.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/json.h"

namespace tokenyard::jinja {

struct Syntax;

struct RenderLimits {
  std::int64_t steps = 20'000'000;             // about one a part of an expression, or sixteen bytes of text
  std::size_t bytes = std::size_t{128} << 20;  // of all values made on the way, and of the text
};

// Immutable: several threads may use one.
class Template {
 public:
  // `name` names the source in messages. Throws InputError "NAME: line N: ..." for what is no template or uses a statement
  // that is not known here. O(bytes).
  static Template parse(std::string_view source, std::string name);

  Template(Template&&) noexcept;
  Template& operator=(Template&&) noexcept;
  ~Template();

  // `now` is what strftime_now shows, in local time. Throws InputError "NAME: line N: ..." for what the template refuses
  // (raise_exception), for errors that Python would raise too, for filters, tests and methods that are not known here, and
  // when a limit is reached.
  std::string render(const Json::Object& variables, std::time_t now = std::time(nullptr),
                     const RenderLimits& limits = {}) const;

  // Does the text depend on this variable of render()? True when it is read somewhere before any statement sets it.
  bool reads(std::string_view variable) const;

 private:
  explicit Template(std::unique_ptr<const Syntax> syntax);
  std::unique_ptr<const Syntax> syntax_;
};

}  // namespace tokenyard::jinja
