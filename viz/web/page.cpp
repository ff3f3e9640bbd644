// The viewer inside of a web page. page.js hands it what the browser says and takes what it wants: these functions are all they
// know of each other. Lengths are pixels of the screen, not of CSS, so that letters are sharp on every screen.
#include <GLES3/gl3.h>
#include <emscripten.h>
#include <emscripten/html5.h>
#include <imgui.h>
#include <imgui_impl_opengl3.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <exception>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/base/input_error.h"
#include "core/base/json_text.h"
#include "sim/lesson.h"
#include "viz/app/address.h"
#include "viz/draw/screen.h"
#include "viz/host/fonts.h"
#include "viz/host/image.h"
#include "viz/host/raster.h"

namespace tokenyard::viz {
namespace {

constexpr const char* kScenarios = "/scenarios";
constexpr const char* kSaved = "/saved";  // what the viewer writes; the page offers it for download
constexpr int kSettle = 30;               // frames after which a screen that shows the same is left alone

// Dear ImGui keeps the state of buttons, not their history: what came between two frames is played one button a frame.
struct Input {
  enum class Kind : std::uint8_t { move, button, wheel, character, key } kind;
  float x = 0, y = 0;
  int which = 0;
  bool down = false, shift = false, ctrl = false;
};

struct Viewer {
  App app;
  Screen screen{app};
  ViewState usual;         // as it was opened, without what the address says: the address has what is otherwise
  std::string page, runs;  // which were shown when it was taken
};

struct Page {
  std::unique_ptr<Viewer> viewer;
  std::deque<Input> inputs;
  std::string answer;  // of the latest function that returns a text
  std::string error;
  std::string clipboard;
  float density = 1;     // pixels of the screen per pixel of CSS
  float font_scale = 0;  // of the atlas
  bool gl = false;
  double before = 0;
  int still = 0;  // frames in which nothing happened
};

Page& page() {
  static Page all;
  return all;
}

// Nothing is thrown into JavaScript.
template <typename Function>
bool carry_out(const Function& function) {
  try {
    function();
    page().error.clear();
    return true;
  } catch (const std::exception& error) {
    page().error = error.what();
  }
  page().still = 0;
  return false;
}

std::string lesson_and_page(const App& app) {
  return app.lesson ? app.lesson->path + " " + std::to_string(app.page) : std::string();
}

std::string names_of_runs(const App& app) {
  std::string out;
  for (const auto& side : app.sides) out += side->name + "\n";
  return out;
}

// A turned page is as usual. Another run would open at a moment of its own, so the address has to say which one is shown.
void follow_usual(Viewer& viewer) {
  std::string page = lesson_and_page(viewer.app), runs = names_of_runs(viewer.app);
  if (page != viewer.page) {
    viewer.usual = view_state_of(viewer.app);
  } else if (runs != viewer.runs) {
    viewer.usual.at.clear();
  }
  viewer.page = std::move(page);
  viewer.runs = std::move(runs);
}

// What differs from how it looks when somebody opens the lesson's page or the scenario.
ViewState changed(const ViewState& now, const ViewState& usual) {
  ViewState out;
  const auto take = [](const auto& value, const auto& otherwise, auto& field) {
    if (value != otherwise) field = value;
  };
  take(now.at, usual.at, out.at);
  take(now.select, usual.select, out.select);
  take(now.range, usual.range, out.range);
  take(now.mark, usual.mark, out.mark);
  take(now.panels, usual.panels, out.panels);
  take(now.lanes, usual.lanes, out.lanes);
  take(now.sort, usual.sort, out.sort);
  take(now.align, usual.align, out.align);
  take(now.latency, usual.latency, out.latency);
  take(now.theme, usual.theme, out.theme);
  return out;
}

// As wide a look as the screen's density asks for, and as large as somebody has chosen on top of that.
float usual_scale() { return std::clamp(std::round(page().density * 4) / 4, 1.0F, 3.0F); }

void show(std::unique_ptr<Viewer> viewer, const Viewer* before) {
  App& app = viewer->app;
  if (!app.scale_chosen) app.scale = usual_scale();
  if (before != nullptr && !app.theme_chosen) app.theme = before->app.theme;
  page().viewer = std::move(viewer);
  page().inputs.clear();
  page().still = 0;
}

void open(const Address& address) {
  // Twice the same: what the address adds to what is usual is found by leaving it out.
  auto viewer = std::make_unique<Viewer>();
  Address plain = address;
  plain.view = {};
  open_address(viewer->app, plain, kScenarios);
  viewer->usual = view_state_of(viewer->app);
  viewer->page = lesson_and_page(viewer->app);
  viewer->runs = names_of_runs(viewer->app);
  apply_view(viewer->app, address.view, "address: ");
  show(std::move(viewer), page().viewer.get());
}

void open_files(const std::vector<std::string>& paths) {
  auto viewer = std::make_unique<Viewer>();
  for (const std::string& path : paths) add_side(viewer->app, open_trace(path));
  for (const auto& side : viewer->app.sides) {
    const std::string trouble =
        side->trace->error().empty() && side->trace->unfinished() ? side->trace->unfinished_in_words() : side->trace->error();
    if (!trouble.empty()) viewer->app.banner += (viewer->app.banner.empty() ? "" : "\n") + trouble;
  }
  show_all_requests(viewer->app);
  go_to_something(viewer->app);
  show(std::move(viewer), page().viewer.get());
}

std::vector<std::filesystem::path> files_of(const std::filesystem::path& folder, const char* extension) {
  std::vector<std::filesystem::path> out;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == extension) out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

// {"lessons": [{"name", "title", "pages", "chapter"}],
//  "scenarios": [{"name", "title", "teaches", "variants": [{"name", "note"}]}]}
std::string catalog() {
  std::string out = R"({"lessons":[)";
  const auto field = [&](const char* name, const std::string& value, const char* before) {
    out += before + std::string("\"") + name + "\":";
    append_json_string(out, value);
  };
  const char* comma = "";
  for (const auto& path : files_of(std::filesystem::path(kScenarios) / "lessons", ".json")) {
    const LessonPages lesson = load_lesson_pages(path.string());
    out += comma;
    field("name", path.stem().string(), "{");
    field("title", lesson.title, ",");
    out += ",\"pages\":" + std::to_string(lesson.pages.size());
    out += ",\"chapter\":" + std::to_string(lesson.pages.front().chapter) + "}";
    comma = ",";
  }
  out += R"(],"scenarios":[)";
  comma = "";
  for (const auto& path : files_of(kScenarios, ".json")) {
    const Lesson lesson = load_lesson(path.string());
    out += comma;
    field("name", path.stem().string(), "{");
    field("title", lesson.title, ",");
    field("teaches", lesson.teaches, ",");
    out += ",\"variants\":[";
    comma = "";
    for (const Variant& variant : lesson.variants) {
      if (lesson.variants.size() == 1 && variant.overrides.empty()) continue;
      out += comma;
      field("name", variant.name, "{");
      field("note", variant.note, ",");
      out += "}";
      comma = ",";
    }
    out += "]}";
    comma = ",";
  }
  return out + "]}";
}

const char* returned(std::string text) {
  page().answer = std::move(text);
  return page().answer.c_str();
}

// Whether a frame has all of what came; a button's change must be seen by a frame of its own, and where it was.
bool play_inputs() {
  ImGuiIO& io = ImGui::GetIO();
  bool button_changed = false;
  while (!page().inputs.empty()) {
    const Input& input = page().inputs.front();
    const bool points = input.kind == Input::Kind::button || input.kind == Input::Kind::move;
    if (button_changed && points) return false;
    io.KeyShift = input.shift;
    io.KeyCtrl = input.ctrl;
    switch (input.kind) {
      case Input::Kind::move: io.MousePos = {input.x, input.y}; break;
      case Input::Kind::button:
        io.MousePos = {input.x, input.y};
        io.MouseDown[input.which] = input.down;
        button_changed = true;
        break;
      case Input::Kind::wheel: io.MouseWheel += input.y; break;
      case Input::Kind::character: io.AddInputCharacter(static_cast<unsigned>(input.which)); break;
      case Input::Kind::key: io.KeysDown[input.which] = input.down; break;
    }
    page().inputs.pop_front();
  }
  return true;
}

void add(const Input& input) {
  page().inputs.push_back(input);
  page().still = 0;
}

// The keys that a text box knows.
struct BoxKey {
  ImGuiKey_ key;
  const char* name;
};
constexpr BoxKey kBoxKeys[] = {{ImGuiKey_LeftArrow, "Left"}, {ImGuiKey_RightArrow, "Right"}, {ImGuiKey_Home, "Home"},
                               {ImGuiKey_End, "End"},        {ImGuiKey_Delete, "Delete"},    {ImGuiKey_Backspace, "Backspace"},
                               {ImGuiKey_Enter, "Enter"},    {ImGuiKey_Escape, "Escape"},    {ImGuiKey_UpArrow, "Up"},
                               {ImGuiKey_DownArrow, "Down"}, {ImGuiKey_PageUp, "PageUp"},    {ImGuiKey_PageDown, "PageDown"}};

void make_context() {
  IMGUI_CHECKVERSION();
  ImGui::CreateContext();
  ImGuiIO& io = ImGui::GetIO();
  io.IniFilename = nullptr;
  io.MousePos = {-1e9F, -1e9F};
  for (const BoxKey& each : kBoxKeys) io.KeyMap[each.key] = each.key;
  io.SetClipboardTextFn = [](void*, const char* text) { page().clipboard = text; };
  io.GetClipboardTextFn = [](void*) { return page().clipboard.c_str(); };
}

void make_font(float scale) {
  if (page().font_scale == scale) return;
  page().font_scale = scale;
  load_font(scale);
  if (page().gl) {
    ImGui_ImplOpenGL3_DestroyFontsTexture();
    ImGui_ImplOpenGL3_CreateFontsTexture();
  } else {
    unsigned char* texels = nullptr;
    int width = 0, height = 0;
    ImGui::GetIO().Fonts->GetTexDataAsRGBA32(&texels, &width, &height);
  }
}

Image drawn_picture(int width, int height) {
  return rasterize(*ImGui::GetDrawData(), width, height, packed(rgb_of(page().viewer->app.theme, Tone::ground)));
}

}  // namespace
}  // namespace tokenyard::viz

