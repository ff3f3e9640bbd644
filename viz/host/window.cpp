#include "viz/host/window.h"

#include <GLFW/glfw3.h>
#include <imgui.h>
#include <imgui_impl_glfw.h>
#include <imgui_impl_opengl3.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "core/base/input_error.h"
#include "viz/app/settings.h"
#include "viz/host/fonts.h"
#include "viz/host/raster.h"

namespace tokenyard::viz {
namespace {

struct Named {
  int key;
  const char* name;
};
constexpr Named kNamed[] = {
    {GLFW_KEY_LEFT, "Left"},      {GLFW_KEY_RIGHT, "Right"},         {GLFW_KEY_UP, "Up"},
    {GLFW_KEY_DOWN, "Down"},      {GLFW_KEY_HOME, "Home"},           {GLFW_KEY_END, "End"},
    {GLFW_KEY_PAGE_UP, "PageUp"}, {GLFW_KEY_PAGE_DOWN, "PageDown"},  {GLFW_KEY_ENTER, "Enter"},
    {GLFW_KEY_KP_ENTER, "Enter"}, {GLFW_KEY_ESCAPE, "Escape"},       {GLFW_KEY_TAB, "Tab"},
    {GLFW_KEY_F1, "F1"},          {GLFW_KEY_BACKSPACE, "Backspace"},
};

std::string last_error;  // of GLFW

#ifdef __linux__
bool is_set(const char* variable) {
  const char* const value = std::getenv(variable);
  return value != nullptr && *value != '\0';
}
#endif

Screen& screen_of(GLFWwindow* window) { return *static_cast<Screen*>(glfwGetWindowUserPointer(window)); }

// Keys with a name, and any with Ctrl. Plain characters come through on_character, as the keyboard's layout has them.
void on_key(GLFWwindow* window, int key, int scancode, int action, int mods) {
  ImGui_ImplGlfw_KeyCallback(window, key, scancode, action, mods);
  if (action == GLFW_RELEASE) return;
  KeyPress press;
  press.shift = (mods & GLFW_MOD_SHIFT) != 0;
  press.ctrl = (mods & GLFW_MOD_CONTROL) != 0;
  for (const Named& named : kNamed) {
    if (named.key == key) press.name = named.name;
  }
  if (press.name.empty()) {
    const char* character = press.ctrl ? glfwGetKeyName(key, scancode) : nullptr;
    if (character == nullptr) return;
    press.character = static_cast<unsigned char>(*character);
  }
  screen_of(window).on_key(press);
}

void on_character(GLFWwindow* window, unsigned character) {
  ImGui_ImplGlfw_CharCallback(window, character);
  KeyPress press;
  press.character = character;
  press.shift = character >= 'A' && character <= 'Z';
  screen_of(window).on_key(press);
}

struct Glfw {
  Glfw() {
#ifdef __linux__
    // GLFW since 3.4 tries Wayland before X11, and where there is none libwayland prints a line of its own.
    const bool wayland = is_set("WAYLAND_DISPLAY"), x11 = is_set("DISPLAY");
    if (!wayland && !x11) {
      last_error = "neither DISPLAY nor WAYLAND_DISPLAY is set";
      fail();
    }
#ifdef GLFW_PLATFORM_X11
    if (!wayland && glfwPlatformSupported(GLFW_PLATFORM_X11) != 0) glfwInitHint(GLFW_PLATFORM, GLFW_PLATFORM_X11);
#endif
#endif
    glfwSetErrorCallback([](int, const char* message) { last_error = message; });
    if (glfwInit() == 0) fail();
  }
  ~Glfw() { glfwTerminate(); }
  Glfw(const Glfw&) = delete;
  Glfw& operator=(const Glfw&) = delete;
  [[noreturn]] static void fail() {
    throw InputError("no window: " + last_error + "; without a display: tokenyard view ... --shot picture.png, or --describe");
  }
};

// A window with OpenGL and Dear ImGui in it. Throws InputError where there can be none.
class Window {
 public:
  Window(int width, int height, const std::string& title) {
    glfwWindowHint(GLFW_CONTEXT_VERSION_MAJOR, 3);
    glfwWindowHint(GLFW_CONTEXT_VERSION_MINOR, 3);
    glfwWindowHint(GLFW_OPENGL_PROFILE, GLFW_OPENGL_CORE_PROFILE);
    glfwWindowHint(GLFW_OPENGL_FORWARD_COMPAT, 1);
    window_ = glfwCreateWindow(width, height, title.c_str(), nullptr, nullptr);
    if (window_ == nullptr) Glfw::fail();
    glfwMakeContextCurrent(window_);
    glfwSwapInterval(1);
    IMGUI_CHECKVERSION();
    ImGui::CreateContext();
    ImGui::GetIO().IniFilename = nullptr;
    ImGui_ImplGlfw_InitForOpenGL(window_, true);
    ImGui_ImplOpenGL3_Init("#version 330 core");
  }
  ~Window() {
    ImGui_ImplOpenGL3_Shutdown();
    ImGui_ImplGlfw_Shutdown();
    ImGui::DestroyContext();
    glfwDestroyWindow(window_);
  }
  Window(const Window&) = delete;
  Window& operator=(const Window&) = delete;

