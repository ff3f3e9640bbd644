#include "backends/jinja/template.h"

#include "backends/jinja/renderer.h"
#include "backends/jinja/syntax.h"
#include "core/base/input_error.h"
#include "core/base/json_text.h"

namespace tokenyard::jinja {
namespace {

[[noreturn]] void refuse(const std::string& name, int line, const Trouble& trouble) {
  throw InputError(name + ": line " + std::to_string(line) + ": " + trouble.what());
}

}  // namespace

Template::Template(std::unique_ptr<const Syntax> syntax) : syntax_(std::move(syntax)) {}
Template::Template(Template&&) noexcept = default;
Template& Template::operator=(Template&&) noexcept = default;
Template::~Template() = default;

Template Template::parse(std::string_view source, std::string name) {
  int line = 1;
  try {
    for (std::string_view left = source; !left.empty();) {
      const std::size_t size = utf8_length(left);
      if (size == 0) throw Trouble("expected UTF-8");
      line += left[0] == '\n' ? 1 : 0;
      left.remove_prefix(size);
    }
    auto syntax = std::make_unique<Syntax>(syntax_of(source, line));
    syntax->name = std::move(name);
    return Template(std::move(syntax));
  } catch (const Trouble& trouble) {
    refuse(name, line, trouble);
  }
}

std::string Template::render(const Json::Object& variables, std::time_t now, const RenderLimits& limits) const {
  Renderer renderer(*syntax_, limits, now);
  try {
    return renderer.run(variables);
  } catch (const Trouble& trouble) {
    refuse(syntax_->name, renderer.line(), trouble);
  }
}

bool Template::reads(std::string_view variable) const { return syntax_->reads.contains(variable); }

}  // namespace tokenyard::jinja