using namespace tokenyard::viz;  // NOLINT(google-build-using-namespace): what follows has C's names

extern "C" {

// On the canvas that `selector` names. 0: without WebGL 2, wanted or not; tokenyard_frame's pictures are to be taken by
// tokenyard_pixels.
EMSCRIPTEN_KEEPALIVE int tokenyard_begin(const char* selector, int with_webgl) {
  std::filesystem::create_directories(kSaved);
  if (chdir(kSaved) != 0) return 0;
  make_context();
  if (with_webgl != 0) {
    EmscriptenWebGLContextAttributes attributes;
    emscripten_webgl_init_context_attributes(&attributes);
    attributes.majorVersion = 2;
    attributes.alpha = attributes.depth = attributes.antialias = 0;
    const auto context = emscripten_webgl_create_context(selector, &attributes);
    page().gl = context > 0 && emscripten_webgl_make_context_current(context) == EMSCRIPTEN_RESULT_SUCCESS &&
                ImGui_ImplOpenGL3_Init("#version 300 es");
  }
  return page().gl ? 1 : 0;
}

// The browser took WebGL's objects away and has given a new context.
EMSCRIPTEN_KEEPALIVE void tokenyard_context_restored() {
  ImGui_ImplOpenGL3_DestroyDeviceObjects();
  page().font_scale = 0;
  page().still = 0;
}

EMSCRIPTEN_KEEPALIVE const char* tokenyard_catalog() {
  std::string out;
  return carry_out([&] { out = catalog(); }) ? returned(out) : returned("");
}

// 1: it is open. 0: tokenyard_error says why not, and what was open stays.
EMSCRIPTEN_KEEPALIVE int tokenyard_open(const char* address) {
  return carry_out([&] { open(parse_address(address)); }) ? 1 : 0;
}

// Traces' files, a line each.
EMSCRIPTEN_KEEPALIVE int tokenyard_open_files(const char* paths) {
  std::vector<std::string> files;
  std::string rest = paths;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    files.push_back(rest.substr(0, end));
    rest.erase(0, end + 1);
  }
  return carry_out([&] { open_files(files); }) ? 1 : 0;
}

