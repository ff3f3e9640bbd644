// What opens over the panels: menu, help, search, trouble, the first difference.
#include <imgui.h>

#include <algorithm>

#include "viz/draw/paint.h"
#include "viz/draw/screen.h"
#include "viz/view/layout.h"

namespace tokenyard::viz {

// Between the begin and the end of the menu or a list.
void Screen::in_popup() {
  popup_open_ = true;
  if (close_popup_) ImGui::CloseCurrentPopup();
}

void Screen::menu() {
  if (!ImGui::BeginPopup("menu")) return;
  in_popup();
  const char* group = nullptr;
  bool open = false;
  for (const Binding& binding : bindings()) {
    if (binding.in_lessons && !app_.lesson) continue;
    if (group == nullptr || std::string(group) != binding.group) {
      if (open) ImGui::EndMenu();
      group = binding.group;
      open = ImGui::BeginMenu(group);
      remember(group);
    }
    if (!open) continue;
    if (ImGui::MenuItem(binding.what, keys_of(binding.command).c_str())) carry_out(binding.command);
    remember(binding.what);
  }
  if (open) ImGui::EndMenu();
  ImGui::EndPopup();
}

void Screen::help() {
  if (!app_.help_open) return;
  ImGui::SetNextWindowPos({width_ / 2, height_ / 2}, ImGuiCond_Always, {0.5F, 0.5F});
  ImGui::SetNextWindowSize({std::min(width_ * 0.94F, style_.em * 84), std::min(height_ * 0.96F, style_.em * 54)});
  ImGui::PushStyleVar(ImGuiStyleVar_WindowBorderSize, 1);
  ImGui::Begin("Keys", &app_.help_open,
               ImGuiWindowFlags_NoCollapse | ImGuiWindowFlags_NoSavedSettings | ImGuiWindowFlags_NoResize);
  const int count = ImGui::GetContentRegionAvail().x > style_.em * 60 ? 2 : 1;
  ImGui::PushStyleVar(ImGuiStyleVar_ItemSpacing, {5 * app_.scale, 1});
  if (ImGui::BeginTable("keys", count)) {
    const char* group = "";
    // The second column begins with the group that the middle falls into.
    const auto size_of = [](const char* of) {
      return std::count_if(bindings().begin(), bindings().end(), [&](const Binding& b) { return std::string(b.group) == of; });
    };
    std::ptrdiff_t done = 0;
    bool second = count == 1;
    ImGui::TableNextColumn();
    for (const Binding& binding : bindings()) {
      const bool new_group = std::string(group) != binding.group;
      if (!second && new_group && 2 * (done + size_of(binding.group)) > std::ssize(bindings()) + size_of(binding.group) / 2) {
        ImGui::TableNextColumn();
        second = true;
      }
      if (new_group) ImGui::TextColored(color_of(app_.theme, Tone::highlight), "%s", binding.group);
      group = binding.group;
      const float left = ImGui::GetCursorPosX();
      ImGui::TextUnformatted(keys_of(binding.command).c_str());
      ImGui::SameLine();
      ImGui::SetCursorPosX(left + style_.em * 11);
      ImGui::TextUnformatted(binding.what);
      ++done;
    }
    ImGui::TextColored(color_of(app_.theme, Tone::highlight), "Mouse");
    ImGui::PushTextWrapPos(0);
    ImGui::TextUnformatted(
        "wheel: zoom at the pointer (Ctrl finer, Shift faster); drag: range with its sums; right or Shift+drag: move; "
        "middle drag: zoom to it; click: select; double click on a title: that panel alone");
    ImGui::PopTextWrapPos();
    ImGui::EndTable();
  }
  ImGui::PopStyleVar();
  ImGui::End();
  ImGui::PopStyleVar();
}

void Screen::search_box() {
  if (!app_.search_open) return;
  ImGui::SetNextWindowPos({width_ / 2, style_.em * 3}, ImGuiCond_Always, {0.5F, 0});
  ImGui::PushStyleVar(ImGuiStyleVar_WindowBorderSize, 1);
  ImGui::Begin("Search", nullptr,
               ImGuiWindowFlags_AlwaysAutoResize | ImGuiWindowFlags_NoDecoration | ImGuiWindowFlags_NoSavedSettings);
  ImGui::TextUnformatted("Search: part of an id, or preempted, refused, failed, cancelled");
  char text[128] = {};
  app_.search.copy(text, sizeof text - 1);
  ImGui::SetNextItemWidth(style_.em * 26);
  if (ImGui::IsWindowAppearing()) ImGui::SetKeyboardFocusHere();
  if (ImGui::InputText("##search", text, sizeof text)) app_.search = text;
  remember("search");
  ImGui::End();
  ImGui::PopStyleVar();
}

// What is wrong with a trace, over everything until somebody has read it; what could be read is looked at after that.
void Screen::banner() {
  constexpr const char* kName = "Trouble";
  if (app_.banner.empty() && !ImGui::IsPopupOpen(kName)) return;
  if (!ImGui::IsPopupOpen(kName)) ImGui::OpenPopup(kName);
  ImGui::SetNextWindowPos({width_ / 2, height_ / 2}, ImGuiCond_Always, {0.5F, 0.5F});
  ImGui::PushStyleVar(ImGuiStyleVar_WindowBorderSize, 2);
  ImGui::PushStyleVar(ImGuiStyleVar_PopupBorderSize, 2);
  ImGui::PushStyleColor(ImGuiCol_Border, color_of(app_.theme, Tone::mark_failed));
  if (ImGui::BeginPopupModal(
          kName, nullptr,
          ImGuiWindowFlags_AlwaysAutoResize | ImGuiWindowFlags_NoDecoration | ImGuiWindowFlags_NoSavedSettings)) {
    ImGui::PushTextWrapPos(style_.em * 44);
    ImGui::TextUnformatted(app_.banner.c_str());
    ImGui::PopTextWrapPos();
    const bool growing = std::any_of(app_.sides.begin(), app_.sides.end(),
                                     [](const auto& side) { return side->trace && side->trace->unfinished(); });
    if (button("Show what could be read", "Everything before that place (Escape)")) app_.banner.clear();
    if (growing) {
      ImGui::SameLine();
      if (button("Follow", "A run that still writes: show what comes (U)")) follow(app_);
    }
    ImGui::SameLine();
    if (button("Quit", "Ctrl+Q")) app_.quit = true;
    if (app_.banner.empty()) ImGui::CloseCurrentPopup();
    ImGui::EndPopup();
  }
  ImGui::PopStyleColor();
  ImGui::PopStyleVar(2);
}

// Over the lower panels: what the cursor has jumped to is seen above.
void Screen::difference(float bottom) {
  if (!app_.difference_shown) return;
  const Differences& all = *app_.differences;
  if (!all.is_of(app_, all.side(0), all.side(1))) {
    app_.difference_shown = false;
    return;
  }
  const Parting* const found = app_.differences->at(app_.difference);
  const std::string title = found == nullptr       ? std::string("The same decisions, other times")
                            : app_.difference == 0 ? std::string("First difference")
                                                   : "Difference " + std::to_string(app_.difference + 1);
  bool open = true;
  ImGui::SetNextWindowPos({width_ / 2, bottom - style_.em}, ImGuiCond_Always, {0.5F, 1});
  ImGui::SetNextWindowSizeConstraints({0, 0}, {width_ * 0.96F, height_ * 0.6F});
  ImGui::PushStyleVar(ImGuiStyleVar_WindowBorderSize, 1);
  ImGui::Begin((title + " (Escape closes)###difference").c_str(), &open,
               ImGuiWindowFlags_AlwaysAutoResize | ImGuiWindowFlags_NoCollapse | ImGuiWindowFlags_NoSavedSettings |
                   ImGuiWindowFlags_NoMove);
  found == nullptr ? time_changes() : parting(*found);
  ImGui::End();
  ImGui::PopStyleVar();
  if (!open) app_.difference_shown = false;
}

// Both sides beside each other.
void Screen::parting(const Parting& parting) {
  const float wide = std::min(width_ * 0.9F, style_.em * 80) / 2 - style_.em;
  if (ImGui::BeginTable("sides", 2, ImGuiTableFlags_BordersInnerV)) {
    for (int i = 0; i < 2; ++i) ImGui::TableSetupColumn("", ImGuiTableColumnFlags_WidthFixed, wide);
    ImGui::TableNextRow();
    for (const Parting::Side& side : parting.sides) {
      ImGui::TableNextColumn();
      ImGui::TextColored(color_of(app_.theme, Tone::highlight), "%s", side.place.c_str());
      const auto list = [&](const char* heading, const std::vector<std::string>& lines) {
        if (lines.empty()) return;
        ImGui::TextDisabled("%s", heading);
        constexpr std::size_t kMost = 8;
        for (std::size_t i = 0; i < std::min(kMost, lines.size()); ++i) {
          const std::string line = in_lines(style_, lines[i], wide);
          ImGui::TextUnformatted(line.c_str());
        }
        if (lines.size() > kMost) ImGui::TextDisabled("... tokenyard diff says the rest");
      };
      list("only here:", side.only);
      list("refused here:", side.standing);
    }
    ImGui::EndTable();
  }
  if (button("Next difference", "Somebody else who is treated otherwise (Shift+X)")) apply(app_, Command::next_difference);
}

// A click on a step or a request goes there.
void Screen::time_changes() {
  const Differences& all = *app_.differences;
  const TimeChanges& times = all.times();
  const std::string head = "The decisions are the same in all " + std::to_string(all.steps()) +
                           " steps, the times in the first " + std::to_string(times.first) + " of them. " +
                           app_.sides[all.side(0)]->name + ", then " + app_.sides[all.side(1)]->name + ":";
  ImGui::TextUnformatted(in_lines(style_, head, std::min(width_ * 0.9F, style_.em * 60)).c_str());
  for (const std::string& line : in_words(times)) ImGui::BulletText("%s", line.c_str());
  if (!times.steps.empty()) ImGui::TextDisabled("steps that changed most:");
  for (const TimeChanges::Step& step : times.steps) {
    const std::string line = in_words(step);
    if (ImGui::Selectable(line.c_str())) go_to_step(app_, {all.side(0), all.side(1)}, static_cast<std::int32_t>(step.index));
    remember(line.c_str());
  }
  if (!times.requests.empty()) ImGui::TextDisabled("requests that changed most, from arrival to end:");
  for (const TimeChanges::Request& request : times.requests) {
    const std::string line = in_words(request);
    if (ImGui::Selectable((line + "##" + request.id).c_str())) select(app_, request.id);
    remember(line.c_str());
  }
}

}  // namespace tokenyard::viz
