#include <fmt/core.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/output/report.h"
#include "cli/output/say.h"
#include "cli/output/text_table.h"
#include "cli/scenario_files.h"
#include "core/base/input_error.h"
#include "core/base/output_file.h"
#include "core/base/text_file.h"
#include "viz/app/app.h"
#include "viz/app/svg.h"
#include "viz/app/view_state.h"
#include "viz/app/when.h"
#ifdef TOKENYARD_HAVE_PICTURES
#include "viz/host/picture_host.h"
#endif
#ifdef TOKENYARD_HAVE_WINDOW
#include "viz/host/window.h"
#endif

namespace tokenyard::cli {
namespace {

using namespace viz;

struct ViewOptions : ViewState {
  std::vector<std::string> inputs, set, goodput;
  std::string lesson, shot, size, csv;
  int page = 1;
  bool lessons = false, describe = false, partial = false, follow = false;
};

struct Size {
  int width = 1280, height = 800;
};

Size parse_size(const std::string& text) {
  constexpr int kLeast = 320, kMost = 8192;
  Size size;
  char rest = 0;
  if (text.empty()) return size;
  if (std::sscanf(text.c_str(), "%5dx%5d%c", &size.width, &size.height, &rest) != 2 || size.width < kLeast ||
      size.height < kLeast || size.width > kMost || size.height > kMost) {
    throw InputError(fmt::format("--size: expected WIDTHxHEIGHT, {0} to {1} each, found \"{2}\"", kLeast, kMost, text));
  }
  return size;
}

// What an option takes: the names of the first `count` values of an enum.
template <typename Enum>
std::vector<std::string> choices_of(int count) {
  std::vector<std::string> out;
  for (int i = 0; i < count; ++i) out.emplace_back(name_of(static_cast<Enum>(i)));
  return out;
}

// A trace by its name or its first bytes; anything else is a scenario.
bool is_trace(const std::string& input) {
  if (input.ends_with(".trace")) return true;
  if (input != "-" && !means_file(input)) return false;
  std::string first(64, '\0');
  open_text_file(input)->read(first.data(), static_cast<std::streamsize>(first.size()));
  return first.find("\"tokenyard_trace\"") != std::string::npos;
}

// A trace is there, but nothing of it can be shown.
struct Unreadable : InputError {
  using InputError::InputError;
};

std::unique_ptr<Side> open_trace_file(const std::string& path) {
  try {
    return open_trace(path);
  } catch (const InputError& error) {
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored)) throw;
    throw Unreadable(error.what());
  }
}

std::unique_ptr<Side> open(const std::string& input, const std::vector<std::string>& set) {
  std::error_code ignored;
  if (is_trace(input)) return open_trace_file(input);
  // NAME:VARIANT, unless there is a file of that name.
  const std::size_t colon = input == "-" || std::filesystem::exists(input, ignored) ? std::string::npos : input.rfind(':');
  const std::string path = find_scenario(input.substr(0, colon));
  std::optional<std::string> variant;
  if (colon != std::string::npos) variant = input.substr(colon + 1);
  return open_variant(path, variant, set);
}

int list_lessons() {
  std::vector<std::vector<std::string>> rows = {{"lesson", "pages", "title"}};
  for (const std::string& path : all_lessons()) {
    const LessonPages lesson = load_lesson_pages(path);
    rows.push_back({std::filesystem::path(path).stem().string(), std::to_string(lesson.pages.size()), lesson.title});
  }
  say("{}\ntokenyard view --lesson NAME opens one.\n", text_table(rows, 3));
  return 0;
}

// What is wrong with the traces, a line each.
std::string troubles(const App& app) {
  std::string out;
  for (const auto& side : app.sides) {
    if (!side->trace) continue;
    const std::string one =
        side->trace->error().empty() && side->trace->unfinished() ? side->trace->unfinished_in_words() : side->trace->error();
    if (!one.empty()) out += (out.empty() ? "" : "\n") + one;
  }
  return out;
}

void set_up(App& app, const ViewOptions& options) {
  app.slo = parse_slo(options.goodput);
  if (!options.lesson.empty()) {
    if (!options.inputs.empty()) throw InputError("--lesson brings its own runs; it stands alone");
    open_lesson(app, load_lesson_pages(find_lesson(options.lesson)));
    const int pages = static_cast<int>(app.lesson->pages.size());
    if (options.page < 1 || options.page > pages)
      throw InputError(fmt::format("--page: expected 1 to {}, found {}", pages, options.page));
    show_page(app, static_cast<std::size_t>(options.page) - 1);
  } else {
    if (options.inputs.empty() || options.inputs.size() > kMostTraces) {
      throw InputError(fmt::format("expected 1 to {} traces or scenarios, or --lesson", kMostTraces));
    }
    for (const std::string& input : options.inputs) add_side(app, open(input, options.set));
    show_all_requests(app);
  }
  apply_view(app, options, "--");
  if (options.at.empty() && !app.lesson) go_to_something(app);
}