// Goes on reading what is open, as the page appends to it.
EMSCRIPTEN_KEEPALIVE void tokenyard_follow() {
  if (!page().viewer) return;
  page().viewer->app.banner.clear();
  follow(page().viewer->app);
}

EMSCRIPTEN_KEEPALIVE const char* tokenyard_error() { return page().error.c_str(); }

// What is open, for the address bar; empty where it cannot be named.
EMSCRIPTEN_KEEPALIVE const char* tokenyard_address() {
  if (!page().viewer) return "";
  Viewer& viewer = *page().viewer;
  std::string out;
  const bool ok = carry_out([&] {
    Address address = address_of(viewer.app);
    if (address.runs.empty()) return;
    address.view = changed(view_state_of(viewer.app), viewer.usual);
    out = address_text(address);
  });
  return ok ? returned(out) : "";
}

// This moment in words, and the lesson's page.
EMSCRIPTEN_KEEPALIVE const char* tokenyard_describe() {
  if (!page().viewer) return "";
  const App& app = page().viewer->app;
  std::string out;
  if (app.lesson) {
    const LessonPage& now = app.lesson->pages[app.page];
    out += app.lesson->title + ", page " + std::to_string(app.page + 1) + " of " + std::to_string(app.lesson->pages.size()) +
           ": " + now.title + "\n" + now.text + "\n";
    if (!now.question.empty()) out += "Question: " + now.question + "\n";
    if (!now.answer.empty() && app.answer_shown) out += "Answer: " + now.answer + "\n";
    out += "\n";
  }
  for (std::size_t i = 0; i < app.sides.size(); ++i) out += (i == 0 ? "" : "\n") + describe(scene_of(app, i));
  return returned(out);
}

