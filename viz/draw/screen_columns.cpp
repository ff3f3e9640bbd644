// Which panels are shown, and where each stands.
#include <imgui.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "viz/draw/paint.h"
#include "viz/draw/screen.h"
#include "viz/view/layout.h"
#include "viz/view/overview.h"

namespace tokenyard::viz {
namespace {

constexpr float kThreeColumns = 64;  // lines of text that a window must be wide for two runs and what stands beside them

constexpr float kNarrowest = 12;  // lines of text that the panels of a run must be wide

float header_lines() { return 2; }  // title and margins

}  // namespace

// All panels of the columns below the timelines' axis, or of the one at the right; from top to bottom.
std::vector<const Panel*> Screen::column_of(bool of_trace) const {
  const bool several = app_.sides.size() > 1;
  std::vector<const Panel*> out;
  const auto add = [&](auto belongs) {
    std::copy_if(all_panels().begin(), all_panels().end(), std::back_inserter(out),
                 [&](const Panel* panel) { return belongs(panel->where); });
  };
  using Where = Panel::Where;
  if (of_trace) {
    add([](Where where) { return where == Where::timeline; });
    add([&](Where where) { return where == Where::moment && several; });
  } else {
    add([](Where where) { return where == Where::top; });
    add([&](Where where) { return where == Where::side || (where == Where::moment && !several); });
  }
  return out;
}

std::vector<const Panel*> Screen::shown_of(bool of_trace) const {
  std::vector<const Panel*> out = column_of(of_trace);
  std::erase_if(out, [&](const Panel* panel) { return !app_.shown[*panel]; });
  // Where a lesson's page has more panels than room, it keeps those that it speaks of.
  float least = 0;
  for (const Panel* panel : out) least += least_height(*panel);
  const float ruler = of_trace ? style_.em * 1.5F : 0;
  if (app_.lesson && least > (area_.height() - ruler) / (narrow() ? 2 : 1))
    std::erase_if(out, [&](const Panel* panel) { return !page_needs(*panel); });
  return out;
}

// Title and margins included.
float Screen::least_height(const Panel& panel) const {
  return (panel.size(app_.sides.size()).least + header_lines()) * style_.em * 1.2F;
}

// Of what is left of a column's height.
float Screen::share_of(const Panel& panel) const {
  return app_.share[panel] > 0 ? app_.share[panel] : panel.size(app_.sides.size()).share;
}

// Unless somebody has chosen: the most telling panels that fit.
void Screen::decide_panels(float height) {
  if (app_.panels_chosen) return;
  app_.shown.fill(false);
  const bool several = app_.sides.size() > 1;
  const Panel::Situation now = {several, app_.side().selected >= 0, app_.side().model->has_cache()};
  // Of a column's panels the wished for ones first, then the usual ones in their turn.
  const auto fill = [&](const std::vector<const Panel*>& column, bool usual_too) {
    float left = height;
    bool any = false;
    const auto show = [&](const Panel& panel) {
      app_.shown[panel] = any = true;
      left -= least_height(panel);
    };
    std::vector<const Panel*> usual;
    for (const Panel* panel : column) {
      if (app_.wish[*panel] > 0) show(*panel);
      if (app_.wish[*panel] == 0 && usual_too && panel->usual(now) > 0) usual.push_back(panel);
    }
    std::stable_sort(usual.begin(), usual.end(), [&](const Panel* a, const Panel* b) { return a->usual(now) < b->usual(now); });
    for (const Panel* panel : usual) {
      if (least_height(*panel) <= left || !any) show(*panel);
    }
  };
  if (narrow()) height /= 2;  // the one below the other
  fill(column_of(true), true);
  fill(column_of(false), narrow() || !several || width_ >= kThreeColumns * style_.em);
}

void Screen::column(Box box, const std::vector<const Panel*>& panels, std::size_t trace) {
  if (panels.empty()) return;
  const float gap = std::round(4 * app_.scale);
  const float room = box.height() - gap * static_cast<float>(panels.size() - 1);
  float least = 0, shares = 0;
  for (const Panel* each : panels) {
    least += least_height(*each);
    shares += share_of(*each);
  }
  const float squeeze = std::min(1.0F, room / least);
  const float extra = std::max(0.0F, room - least);
  float top = box.y0;
  for (std::size_t i = 0; i < panels.size(); ++i) {
    const float height = std::round(least_height(*panels[i]) * squeeze + extra * share_of(*panels[i]) / shares);
    const float bottom = i + 1 == panels.size() ? box.y1 : top + height;
    panel(*panels[i], trace, {box.x0, top, box.x1, bottom});
    if (i + 1 < panels.size() && extra > 0) {
      ImGui::PushID(panels[i]->name);
      ImGui::PushID(static_cast<int>(trace));
      ImGui::SetCursorScreenPos({box.x0, bottom});
      ImGui::InvisibleButton("split", {box.width(), gap});
      if (ImGui::IsItemHovered() || ImGui::IsItemActive()) ImGui::SetMouseCursor(ImGuiMouseCursor_ResizeNS);
      if (ImGui::IsItemActive()) {
        // What one panel gains its neighbour below loses.
        const float moved = ImGui::GetIO().MouseDelta.y / extra * shares;
        const float above = share_of(*panels[i]) + moved, below = share_of(*panels[i + 1]) - moved;
        if (above > 0.01F && below > 0.01F) {
          app_.share[*panels[i]] = above;
          app_.share[*panels[i + 1]] = below;
        }
      }
      ImGui::PopID();
      ImGui::PopID();
    }
    top = bottom + gap;
  }
}

// The axis' numbers; returns where what it belongs to begins.
float Screen::ruler_above(Box box, std::size_t trace) {
  const float height = std::round(style_.em * 1.5F), pad = std::round(4 * app_.scale);
  const Picture numbers = ruler(frame_of(trace), {box.x0 + pad, box.y0, box.x1 - pad, box.y0 + height});
  paint(*ImGui::GetWindowDrawList(), numbers, app_.theme, style_);
  return box.y0 + height;
}

// So many runs cannot be read beside each other: what can be done about it, and their results.
void Screen::too_narrow(Box box) {
  const std::string words = std::to_string(app_.sides.size()) +
                            " runs do not fit beside each other into a window of this width. A wider window helps, smaller "
                            "letters (" +
                            keys_of(Command::smaller) + "), a narrower right column (" + keys_of(Command::column_narrower) +
                            "), or fewer runs. Their results:";
  const std::string lines = in_lines(style_, words, box.width() - 2 * style_.em);
  ImGui::GetWindowDrawList()->AddText({box.x0 + style_.em, box.y0 + style_.em * 0.5F},
                                      packed(rgb_of(app_.theme, Tone::highlight)), lines.c_str());
  const auto height = static_cast<float>(std::count(lines.begin(), lines.end(), '\n') + 2) * style_.em * 1.2F;
  column({box.x0, box.y0 + std::round(height), box.x1, box.y1}, {find_panel("compare")}, app_.active);
}

void Screen::columns(Box box) {
  if (app_.alone != nullptr) {
    const bool timeline = app_.alone->where == Panel::Where::timeline;
    const bool of_trace = timeline || app_.alone->where == Panel::Where::moment;
    const std::size_t count = of_trace ? app_.sides.size() : 1;
    const float gap = std::round(6 * app_.scale);
    const float wide = (box.width() - gap * static_cast<float>(count - 1)) / static_cast<float>(count);
    for (std::size_t i = 0; i < count; ++i) {
      const float left = box.x0 + std::round((wide + gap) * static_cast<float>(i));
      Box own = {left, box.y0, std::round(left + wide), box.y1};
      if (timeline) own.y0 = ruler_above(own, i);
      panel(*app_.alone, of_trace ? i : app_.active, own);
    }
    return;
  }
  const std::vector<const Panel*> in_column = shown_of(true), beside = shown_of(false);
  if (narrow()) {
    std::vector<const Panel*> all = in_column;
    all.insert(all.end(), beside.begin(), beside.end());
    column({box.x0, ruler_above(box, app_.active), box.x1, box.y1}, all, app_.active);
    return;
  }
  const float gap = std::round(6 * app_.scale);
  const std::size_t count = in_column.empty() ? 0 : app_.sides.size();
  const float usual = app_.sides.size() == 1 ? 0.42F : app_.sides.size() == 2 ? 0.3F : 0.28F;
  // A comparison's columns need their room.
  const float columns_need = app_.sides.size() > 2 ? 33 : app_.sides.size() == 2 ? 24 : 0;
  const float needed = std::min(0.36F * box.width(), columns_need * style_.em);
  float right = beside.empty()        ? 0
                : app_.side_share > 0 ? box.width() * app_.side_share
                                      : std::max(box.width() * usual, needed);
  if (count == 0) right = box.width();
  right = std::round(right);
  const float left_width = box.width() - right - (right > 0 && count > 0 ? gap : 0);
  if (count > 1 && left_width / static_cast<float>(count) < kNarrowest * style_.em) {
    too_narrow(box);
    return;
  }
  for (std::size_t i = 0; i < count; ++i) {
    const float wide = (left_width - gap * static_cast<float>(count - 1)) / static_cast<float>(count);
    const float left = box.x0 + std::round((wide + gap) * static_cast<float>(i));
    const Box whole = {left, box.y0, std::round(left + wide), box.y1};
    column({whole.x0, ruler_above(whole, i), whole.x1, whole.y1}, in_column, i);
  }
  right_share_ = right / box.width();
  if (right <= 0) return;
  if (count > 0) {
    ImGui::SetCursorScreenPos({box.x1 - right - gap, box.y0});
    ImGui::InvisibleButton("columns", {gap, box.height()});
    if (ImGui::IsItemHovered() || ImGui::IsItemActive()) ImGui::SetMouseCursor(ImGuiMouseCursor_ResizeEW);
    if (ImGui::IsItemActive())
      app_.side_share = std::clamp((right - ImGui::GetIO().MouseDelta.x) / box.width(), kLeastSide, kMostSide);
    remember("columns");
  }
  column({box.x1 - right, box.y0, box.x1, box.y1}, beside, app_.active);
}

}  // namespace tokenyard::viz