int view(const ViewOptions& options) {
  if (options.lessons) return list_lessons();
  [[maybe_unused]] const Size size = parse_size(options.size);  // of a picture or a window
  const bool silent = options.describe || !options.csv.empty() || !options.shot.empty();
  App app;
  try {
    set_up(app, options);
  } catch (const Unreadable& error) {
    if (silent) throw;
    warn("{}\n", error.what());
#ifdef TOKENYARD_HAVE_WINDOW
    try {
      show_message("tokenyard: trouble", error.what());
    } catch (const InputError&) {
      // No display: the terminal has it.
    }
#endif
    return 2;
  }
  app.follow = options.follow;
  const std::string trouble = options.partial || options.follow ? "" : troubles(app);
  if (silent && !trouble.empty()) throw InputError(trouble + " (--partial shows what could be read)");

  if (!options.csv.empty()) {
    const Side& side = app.side();
    const auto [from, to] = range_of(app, side);
    say("{}", options.csv == "requests" ? requests_csv(*side.model, from, to) : steps_csv(*side.model, from, to));
  }
  if (options.describe) {
    if (app.lesson) {
      const LessonPage& page = app.lesson->pages[app.page];
      say("{}: {}\n{}\n\n", app.lesson->title, page.title, page.text);
    }
    for (std::size_t i = 0; i < app.sides.size(); ++i) say("{}{}", i == 0 ? "" : "\n", describe(scene_of(app, i)));
  }
  if (options.shot.ends_with(".svg")) {
    write_file(options.shot, svg_picture(app, size.width, size.height));
    say("{}: {} x {}\n", options.shot, size.width, size.height);
  } else if (!options.shot.empty()) {
#ifdef TOKENYARD_HAVE_PICTURES
    write_png(options.shot, take_picture(app, size.width, size.height));
    say("{}: {} x {}\n", options.shot, size.width, size.height);
#else
    throw InputError("this tokenyard was built without Dear ImGui and draws no pictures but .svg; --describe gives text");
#endif
  }
  if (silent) return 0;
#ifdef TOKENYARD_HAVE_WINDOW
  if (!trouble.empty()) warn("{}\n", trouble);
  app.banner = trouble;
  WindowOptions window;
  window.title = "tokenyard: " + (app.lesson ? app.lesson->title : app.sides.front()->name);
  if (!options.size.empty()) {
    window.width = size.width;
    window.height = size.height;
  }
  run_window(app, window);
  return 0;
#else
#ifdef TOKENYARD_HAVE_PICTURES
  throw InputError("this tokenyard was built without GLFW and opens no window; use --shot picture.png or --describe");
#else
  throw InputError("this tokenyard was built without Dear ImGui and opens no window; use --shot picture.svg or --describe");
#endif
#endif
}

}  // namespace

Command view_command() {
  Command command("view", "Look at traces, or vary a scenario, in a window, as a picture or as text");
  auto options = std::make_shared<ViewOptions>();
  command.positional("SCENARIO|TRACE", &options->inputs, "One to four traces, or scenarios: NAME or NAME:VARIANT");
  command.option("--set", &options->set, "PATH=VALUE", "Change a scenario's value").one_value_each();
  command.option("--lesson", &options->lesson, "NAME", "A lesson's name or file; the arrow keys turn its pages");
  command.option("--page", &options->page, "N", "Begin at this page");
  command.flag("--lessons", options->lessons, "List the lessons");

  command.group("Without a window");
  command.option("--shot", &options->shot, "FILE.png", "Write a picture (.png or .svg); needs no display").writes();
  command.flag("--describe", options->describe, "Print the moment as text");
  command.option("--csv", &options->csv, "WHAT", "Print a table of the visible time as CSV").one_of({"requests", "steps"});

  command.group("What it shows");
  command.option("--size", &options->size, "WIDTHxHEIGHT", "Of picture or window, in pixels; 1280x800 unless said");
  command.option("--at", &options->at, "MOMENT", "1200ms, 'step 57', end, 'arrival ID', 'preemption 1'");
  command.option("--range", &options->range, "MOMENT", "The visible time: from, to").exactly(2);
  command.option("--mark", &options->mark, "MOMENT", "A range to be summed up and compared: from, to").exactly(2);
  command.option("--select", &options->select, "ID", "A request");
  command.option("--panels", &options->panels, "NAME,...", "Some of " + panel_names());
  command.option("--lanes", &options->lanes, "NAME", "What the lanes show").one_of(choices_of<LaneView>(kLaneViews));
  command.option("--sort", &options->sort, "NAME", "The lanes' order").one_of(choices_of<LaneOrder>(kLaneOrders));
  command.option("--align", &options->align, "NAME", "What compared traces share; arrival is that of --select")
      .one_of(choices_of<Align>(kAligns));
  command.option("--latency", &options->latency, "NAME", "The distribution shown")
      .one_of(choices_of<LatencyKind>(kLatencyKinds));
  command.option("--goodput", &options->goodput, "METRIC:MS", "Objectives in ms: ttft:500 tpot:50 e2el:2000");
  command.option("--theme", &options->theme, "NAME", "Colours").one_of(choices_of<Theme>(kThemes));
  command.option("--scale", &options->scale, "NUMBER", "How large everything is, 1 to 3");
  command.flag("--partial", options->partial, "Of a broken or unfinished trace, show what could be read");
  command.flag("--follow", options->follow, "Keep reading a trace that grows");
  command.examples({{"tokenyard simulate head-of-line --trace run.trace", ""},
                    {"tokenyard view run.trace", ""},
                    {"tokenyard view paged-memory:orca_max paged-memory:paged", "two variants side by side"},
                    {"tokenyard view --lesson paging", ""},
                    {"tokenyard view run.trace --shot run.png --size 1920x1080 --at 1200ms --theme light", ""},
                    {"tokenyard view run.trace --describe --at 'step 21'", "the same as text"}});
  command.run([options] { return view(*options); });
  return command;
}

}  // namespace tokenyard::cli