// One line: what was just done.
EMSCRIPTEN_KEEPALIVE const char* tokenyard_message() { return page().viewer ? page().viewer->app.message.c_str() : ""; }

// Of what is open, for the title of the browser's window.
EMSCRIPTEN_KEEPALIVE const char* tokenyard_title() {
  if (!page().viewer) return "";
  const App& app = page().viewer->app;
  return returned(app.lesson ? app.lesson->title : app.sides.front()->name);
}

EMSCRIPTEN_KEEPALIVE const char* tokenyard_theme() { return page().viewer ? name_of(page().viewer->app.theme) : ""; }

EMSCRIPTEN_KEEPALIVE void tokenyard_move(float x, float y) { add({.kind = Input::Kind::move, .x = x, .y = y}); }
EMSCRIPTEN_KEEPALIVE void tokenyard_button(float x, float y, int which, int down, int shift, int ctrl) {
  if (which < 0 || which > 2) return;
  add({.kind = Input::Kind::button, .x = x, .y = y, .which = which, .down = down != 0, .shift = shift != 0, .ctrl = ctrl != 0});
}
// Up and towards what is far is positive, in notches.
EMSCRIPTEN_KEEPALIVE void tokenyard_wheel(float notches, int shift, int ctrl) {
  add({.kind = Input::Kind::wheel, .y = notches, .shift = shift != 0, .ctrl = ctrl != 0});
}
// Whether a finger that moves there drags time along, rather than a slider or a list.
EMSCRIPTEN_KEEPALIVE int tokenyard_on_timeline(float x, float y) {
  if (!page().viewer) return 0;
  for (const Drawn& each : page().viewer->screen.drawn()) {
    const Box& box = each.picture.box;
    if (each.panel->where == Panel::Where::timeline && x >= box.x0 && x < box.x1 && y >= box.y0 && y < box.y1) return 1;
  }
  return 0;
}

