#include <string>

#include "backends/jinja/template.h"
#include "core/base/json.h"
#include "fuzz.h"

namespace tokenyard {

// The text as a chat template, for a short conversation.
void fuzz(std::string_view text) {
  static const Json kVariables = Json::parse(
      R"({"messages": [{"role": "system", "content": "Be brief. é"}, {"role": "user", "content": "<think>\n1</think> 2"}],
          "add_generation_prompt": true, "bos_token": "<s>", "eos_token": "</s>", "tools": null, "documents": null,
          "more": [1, -2.5, true, "a", [], {"k": {"l": []}}]})",
      "fuzz.json");
  const jinja::Template source = jinja::Template::parse(text, "fuzz.jinja");
  source.render(kVariables.object(), 1722000000, {200'000, std::size_t{8} << 20});
}

}  // namespace tokenyard
