#include "viz/view/glossary.h"

#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/options/closest.h"
#include "cli/output/say.h"
#include "cli/output/text_table.h"
#include "core/base/input_error.h"

namespace tokenyard::cli {
namespace {

void print(const viz::Term& term) {
  std::string also;
  for (const std::string& word : term.also) also += (also.empty() ? " (also: " : ", ") + word;
  if (!also.empty()) also += ")";
  const std::string chapter = term.chapter == 0 ? "" : fmt::format(" Chapter {}.", term.chapter);
  say("{}{}\n{}", term.name, also, wrapped(term.meaning + chapter, 100, 2));
}

int print_terms(const std::vector<std::string>& words) {
  if (words.empty()) {
    for (const viz::Term& term : viz::glossary()) print(term);
    return 0;
  }
  std::string word;
  for (const std::string& each : words) word += (word.empty() ? "" : " ") + each;
  if (const viz::Term* const term = viz::find_term(word)) {
    print(*term);
    return 0;
  }
  std::vector<std::string> names;
  for (const viz::Term& term : viz::glossary()) {
    names.push_back(term.name);
    names.insert(names.end(), term.also.begin(), term.also.end());
  }
  throw InputError(word + ": no such word in the glossary; tokenyard glossary lists all" + did_you_mean(word, names));
}

}  // namespace

Command glossary_command() {
  Command command("glossary", "Say what a word of the field means");
  auto words = std::make_shared<std::vector<std::string>>();
  command.positional("TERM", words.get(), "A word, such as TTFT; without one all are listed");
  command.notes("The same words stand in docs/glossary.md and in the viewer's tips.");
  command.examples({{"tokenyard glossary TTFT", ""}, {"tokenyard glossary block table", ""}});
  command.run([words] { return print_terms(*words); });
  return command;
}

}  // namespace tokenyard::cli