// A key as viz/app/keymap.h names it, or a character. 1: it means something here, and the browser is to leave it alone.
EMSCRIPTEN_KEEPALIVE int tokenyard_key(const char* name, int character, int shift, int ctrl) {
  if (!page().viewer) return 0;
  Viewer& viewer = *page().viewer;
  const KeyPress press = {name, static_cast<char32_t>(character), shift != 0, ctrl != 0};
  const bool box = viewer.app.search_open;
  const bool known = box || command_for(press, viewer.app.lesson.has_value()).has_value();
  for (const BoxKey& each : kBoxKeys) {
    if (!box || press.name != each.name) continue;
    for (const bool down : {true, false})
      add({.kind = Input::Kind::key, .which = each.key, .down = down, .shift = press.shift, .ctrl = press.ctrl});
  }
  if (box && character != 0 && !press.ctrl) add({.kind = Input::Kind::character, .which = character});
  if (!known) return 0;
  page().still = 0;
  carry_out([&] { viewer.screen.on_key(press); });
  return 1;
}

// What was copied since the latest call.
EMSCRIPTEN_KEEPALIVE const char* tokenyard_copied() { return returned(std::exchange(page().clipboard, {})); }

// Draws the next frame where there is something to be drawn; `now` in ms. 0: nothing moves, and no frame is needed before
// something happens. 1: the next one, please. 2: and this one was drawn.
EMSCRIPTEN_KEEPALIVE int tokenyard_frame(double now, int width, int height, float density, int always) {
  if (!page().viewer || width <= 0 || height <= 0) return 0;
  Viewer& viewer = *page().viewer;
  App& app = viewer.app;
  ImGuiIO& io = ImGui::GetIO();
  const double seconds = std::clamp((now - page().before) / 1000, 0.0, 0.25);
  page().before = now;
  const bool resized = io.DisplaySize.x != static_cast<float>(width) || io.DisplaySize.y != static_cast<float>(height);
  if (density != page().density) {
    // Larger by as much as the screen has become denser, and what somebody has chosen on top of it.
    app.scale = std::clamp(app.scale + (density - page().density), 1.0F, 3.0F);
    app.scale = std::round(app.scale * 4) / 4;
    page().density = density;
    page().still = 0;
  }
  bool changed = resized;
  carry_out([&] { changed = advance(app, seconds) || changed; });
  if (changed) page().still = 0;
  if (page().still >= kSettle && always == 0) return 0;

  io.DisplaySize = {static_cast<float>(width), static_cast<float>(height)};
  io.DeltaTime = static_cast<float>(std::max(seconds, 1e-4));
  const bool all_played = play_inputs();
  if (!all_played || ImGui::IsAnyItemActive() || (app.what_if && app.what_if->busy())) page().still = 0;
  make_font(app.scale);
  if (page().gl) ImGui_ImplOpenGL3_NewFrame();
  ImGui::NewFrame();
  carry_out([&] { viewer.screen.draw(io.DisplaySize.x, io.DisplaySize.y); });
  ImGui::Render();
  follow_usual(viewer);
  if (page().gl) {
    const std::uint32_t ground = rgb_of(app.theme, Tone::ground);
    glViewport(0, 0, width, height);
    glClearColor(static_cast<float>((ground >> 16) & 255) / 255, static_cast<float>((ground >> 8) & 255) / 255,
                 static_cast<float>(ground & 255) / 255, 1);
    glClear(GL_COLOR_BUFFER_BIT);
    ImGui_ImplOpenGL3_RenderDrawData(ImGui::GetDrawData());
  }
  if (!app.picture_wanted.empty()) {
    carry_out([&] { write_png(app.picture_wanted, drawn_picture(width, height)); });
    app.picture_wanted.clear();
  }
  ++page().still;
  return 2;
}

// The latest frame's pixels, RGBA from the top left, where there is no WebGL.
EMSCRIPTEN_KEEPALIVE const std::uint8_t* tokenyard_pixels(int width, int height) {
  static Image image;
  image = drawn_picture(width, height);
  return image.rgba.data();
}

}  // extern "C"
