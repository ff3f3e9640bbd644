#include "viz/draw/screen.h"

#include <imgui.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <span>
#include <utility>

#include "viz/draw/paint.h"
#include "viz/view/layout.h"
#include "viz/view/overview.h"

namespace tokenyard::viz {
namespace {

constexpr float kThreeColumns = 64;  // lines of text that a window must be wide for two runs and what stands beside them

constexpr float kLeastSide = 0.15F, kMostSide = 0.75F;  // width of the right column

float header_lines() { return 2; }  // title and margins

std::string speed_in_words(int speed) {
  return speed >= 0 ? "x" + std::to_string(1 << (2 * speed)) : "x1/" + std::to_string(1 << (-2 * speed));
}

}  // namespace

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
  fill(column_of(true), true);
  fill(column_of(false), !several || width_ >= kThreeColumns * style_.em);
}

void Screen::toolbar() {
  const auto room_for = [&](float lines, float at = 0) {
    ImGui::SameLine(at);
    return ImGui::GetContentRegionAvail().x > lines * style_.em;
  };
  if (button("Menu", "Everything there is, with its key")) ImGui::OpenPopup("menu");
  menu();
  ImGui::SameLine();
  if (button("|<", "To the beginning (Home)")) apply(app_, Command::go_begin);
  ImGui::SameLine();
  if (button("<", "One step back (Left)")) apply(app_, Command::step_back);
  ImGui::SameLine();
  if (button(app_.playing ? "Pause" : "Play", "Space")) apply(app_, Command::play);
  ImGui::SameLine();
  if (button(">", "One step on (Right)")) apply(app_, Command::step_on);
  ImGui::SameLine();
  if (button(">|", "To the end (End)")) apply(app_, Command::go_end);
  if (room_for(18)) {
    if (button("-##speed", "Slower ([)")) apply(app_, Command::slower);
    ImGui::SameLine();
    ImGui::TextUnformatted(speed_in_words(app_.speed).c_str());
    ImGui::SameLine();
    if (button("+##speed", "Faster (])")) apply(app_, Command::faster);
  }

  const Side& side = app_.side();
  std::string where = place_in_words(app_.align, app_.cursor);
  if (side.step >= 0) {
    const Step& step = side.model->step(side.step);
    where += "   step " + std::to_string(step.number) + " of " + std::to_string(side.model->steps().back().number);
  }
  // What follows stays where it is while the numbers change.
  float after = 0;
  if (room_for(8)) {
    const float wide = std::min(20 * style_.em, ImGui::GetContentRegionAvail().x);
    after = ImGui::GetCursorPosX() + wide;
    where = style_.fit(where, wide);
    ImGui::TextUnformatted(where.c_str());
  }
  if (app_.sides.size() > 1) {
    if (room_for(11, after)) {
      after = 0;
      ImGui::SetNextItemWidth(9 * style_.em);
      const std::string shown = std::string("by ") + name_of(app_.align);
      if (ImGui::BeginCombo("##align", shown.c_str())) {
        in_popup();
        for (int i = 0; i < kAligns; ++i) {
          if (ImGui::Selectable(name_of(static_cast<Align>(i)), i == static_cast<int>(app_.align)))
            set_align(app_, static_cast<Align>(i));
        }
        ImGui::EndCombo();
      }
      remember("align");
    }
    if (room_for(10) && button("First difference", "To the step where the decisions part (X)"))
      apply(app_, Command::first_difference);
  }
  if (room_for(12, after)) {
    ImGui::SetNextItemWidth(10 * style_.em);
    const std::string shown = std::string("sort: ") + name_of(app_.order);
    if (ImGui::BeginCombo("##order", shown.c_str())) {
      in_popup();
      for (int i = 0; i < kLaneOrders; ++i) {
        if (ImGui::Selectable(name_of(static_cast<LaneOrder>(i)), i == static_cast<int>(app_.order)))
          set_order(app_, static_cast<LaneOrder>(i));
      }
      ImGui::EndCombo();
    }
    remember("order");
  }
  for (const Panel* panel : all_panels()) {
    if (panel->button.label != nullptr && room_for(7) && button(panel->button.label, panel->button.tip))
      apply(app_, {Command::toggle_panel, panel});
  }
  if (room_for(3) && button("?", "Keys (?)")) apply(app_, Command::help);
}

