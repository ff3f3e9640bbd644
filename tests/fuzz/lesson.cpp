// A lesson's pages, as the viewer reads them.
#include <cstdlib>

#include "fuzz.h"
#include "viz/app/lesson_pages.h"
#include "viz/view/comparison.h"

namespace tokenyard {

void fuzz(std::string_view text) {
  const viz::LessonPages lesson = viz::parse_lesson_pages(text, "lesson.json");
  if (lesson.pages.empty() || lesson.variants.empty() || lesson.variants.size() > viz::kMostTraces) std::abort();
  for (const viz::LessonPage& page : lesson.pages) {
    if (page.trace >= lesson.variants.size() || page.question.empty() != page.answer.empty()) std::abort();
    for (const viz::Shown& shown : page.shows) {
      if (shown.panel == nullptr || shown.trace >= lesson.variants.size()) std::abort();
    }
  }
}

}  // namespace tokenyard
