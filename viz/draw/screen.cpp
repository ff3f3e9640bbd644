#include "viz/draw/screen.h"

#include <imgui.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <span>
#include <utility>

#include "viz/draw/paint.h"

namespace tokenyard::viz {

const Drawn* Screen::find(const Panel& panel, std::size_t trace) const {
  for (const Drawn& drawn : drawn_) {
    if (drawn.panel == &panel && drawn.trace == trace) return &drawn;
  }
  return nullptr;
}

void Screen::use_style() {
  if (styled_theme_ == app_.theme && styled_scale_ == app_.scale) return;
  styled_theme_ = app_.theme;
  styled_scale_ = app_.scale;
  ImGuiStyle& style = ImGui::GetStyle();
  style = ImGuiStyle();
  app_.theme == Theme::dark ? ImGui::StyleColorsDark(&style) : ImGui::StyleColorsLight(&style);
  style.WindowRounding = 0;
  style.ChildRounding = 0;
  style.PopupRounding = 2;
  style.FrameRounding = 2;
  style.WindowBorderSize = 0;
  style.WindowPadding = {6, 6};
  style.FramePadding = {6, 3};
  style.ItemSpacing = {5, 4};
  style.AntiAliasedLinesUseTex = false;  // the rasteriser takes texels one to a pixel
  style.Colors[ImGuiCol_Text] = color_of(app_.theme, Tone::text);
  style.Colors[ImGuiCol_TextDisabled] = color_of(app_.theme, Tone::dim);
  style.Colors[ImGuiCol_WindowBg] = color_of(app_.theme, Tone::ground);
  style.Colors[ImGuiCol_PopupBg] = color_of(app_.theme, Tone::ground);
  style.Colors[ImGuiCol_ModalWindowDimBg] = color_of(app_.theme, Tone::ground);
  style.Colors[ImGuiCol_ModalWindowDimBg].w = 0.88F;
  style.Colors[ImGuiCol_ChildBg] = {0, 0, 0, 0};
  style.Colors[ImGuiCol_Border] = color_of(app_.theme, Tone::dim);
  style.Colors[ImGuiCol_Button] = color_of(app_.theme, Tone::grid);
  style.Colors[ImGuiCol_ButtonHovered] = color_of(app_.theme, Tone::prefill, 150);
  style.Colors[ImGuiCol_ButtonActive] = color_of(app_.theme, Tone::prefill, 200);
  style.Colors[ImGuiCol_FrameBg] = color_of(app_.theme, Tone::grid);
  style.Colors[ImGuiCol_SliderGrab] = color_of(app_.theme, Tone::prefill, 170);
  style.Colors[ImGuiCol_SliderGrabActive] = color_of(app_.theme, Tone::prefill);
  style.ScaleAllSizes(app_.scale);
}

void Screen::remember(const char* name) {
  const ImVec2 least = ImGui::GetItemRectMin(), most = ImGui::GetItemRectMax();
  controls_[name] = {least.x, least.y, most.x, most.y};
}

bool Screen::button(const char* name, const char* tip_text) {
  const bool pressed = ImGui::Button(name);
  remember(name);
  if (ImGui::IsItemHovered()) ImGui::SetTooltip("%s", tip_text);
  return pressed;
}

void Screen::on_key(const KeyPress& press) {
  if (app_.search_open && press.name == "Enter") {
    app_.search_open = false;
    carry_out(press.shift ? Command::previous_hit : Command::next_hit);
    return;
  }
  if (app_.search_open && press.name != "Escape" && !press.ctrl) return;  // typed into the box
  if (popup_open_ && press.name == "Escape") {
    close_popup_ = true;
    return;
  }
  const std::optional<Action> command = command_for(press, app_.lesson.has_value());
  explain_ = false;
  if (!command) return;
  app_.message.clear();  // of what came before
  carry_out(*command);
}

// The commands that need to know where the pointer is or have a clipboard; the others are the application's.
void Screen::carry_out(const Action& action) {
  const Command command = action.command;
  switch (command) {
    case Command::maximize:
      app_.alone = app_.alone != nullptr ? nullptr : app_.chosen != nullptr ? app_.chosen : under_pointer_;
      return;
    case Command::next_panel: choose_panel(1); return;
    case Command::previous_panel: choose_panel(-1); return;
    case Command::panel_taller:
    case Command::panel_shorter:
      if (app_.chosen != nullptr) {
        float& share = app_.share[*app_.chosen];
        share = std::clamp(share_of(*app_.chosen) * (command == Command::panel_taller ? 1.5F : 2 / 3.0F), 0.02F, 50.0F);
      } else {
        app_.message = "choose a panel first: R";
      }
      return;
    case Command::column_wider:
    case Command::column_narrower:
      app_.side_share = std::clamp(right_share_ + (command == Command::column_wider ? 0.02F : -0.02F), kLeastSide, kMostSide);
      return;
    default: break;
  }
  if (command == Command::copy_text) {
    ImGui::SetClipboardText(describe(scene_of(app_.active)).c_str());
    app_.message = "copied";
    return;
  }
  const bool zooms = command == Command::zoom_in || command == Command::zoom_in_fast || command == Command::zoom_out ||
                     command == Command::zoom_out_fast;
  if (zooms && pointed_) {
    const double factor = command == Command::zoom_in        ? 0.8
                          : command == Command::zoom_in_fast ? 0.5
                          : command == Command::zoom_out     ? 1.25
                                                             : 2;
    app_.axis.zoom(ImGui::GetIO().MousePos.x, factor, app_.extent.begin, app_.extent.end);
    return;
  }
  apply(app_, action);
}

void Screen::draw(float width, float height) {
  width_ = width;
  height_ = height;
  use_style();
  style_.em = ImGui::GetFontSize();
  style_.scale = app_.scale;
  style_.fold = 3 * app_.scale;
  style_.text_width = [](std::string_view text) { return ImGui::CalcTextSize(text.data(), text.data() + text.size()).x; };
  drawn_.clear();
  panels_.clear();
  controls_.clear();
  explained_.clear();
  explained_below_ = std::exchange(unexplained_, {});
  occurred_ = std::exchange(occurs_, {});
  pointed_.reset();
  under_pointer_ = nullptr;
  if (drag_ && !ImGui::GetIO().MouseDown[drag_->button] && !ImGui::IsMouseReleased(drag_->button)) drag_.reset();

  ImGui::SetNextWindowPos({0, 0});
  ImGui::SetNextWindowSize({width, height});
  ImGui::Begin("viewer", nullptr,
               ImGuiWindowFlags_NoDecoration | ImGuiWindowFlags_NoMove | ImGuiWindowFlags_NoSavedSettings |
                   ImGuiWindowFlags_NoBringToFrontOnFocus | ImGuiWindowFlags_NoScrollWithMouse);
  if (ImGui::IsMouseClicked(0)) app_.message.clear();
  popup_open_ = false;
  toolbar();
  close_popup_ = false;
  float top = ImGui::GetFrameHeight() + 2 * ImGui::GetStyle().WindowPadding.y;
  top = overview_strip(std::round(top));
  const float bar = legend_height();
  float bottom = height - bar;
  status({0, bottom, width, height});
  if (app_.lesson) {
    const float tall = lesson_height();
    lesson({0, bottom - tall, width, bottom});
    bottom -= tall;
  }
  const float margin = std::round(4 * app_.scale);
  // Which panels there are must not depend on how many of them the line at the bottom explains, or both would change in turns.
  const float explained = bar - status_height(meanings(false));
  decide_panels(bottom + explained - margin - top - style_.em * 1.5F);
  const Box area = {margin, top, width - margin, bottom - margin};
  const bool settled = area.y0 == area_.y0 && area.y1 == area_.y1 && area.x1 == area_.x1;
  area_ = area;
  columns(area);
  ImGui::End();
  help();
  search_box();
  difference(bottom);
  banner();
  // Sizes that depend on what is drawn settle in the second frame.
  app_.reveal = app_.reveal && !settled;
}

}  // namespace tokenyard::viz