  GLFWwindow* get() const { return window_; }
  bool wants_to_close() const { return glfwWindowShouldClose(window_) != 0; }
  // The screen's own.
  float scale() const {
    float across = 1, down = 1;
    glfwGetWindowContentScale(window_, &across, &down);
    return std::clamp(std::round(across * 4) / 4, 1.0F, 3.0F);
  }
  void begin_frame(float font_scale) {
    if (font_scale_ != font_scale) {
      font_scale_ = font_scale;
      load_font(font_scale);
      ImGui_ImplOpenGL3_DestroyFontsTexture();
      ImGui_ImplOpenGL3_CreateFontsTexture();
    }
    ImGui_ImplOpenGL3_NewFrame();
    ImGui_ImplGlfw_NewFrame();
    ImGui::NewFrame();
  }
  // On `ground`, 0xRRGGBB.
  void end_frame(std::uint32_t ground) {
    ImGui::Render();
    glfwGetFramebufferSize(window_, &pixels_across, &pixels_down);
    glViewport(0, 0, pixels_across, pixels_down);
    glClearColor(static_cast<float>((ground >> 16) & 255) / 255, static_cast<float>((ground >> 8) & 255) / 255,
                 static_cast<float>(ground & 255) / 255, 1);
    glClear(GL_COLOR_BUFFER_BIT);
    ImGui_ImplOpenGL3_RenderDrawData(ImGui::GetDrawData());
    glfwSwapBuffers(window_);
  }
  int pixels_across = 0, pixels_down = 0;  // of the latest frame

 private:
  GLFWwindow* window_ = nullptr;
  float font_scale_ = 0;
};

}  // namespace

void show_message(const std::string& title, const std::string& text) {
  const Glfw glfw;
  Window window(720, 200, title);
  glfwSetKeyCallback(window.get(), [](GLFWwindow* of, int key, int, int action, int mods) {
    const bool quits = key == GLFW_KEY_ESCAPE || key == GLFW_KEY_ENTER || (key == GLFW_KEY_Q && (mods & GLFW_MOD_CONTROL) != 0);
    if (quits && action == GLFW_PRESS) glfwSetWindowShouldClose(of, 1);
  });
  while (!window.wants_to_close()) {
    glfwWaitEventsTimeout(0.1);
    window.begin_frame(window.scale());
    ImGui::SetNextWindowPos({0, 0});
    ImGui::SetNextWindowSize(ImGui::GetIO().DisplaySize);
    ImGui::Begin("message", nullptr, ImGuiWindowFlags_NoDecoration | ImGuiWindowFlags_NoMove);
    ImGui::TextWrapped("%s", text.c_str());
    ImGui::Spacing();
    if (ImGui::Button("Close (Escape)")) glfwSetWindowShouldClose(window.get(), 1);
    ImGui::End();
    window.end_frame(rgb_of(Theme::dark, Tone::ground));
  }
}

void run_window(App& app, const WindowOptions& options) {
  const Glfw glfw;
  Settings settings;
  if (options.remember) settings = load_settings(app.message);
  apply_settings(settings, app);
  Window window(options.width > 0 ? options.width : settings.width, options.height > 0 ? options.height : settings.height,
                options.title);
  Screen screen(app);
  glfwSetWindowUserPointer(window.get(), &screen);
  glfwSetKeyCallback(window.get(), on_key);
  glfwSetCharCallback(window.get(), on_character);
  if (!app.scale_chosen && settings.scale == 0) app.scale = window.scale();

  double before = glfwGetTime();
  int still = 0;  // frames in which nothing happened
  while (!window.wants_to_close() && !app.quit) {
    // A screen that shows the same for a while need not be drawn sixty times a second; a few frames let tips appear.
    const bool busy = app.playing || (app.what_if && app.what_if->busy()) || still < 30;
    busy ? glfwPollEvents() : glfwWaitEventsTimeout(0.1);
    const double now = glfwGetTime();
    const bool changed = advance(app, now - before);
    before = now;
    ImGuiIO& io = ImGui::GetIO();
    const bool touched = io.MouseDelta.x != 0 || io.MouseDelta.y != 0 || io.MouseWheel != 0 || ImGui::IsAnyItemActive();
    still = changed || touched || io.InputQueueCharacters.Size > 0 ? 0 : still + 1;

    window.begin_frame(app.scale);
    screen.draw(io.DisplaySize.x, io.DisplaySize.y);
    const std::uint32_t ground = rgb_of(app.theme, Tone::ground);
    window.end_frame(ground);
    if (!app.picture_wanted.empty()) {
      try {
        write_png(app.picture_wanted,
                  rasterize(*ImGui::GetDrawData(), window.pixels_across, window.pixels_down, packed(ground)));
      } catch (const InputError& error) {
        app.message = error.what();
      }
      app.picture_wanted.clear();
    }
  }

  if (options.remember) {
    int width = 0, height = 0;
    glfwGetWindowSize(window.get(), &width, &height);
    save_settings(settings_of(app, width, height));
  }
}

}  // namespace tokenyard::viz
