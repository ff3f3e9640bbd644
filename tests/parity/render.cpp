// render < INPUT > OUTPUT: our evaluator of chat templates for the scripts beside this file. Lines of JSON:
// {"template": TEXT, "variables": {...}, "now": SECONDS} in, {"text": TEXT} or {"error": TEXT} out.
#include <cstdio>
#include <iostream>
#include <optional>
#include <string>

#include "backends/jinja/template.h"
#include "core/base/input_error.h"
#include "core/base/json.h"

int main() {
  using tokenyard::Json;
  using tokenyard::jinja::Template;
  std::string source;  // of the last template
  std::optional<Template> last;
  for (std::string line; std::getline(std::cin, line);) {
    Json answer = Json::Object();
    try {
      const Json given = Json::parse(line, "input");
      if (!last || given.find("template")->string() != source) {
        last.reset();
        source = given.find("template")->string();
        last = Template::parse(source, "template");
      }
      answer["text"] = last->render(given.find("variables")->object(), given.find("now")->integer());
    } catch (const tokenyard::InputError& error) {
      answer["error"] = error.what();
    }
    std::printf("%s\n", answer.dump().c_str());
  }
}
