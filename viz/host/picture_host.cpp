#include "viz/host/picture_host.h"

#include <imgui.h>

#include "viz/host/fonts.h"
#include "viz/host/raster.h"

namespace tokenyard::viz {

Headless::Headless(int width, int height, float scale) : width_(width), height_(height) {
  IMGUI_CHECKVERSION();
  ImGui::CreateContext();
  ImGuiIO& io = ImGui::GetIO();
  io.IniFilename = nullptr;
  io.DisplaySize = {static_cast<float>(width), static_cast<float>(height)};
  io.MousePos = {-1e9F, -1e9F};
  io.BackendFlags |= ImGuiBackendFlags_RendererHasVtxOffset;
  has_font_ = load_font(scale);
  unsigned char* texels = nullptr;
  int texture_width = 0, texture_height = 0;
  io.Fonts->GetTexDataAsRGBA32(&texels, &texture_width, &texture_height);
}

Headless::~Headless() { ImGui::DestroyContext(); }

void Headless::frame(Screen& screen) {
  ImGui::GetIO().DeltaTime = 1.0F / 60;
  ImGui::NewFrame();
  screen.draw(static_cast<float>(width_), static_cast<float>(height_));
  ImGui::Render();
}

Image Headless::picture(Theme theme) const {
  return rasterize(*ImGui::GetDrawData(), width_, height_, packed(rgb_of(theme, Tone::ground)));
}

Image take_picture(App& app, int width, int height) {
  Headless headless(width, height, app.scale);
  Screen screen(app);
  // Sizes that depend on contents settle in the third frame.
  for (int i = 0; i < 4; ++i) headless.frame(screen);
  return headless.picture(app.theme);
}

}  // namespace tokenyard::viz
