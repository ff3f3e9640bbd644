// OpenGL against the rasteriser: the picture that stands for the window in every other test must be what OpenGL draws.
// Needs EGL without a surface, which Mesa has; exits 77 where it is missing.
#include <EGL/egl.h>
#include <EGL/eglext.h>
#include <GL/gl.h>
#include <GL/glext.h>
#include <imgui.h>
#include <imgui_impl_opengl3.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <vector>

#include "tests/viz_draw/rig.h"
#include "viz/host/raster.h"

namespace {

using namespace tokenyard::viz;

constexpr int kWidth = 1280, kHeight = 800;
// Blending rounds otherwise by one or two; edges of slanted lines may fall on another pixel.
constexpr int kRounding = 2;
constexpr double kFewPixels = 0.002;

bool open_context() {
  const auto get_display = reinterpret_cast<PFNEGLGETPLATFORMDISPLAYEXTPROC>(eglGetProcAddress("eglGetPlatformDisplayEXT"));
  if (get_display == nullptr) return false;
  const EGLDisplay display = get_display(EGL_PLATFORM_SURFACELESS_MESA, EGL_DEFAULT_DISPLAY, nullptr);
  if (display == EGL_NO_DISPLAY || eglInitialize(display, nullptr, nullptr) == 0 || eglBindAPI(EGL_OPENGL_API) == 0)
    return false;
  const EGLint config_wanted[] = {EGL_SURFACE_TYPE, 0, EGL_RENDERABLE_TYPE, EGL_OPENGL_BIT, EGL_NONE};
  EGLConfig config = nullptr;
  EGLint count = 0;
  if (eglChooseConfig(display, config_wanted, &config, 1, &count) == 0 || count == 0) return false;
  const EGLint version[] = {EGL_CONTEXT_MAJOR_VERSION, 3, EGL_CONTEXT_MINOR_VERSION, 3, EGL_NONE};
  const EGLContext context = eglCreateContext(display, config, EGL_NO_CONTEXT, version);
  return context != EGL_NO_CONTEXT && eglMakeCurrent(display, EGL_NO_SURFACE, EGL_NO_SURFACE, context) != 0;
}

template <typename Function>
Function function(const char* name) {
  return reinterpret_cast<Function>(eglGetProcAddress(name));
}

void open_framebuffer() {
  GLuint frame = 0, color = 0;
  function<PFNGLGENFRAMEBUFFERSPROC>("glGenFramebuffers")(1, &frame);
  function<PFNGLBINDFRAMEBUFFERPROC>("glBindFramebuffer")(GL_FRAMEBUFFER, frame);
  function<PFNGLGENRENDERBUFFERSPROC>("glGenRenderbuffers")(1, &color);
  function<PFNGLBINDRENDERBUFFERPROC>("glBindRenderbuffer")(GL_RENDERBUFFER, color);
  function<PFNGLRENDERBUFFERSTORAGEPROC>("glRenderbufferStorage")(GL_RENDERBUFFER, GL_RGBA8, kWidth, kHeight);
  function<PFNGLFRAMEBUFFERRENDERBUFFERPROC>("glFramebufferRenderbuffer")(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_RENDERBUFFER,
                                                                          color);
}

Image read_back() {
  Image image;
  image.width = kWidth;
  image.height = kHeight;
  std::vector<std::uint8_t> upside_down(static_cast<std::size_t>(kWidth) * kHeight * 4);
  glPixelStorei(GL_PACK_ALIGNMENT, 1);
  glReadPixels(0, 0, kWidth, kHeight, GL_RGBA, GL_UNSIGNED_BYTE, upside_down.data());
  image.rgba.resize(upside_down.size());
  const std::size_t row = static_cast<std::size_t>(kWidth) * 4;
  for (std::size_t y = 0; y < kHeight; ++y) std::memcpy(&image.rgba[y * row], &upside_down[(kHeight - 1 - y) * row], row);
  for (std::size_t i = 3; i < image.rgba.size(); i += 4) image.rgba[i] = 255;
  return image;
}

}  // namespace

int main() {
  if (!open_context()) {
    std::puts("no EGL without a surface here");
    return 77;
  }
  open_framebuffer();
  App app;
  add_side(app, open_scenario(scenario_file("preemption-storm"), {}, "crowded"));
  move_cursor(app, 2'000'000'000);
  Headless headless(kWidth, kHeight, 1);
  ImGui_ImplOpenGL3_Init("#version 330 core");
  ImGui_ImplOpenGL3_NewFrame();
  Screen screen(app);
  for (int i = 0; i < 3; ++i) headless.frame(screen);
  const std::uint32_t ground = rgb_of(app.theme, Tone::ground);
  glViewport(0, 0, kWidth, kHeight);
  glClearColor(static_cast<float>((ground >> 16) & 255) / 255, static_cast<float>((ground >> 8) & 255) / 255,
               static_cast<float>(ground & 255) / 255, 1);
  glClear(GL_COLOR_BUFFER_BIT);
  ImGui_ImplOpenGL3_RenderDrawData(ImGui::GetDrawData());
  const Image drawn = read_back(), ours = headless.picture(app.theme);
  std::int64_t far = 0;
  for (std::size_t i = 0; i < ours.rgba.size(); i += 4) {
    int most = 0;
    for (std::size_t k = 0; k < 3; ++k) most = std::max(most, std::abs(int{ours.rgba[i + k]} - int{drawn.rgba[i + k]}));
    if (most > kRounding) ++far;
  }
  const double share = static_cast<double>(far) / (kWidth * kHeight);
  std::printf("%s: %lld pixels of %d differ by more than %d\n", reinterpret_cast<const char*>(glGetString(GL_RENDERER)),
              static_cast<long long>(far), kWidth * kHeight, kRounding);
  // What a frame costs where there is no GPU: layout, Dear ImGui and the triangles.
  constexpr int kFrames = 20;
  glFinish();
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < kFrames; ++i) {
    headless.frame(screen);
    glClear(GL_COLOR_BUFFER_BIT);
    ImGui_ImplOpenGL3_RenderDrawData(ImGui::GetDrawData());
    glFinish();
  }
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
  std::printf("%.1f ms a frame of %d x %d\n", took.count() / kFrames, kWidth, kHeight);
  ImGui_ImplOpenGL3_Shutdown();
  if (share > kFewPixels) {
    write_png("egl.actual.png", drawn);
    write_png("raster.actual.png", ours);
    return 1;
  }
  return 0;
}
