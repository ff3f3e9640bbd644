#include "viz/app/lesson_pages.h"

#include <algorithm>
#include <filesystem>

#include "core/base/json_reader.h"
#include "viz/view/comparison.h"

namespace tokenyard::viz {
namespace {

constexpr std::int64_t kMostLessonBytes = 1 << 20;
constexpr std::size_t kMostPages = 100;
constexpr int kMostChapters = 99;

std::vector<const Panel*> read_panels(const JsonValue& json) {
  std::vector<const Panel*> out;
  for (const JsonValue& entry : json.array()) {
    const Panel* const panel = find_panel(entry.string());
    if (panel == nullptr) entry.expected("a panel (" + panel_names() + ")");
    out.push_back(panel);
  }
  return out;
}

std::vector<Shown> read_shows(const JsonValue& json, const LessonPage& page, std::size_t traces) {
  std::vector<Shown> out;
  for (const JsonValue& entry : json.array()) {
    JsonObject object = entry.object();
    Shown shown;
    const JsonValue name = object.at("panel");
    shown.panel = find_panel(name.string());
    if (shown.panel == nullptr) name.expected("a panel (" + panel_names() + ")");
    shown.trace = page.trace;
    if (const auto value = object.find("trace"))
      shown.trace = static_cast<std::size_t>(value->integer(1, static_cast<std::int64_t>(traces))) - 1;
    for (const auto& [key, field] :
         {std::pair{"request", &shown.request}, {"meaning", &shown.meaning}, {"says", &shown.says}}) {
      if (const auto value = object.find(key)) *field = value->string();
    }
    object.done();
    if (shown.request.empty() && shown.meaning.empty() && shown.says.empty())
      entry.fail("expected a request, a meaning or what it says");
    out.push_back(std::move(shown));
  }
  if (out.empty()) json.expected("what must be seen on the page");
  return out;
}

LessonPage read_page(const JsonValue& json, std::size_t traces, int chapter) {
  JsonObject object = json.object();
  LessonPage page;
  page.title = object.at("title").string();
  page.text = object.at("text").string();
  page.chapter = chapter;
  if (const auto value = object.find("chapter")) page.chapter = value->int32(1, kMostChapters);
  for (const auto& [key, field] : {std::pair{"at", &page.at},
                                   {"from", &page.from},
                                   {"to", &page.to},
                                   {"select", &page.select},
                                   {"question", &page.question},
                                   {"answer", &page.answer}}) {
    if (const auto value = object.find(key)) *field = value->string();
  }
  if (const auto value = object.find("panels")) page.panels = read_panels(*value);
  if (const auto value = object.find("highlight")) page.highlight = read_panels(*value);
  if (const auto value = object.find("trace"))
    page.trace = static_cast<std::size_t>(value->integer(1, static_cast<std::int64_t>(traces))) - 1;
  if (const auto value = object.find("align")) {
    const std::string name =
        value->choice({name_of(Align::time), name_of(Align::step), name_of(Align::work), name_of(Align::arrival)});
    for (int i = 0; i < kAligns; ++i) {
      if (name == name_of(static_cast<Align>(i))) page.align = static_cast<Align>(i);
    }
  }
  if (const auto value = object.find("latency")) {
    std::vector<std::string> kinds;
    for (int i = 0; i < kLatencyKinds; ++i) kinds.emplace_back(name_of(static_cast<LatencyKind>(i)));
    const std::string name = value->choice(kinds);
    page.latency = static_cast<LatencyKind>(std::find(kinds.begin(), kinds.end(), name) - kinds.begin());
  }
  if (const auto value = object.find("shows")) page.shows = read_shows(*value, page, traces);
  object.done();
  if (page.question.empty() != page.answer.empty()) json.fail("expected a question and its answer, found one of them");
  return page;
}

LessonPages read_lesson(const JsonValue& json, const std::string& path) {
  if (!json.has("tokenyard_lesson")) json.expected("a lesson, an object with \"tokenyard_lesson\": 1");
  JsonObject top = json.object();
  top.at("tokenyard_lesson").integer(1, 1);
  LessonPages lesson;
  lesson.path = path;
  lesson.title = top.at("title").string();
  lesson.scenario = (std::filesystem::path(path).parent_path() / top.at("scenario").string()).lexically_normal().string();
  const JsonValue variants = top.at("variants");
  lesson.variants = variants.strings();
  if (lesson.variants.empty() || lesson.variants.size() > kMostTraces)
    variants.expected("1 to " + std::to_string(kMostTraces) + " variants");
  if (const auto set = top.find("set")) lesson.overrides = set->strings();
  int chapter = 0;
  if (const auto value = top.find("chapter")) chapter = value->int32(1, kMostChapters);
  const JsonValue pages = top.at("pages");
  for (const JsonValue& page : pages.array()) lesson.pages.push_back(read_page(page, lesson.variants.size(), chapter));
  if (lesson.pages.empty() || lesson.pages.size() > kMostPages) pages.expected("1 to " + std::to_string(kMostPages) + " pages");
  top.done();
  return lesson;
}

}  // namespace

LessonPages load_lesson_pages(const std::string& path) { return read_lesson(JsonValue::load(path, kMostLessonBytes), path); }

LessonPages parse_lesson_pages(std::string_view text, const std::string& path) {
  return read_lesson(JsonValue::parse(text, path), path);
}

}  // namespace tokenyard::viz
