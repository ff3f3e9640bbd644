// The viewer on Dear ImGui without a window, with a mouse and keys of our own.
#pragma once

#include <imgui.h>

#include <memory>
#include <string>

#include "viz/host/picture_host.h"

namespace tokenyard::viz {

inline std::string scenario_file(const std::string& name) {
  return std::string(TOKENYARD_SOURCE_DIR) + "/scenarios/" + name + ".json";
}

inline const Panel& panel(const char* name) {
  const Panel* found = find_panel(name);
  if (found == nullptr) throw std::runtime_error(std::string("no panel ") + name);
  return *found;
}

class Rig {
 public:
  explicit Rig(App& app, int width = 1280, int height = 800) : headless(width, height, app.scale), screen(app) { frames(3); }

  void frames(int count) {
    for (int i = 0; i < count; ++i) headless.frame(screen);
  }
  void mouse(float x, float y) {
#if IMGUI_VERSION_NUM >= 18700
    ImGui::GetIO().AddMousePosEvent(x, y);
#else
    ImGui::GetIO().MousePos = {x, y};
#endif
    frames(1);
  }
  void button(int which, bool down) {
#if IMGUI_VERSION_NUM >= 18700
    ImGui::GetIO().AddMouseButtonEvent(which, down);
#else
    ImGui::GetIO().MouseDown[which] = down;
#endif
    frames(1);
  }
  void wheel(float notches) {
#if IMGUI_VERSION_NUM >= 18700
    ImGui::GetIO().AddMouseWheelEvent(0, notches);
#else
    ImGui::GetIO().MouseWheel = notches;
#endif
    frames(2);
  }
  void click(float x, float y) {
    mouse(x, y);
    button(0, true);
    button(0, false);
    frames(1);
  }
  void click(const Box& box) { click((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2); }
  void drag(float x0, float y0, float x1, float y1, int which = 0) {
    mouse(x0, y0);
    button(which, true);
    for (int i = 1; i <= 4; ++i) {
      const float part = static_cast<float>(i) / 4;
      mouse(x0 + (x1 - x0) * part, y0 + (y1 - y0) * part);
    }
    button(which, false);
    frames(1);
  }
  void type(char32_t character, bool ctrl = false) {
    KeyPress press;
    press.character = character;
    press.ctrl = ctrl;
    press.shift = character >= 'A' && character <= 'Z';
    screen.on_key(press);
    frames(1);
  }
  void key(const char* name, bool shift = false, bool ctrl = false) {
    KeyPress press;
    press.name = name;
    press.shift = shift;
    press.ctrl = ctrl;
    screen.on_key(press);
    frames(1);
  }
  const Box& control(const std::string& name) const { return screen.controls().at(name); }
  const Picture& picture(const char* name, std::size_t trace = 0) const { return screen.find(panel(name), trace)->picture; }
  // Some rectangle of that kind, wide enough to be hit.
  const Rect& some(const char* name, Ref::Kind kind, std::size_t trace = 0) const {
    for (const Rect& rect : picture(name, trace).rects) {
      if (rect.ref.kind == kind && rect.box.width() >= 6 && rect.box.height() >= 6) return rect;
    }
    throw std::runtime_error("nothing of that kind is drawn");
  }

  Headless headless;
  Screen screen;
};

}  // namespace tokenyard::viz
