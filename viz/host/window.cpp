#include "viz/host/window.h"

#include <GLFW/glfw3.h>
#include <imgui.h>
#include <imgui_impl_glfw.h>
#include <imgui_impl_opengl3.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>

#include "core/input_error.h"
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

}  // namespace

void run_window(App& app, const WindowOptions& options) {
  const Glfw glfw;
  Settings settings;
  if (options.remember) settings = load_settings(app.message);
  apply_settings(settings, app);
  glfwWindowHint(GLFW_CONTEXT_VERSION_MAJOR, 3);
  glfwWindowHint(GLFW_CONTEXT_VERSION_MINOR, 3);
  glfwWindowHint(GLFW_OPENGL_PROFILE, GLFW_OPENGL_CORE_PROFILE);
  glfwWindowHint(GLFW_OPENGL_FORWARD_COMPAT, 1);
  const int width = options.width > 0 ? options.width : settings.width,
            height = options.height > 0 ? options.height : settings.height;
  GLFWwindow* window = glfwCreateWindow(width, height, options.title.c_str(), nullptr, nullptr);
  if (window == nullptr) Glfw::fail();
  glfwMakeContextCurrent(window);
  glfwSwapInterval(1);

  IMGUI_CHECKVERSION();
  ImGui::CreateContext();
  ImGui::GetIO().IniFilename = nullptr;
  Screen screen(app);
  glfwSetWindowUserPointer(window, &screen);
  ImGui_ImplGlfw_InitForOpenGL(window, true);
  ImGui_ImplOpenGL3_Init("#version 330 core");
  glfwSetKeyCallback(window, on_key);
  glfwSetCharCallback(window, on_character);
  if (!app.scale_chosen && settings.scale == 0) {
    float across = 1, down = 1;
    glfwGetWindowContentScale(window, &across, &down);
    app.scale = std::clamp(std::round(across * 4) / 4, 1.0F, 3.0F);
  }

  float font_scale = 0;
  double before = glfwGetTime();
  int still = 0;  // frames in which nothing happened
  while (glfwWindowShouldClose(window) == 0 && !app.quit) {
    // A screen that shows the same for a while need not be drawn sixty times a second; a few frames let tips appear.
    const bool busy = app.playing || (app.what_if && app.what_if->busy()) || still < 30;
    busy ? glfwPollEvents() : glfwWaitEventsTimeout(0.1);
    const double now = glfwGetTime();
    const bool changed = advance(app, now - before);
    before = now;
    ImGuiIO& io = ImGui::GetIO();
    const bool touched = io.MouseDelta.x != 0 || io.MouseDelta.y != 0 || io.MouseWheel != 0 || ImGui::IsAnyItemActive();
    still = changed || touched || io.InputQueueCharacters.Size > 0 ? 0 : still + 1;

    if (font_scale != app.scale) {
      font_scale = app.scale;
      load_font(app.scale);
      ImGui_ImplOpenGL3_DestroyFontsTexture();
      ImGui_ImplOpenGL3_CreateFontsTexture();
    }
    ImGui_ImplOpenGL3_NewFrame();
    ImGui_ImplGlfw_NewFrame();
    ImGui::NewFrame();
    screen.draw(io.DisplaySize.x, io.DisplaySize.y);
    ImGui::Render();
    int pixels_across = 0, pixels_down = 0;
    glfwGetFramebufferSize(window, &pixels_across, &pixels_down);
    const std::uint32_t ground = rgb_of(app.theme, Tone::ground);
    glViewport(0, 0, pixels_across, pixels_down);
    glClearColor(static_cast<float>((ground >> 16) & 255) / 255, static_cast<float>((ground >> 8) & 255) / 255,
                 static_cast<float>(ground & 255) / 255, 1);
    glClear(GL_COLOR_BUFFER_BIT);
    ImGui_ImplOpenGL3_RenderDrawData(ImGui::GetDrawData());
    glfwSwapBuffers(window);
    if (!app.picture_wanted.empty()) {
      try {
        write_png(app.picture_wanted, rasterize(*ImGui::GetDrawData(), pixels_across, pixels_down, packed(ground)));
      } catch (const InputError& error) {
        app.message = error.what();
      }
      app.picture_wanted.clear();
    }
  }

  if (options.remember) {
    int left_width = 0, left_height = 0;
    glfwGetWindowSize(window, &left_width, &left_height);
    save_settings(settings_of(app, left_width, left_height));
  }
  ImGui_ImplOpenGL3_Shutdown();
  ImGui_ImplGlfw_Shutdown();
  ImGui::DestroyContext();
  glfwDestroyWindow(window);
}

}  // namespace tokenyard::viz