// The whole run above everything, and the numbers of the visible range below it. Returns where it ends.
float Screen::overview_strip(float top) {
  const float left = std::round(4 * app_.scale), gap = std::round(2 * app_.scale);
  const float height = std::round(style_.em * (app_.sides.size() == 1 ? 2.4F : 1.9F));
  ImDrawList& list = *ImGui::GetWindowDrawList();
  overviews_.clear();
  for (std::size_t i = 0; i < app_.sides.size(); ++i) {
    const Box box = {left, top, width_ - left, top + height};
    Picture picture = overview(frame_of(i), box, app_.extent.begin, app_.extent.end);
    if (app_.sides.size() > 1 && !picture.labels.empty()) {
      picture.labels.front().text = style_.fit(app_.sides[i]->name, gutter(style_, box.width()) - style_.em * 0.5F);
    }
    paint(list, picture, app_.theme, style_);
    overviews_.push_back(std::move(picture));
    const Axis whole = panel_axis(frame_of(i), box);
    ImGui::PushID(static_cast<int>(i));
    ImGui::SetCursorScreenPos({box.x0, box.y0});
    ImGui::InvisibleButton("overview", {box.width(), box.height()});
    if (ImGui::IsItemHovered()) {
      ImGui::SetTooltip(
          "The whole run: click to go there, drag to move what is visible.\n"
          "Blue: the longest step there; grey: requests that wait; ticks at the top: preemptions, refusals, failures.");
    }
    if (ImGui::IsItemActive()) {
      Axis axis = whole;
      axis.begin = app_.extent.begin;
      axis.end = app_.extent.end;
      const Place there = axis.place(std::clamp(ImGui::GetIO().MousePos.x, axis.x0, axis.x1));
      const Place wide = app_.axis.end - app_.axis.begin;
      show_range(app_, there - wide / 2, there - wide / 2 + wide);
      move_cursor(app_, there);
      app_.active = i;
    }
    ImGui::PopID();
    top += height + gap;
  }
  return top;
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

float Screen::lesson_height() const {
  const LessonPage& page = app_.lesson->pages[app_.page];
  const float wrap = width_ - 4 * style_.em;
  const auto height = [&](const std::string& text) {
    return text.empty() ? 0 : ImGui::CalcTextSize(text.c_str(), nullptr, false, wrap).y + ImGui::GetStyle().ItemSpacing.y;
  };
  const float frames = ImGui::GetFrameHeightWithSpacing() + 3 * ImGui::GetStyle().WindowPadding.y;
  const float lines = frames + height(page.text) + height(page.question) + (app_.answer_shown ? height(page.answer) : 0);
  return std::min(std::ceil(lines), height_ * 0.45F);
}

void Screen::lesson(Box box) {
  const LessonPage& page = app_.lesson->pages[app_.page];
  ImGui::GetWindowDrawList()->AddRectFilled({box.x0, box.y0}, {box.x1, box.y1},
                                            packed(faded(app_.theme, rgb_of(app_.theme, Tone::grid), 120)));
  const float pad = ImGui::GetStyle().WindowPadding.y;
  ImGui::SetCursorScreenPos({box.x0 + style_.em, box.y0 + pad});
  ImGui::BeginChild("lesson", {box.width() - 2 * style_.em, box.height() - 2 * pad});
  ImGui::AlignTextToFramePadding();
  ImGui::TextColored(color_of(app_.theme, Tone::highlight), "%s", (app_.lesson->title + ": " + page.title).c_str());
  ImGui::SameLine();
  ImGui::TextDisabled("%zu of %zu", app_.page + 1, app_.lesson->pages.size());
  ImGui::SameLine();
  if (button("Back", "The page before (Left)")) apply(app_, Command::previous_page);
  ImGui::SameLine();
  if (button("Next", "The next page (Right)")) apply(app_, Command::next_page);
  if (!page.question.empty()) {
    ImGui::SameLine();
    if (button(app_.answer_shown ? "Hide the answer" : "Show the answer", "Enter")) apply(app_, Command::answer);
  }
  ImGui::PushTextWrapPos(0);
  ImGui::TextUnformatted(page.text.c_str());
  if (!page.question.empty()) {
    ImGui::PushStyleColor(ImGuiCol_Text, color_of(app_.theme, Tone::highlight));
    ImGui::TextUnformatted(page.question.c_str());
    ImGui::PopStyleColor();
    if (app_.answer_shown) ImGui::TextUnformatted(page.answer.c_str());
  }
  ImGui::PopTextWrapPos();
  ImGui::EndChild();
}

std::vector<const TraceModel*> Screen::models() const {
  std::vector<const TraceModel*> out;
  for (const auto& side : app_.sides) out.push_back(side->model);
  return out;
}

// For the status line: what always stands there, and with them what has no room in its panel's title.
std::vector<Meaning> Screen::meanings(bool with_titles) const {
  std::vector<Meaning> out;
  for (const Panel* panel : all_panels()) {
    const bool homeless = panel->legend == Panel::Legend::title_or_below && explained_below_.contains(panel);
    if (panel->meanings == nullptr || !(panel->legend == Panel::Legend::below || (with_titles && homeless))) continue;
    const std::vector<Meaning> more = panel->meanings(models());
    out.insert(out.end(), more.begin(), more.end());
  }
  return out;
}

// Of the marked range. Its sums are over all steps in it: they are made anew only when something has changed.
const std::string& Screen::range_words() {
  const Side& side = app_.side();
  const auto [from, to] = range_of(app_, side);
  const RangeKey now = {side.model, side.model->num_steps(), from, to};
  if (range_key_ != now) range_words_ = range_in_words(sum(*side.model, from, to));
  range_key_ = now;
  return range_words_;
}

float Screen::status_height(std::span<const Meaning> meanings) const {
  const float needed = legend(style_, {style_.em * 0.5F, 0, width_ - style_.em * 0.5F, 0}, meanings).content_height;
  constexpr float kMostLines = 4;
  return std::round(std::min(needed, kMostLines * 1.3F * style_.em) + style_.em * 0.3F);
}

void Screen::status(Box box) {
  const Box inner = {box.x0 + style_.em * 0.5F, box.y0 + std::round(style_.em * 0.1F), box.x1 - style_.em * 0.5F, box.y1};
  std::string text = app_.message;
  if (text.empty() && has_range(app_)) {
    text = range_words();
    for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos;) text.replace(at, 1, "; ");
  }
  ImDrawList& list = *ImGui::GetWindowDrawList();
  if (text.empty()) {
    paint(list, legend(style_, inner, meanings(true)), app_.theme, style_);
    return;
  }
  if (box.height() < 2.4F * style_.em) text = style_.fit(text, inner.width());
  list.PushClipRect({box.x0, box.y0}, {box.x1, box.y1}, true);
  list.AddText(ImGui::GetFont(), style_.em, {inner.x0, std::round(inner.y0 + style_.em * 0.2F)},
               packed(rgb_of(app_.theme, Tone::highlight)), text.c_str(), nullptr, inner.width());
  list.PopClipRect();
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
  explained_below_ = std::exchange(unexplained_, {});
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
  const float bar = status_height(meanings(true));
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
  columns({margin, top, width - margin, bottom - margin});
  ImGui::End();
  help();
  search_box();
  difference(bottom);
  banner();
  app_.reveal = false;
}

}  // namespace tokenyard::viz
