// What stands above and below the panels: toolbar, the whole run, a lesson's page, the line at the bottom.
#include <imgui.h>

#include <algorithm>
#include <cmath>

#include "viz/draw/paint.h"
#include "viz/draw/screen.h"
#include "viz/view/layout.h"
#include "viz/view/overview.h"

namespace tokenyard::viz {
namespace {

std::string speed_in_words(int speed) {
  return speed >= 0 ? "x" + std::to_string(1 << (2 * speed)) : "x1/" + std::to_string(1 << (-2 * speed));
}

}  // namespace

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
  } else if (side.over) {
    where += "   the run is over";
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
      const std::string shown = std::string("by ") + title_of(app_.align);
      if (ImGui::BeginCombo("##align", shown.c_str())) {
        in_popup();
        for (int i = 0; i < kAligns; ++i) {
          if (ImGui::Selectable(title_of(static_cast<Align>(i)), i == static_cast<int>(app_.align)))
            set_align(app_, static_cast<Align>(i));
        }
        ImGui::EndCombo();
      }
      remember("align");
    }
    if (room_for(10) && button("First difference", "To the step where the decisions part (X); to the next ones: Shift+X"))
      apply(app_, Command::first_difference);
  }
  if (room_for(12, after)) {
    ImGui::SetNextItemWidth(10 * style_.em);
    const std::string shown = std::string("sort: ") + title_of(app_.order);
    if (ImGui::BeginCombo("##order", shown.c_str())) {
      in_popup();
      for (int i = 0; i < kLaneOrders; ++i) {
        if (ImGui::Selectable(title_of(static_cast<LaneOrder>(i)), i == static_cast<int>(app_.order)))
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
  // A lesson's page has so much to show that a low window has no room for it.
  if (app_.lesson && height_ < 32 * style_.em) return top;
  for (std::size_t i = 0; i < app_.sides.size(); ++i) {
    const Box box = {left, top, width_ - left, top + height};
    Picture picture = overview(frame_of(i), box, app_.extent.begin, app_.extent.end);
    if (app_.sides.size() > 1 && !picture.labels.empty()) {
      picture.labels.front().text = style_.fit_name(app_.sides[i]->name, gutter(style_, box.width()) - style_.em * 0.5F);
      if (narrow() && i == app_.active) picture.labels.front().tone = Tone::highlight;
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

float Screen::lesson_height() const {
  const LessonPage& page = app_.lesson->pages[app_.page];
  const float wrap = lesson_wrap();
  const auto height = [&](const std::string& text) {
    return text.empty() ? 0 : ImGui::CalcTextSize(in_lines(style_, text, wrap).c_str()).y + ImGui::GetStyle().ItemSpacing.y;
  };
  const float frames = (narrow() ? 2 : 1) * ImGui::GetFrameHeightWithSpacing() + 3 * ImGui::GetStyle().WindowPadding.y;
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
  const std::string title =
      narrow() ? style_.fit(page.title, lesson_wrap() - 4 * style_.em) : app_.lesson->title + ": " + page.title;
  ImGui::TextColored(color_of(app_.theme, Tone::highlight), "%s", title.c_str());
  ImGui::SameLine();
  const std::string chapter = page.chapter == 0 || narrow() ? "" : ", chapter " + std::to_string(page.chapter) + " of the book";
  ImGui::TextDisabled("%zu of %zu%s", app_.page + 1, app_.lesson->pages.size(), chapter.c_str());
  if (!narrow()) ImGui::SameLine();
  if (button("Back", "The page before (Left)")) apply(app_, Command::previous_page);
  ImGui::SameLine();
  if (button("Next", "The next page (Right)")) apply(app_, Command::next_page);
  if (!page.question.empty()) {
    ImGui::SameLine();
    if (button(app_.answer_shown ? "Hide the answer" : "Show the answer", "Enter")) apply(app_, Command::answer);
  }
  const auto say = [&](const std::string& text) { ImGui::TextUnformatted(in_lines(style_, text, lesson_wrap()).c_str()); };
  say(page.text);
  if (!page.question.empty()) {
    ImGui::PushStyleColor(ImGuiCol_Text, color_of(app_.theme, Tone::highlight));
    say(page.question);
    ImGui::PopStyleColor();
    if (app_.answer_shown) say(page.answer);
  }
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

// Of these, what the panels really show.
std::vector<Meaning> Screen::shown_meanings() const {
  std::vector<Meaning> out;
  for (const Meaning& meaning : meanings(true)) {
    const auto shows = [&](const auto& panel) { return panel.first->meanings != nullptr && panel.second.has(meaning); };
    if (std::any_of(occurred_.begin(), occurred_.end(), shows)) out.push_back(meaning);
  }
  return out;
}

float Screen::status_height(std::span<const Meaning> meanings) const {
  const float needed = legend(style_, {style_.em * 0.5F, 0, width_ - style_.em * 0.5F, 0}, meanings).content_height;
  constexpr float kMostLines = 4;
  return std::round(std::min(needed, kMostLines * 1.3F * style_.em) + style_.em * 0.3F);
}

// It grows with what is shown and does not shrink: else panels and legend would make room for each other in turns.
float Screen::legend_height() {
  if (legend_of_ != models() || legend_width_ != width_ || legend_scale_ != app_.scale) legend_height_ = 0;
  legend_of_ = models();
  legend_width_ = width_;
  legend_scale_ = app_.scale;
  legend_height_ = std::max(legend_height_, status_height(shown_meanings()));
  return legend_height_;
}

void Screen::status(Box box) {
  const Box inner = {box.x0 + style_.em * 0.5F, box.y0 + std::round(style_.em * 0.1F), box.x1 - style_.em * 0.5F, box.y1};
  std::string text = app_.picture_wanted.empty() ? app_.message : "";  // that it is written is not in the picture
  if (text.empty() && has_range(app_)) {
    text = range_in_words(*frame_of(app_.active).range);
    for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos;) text.replace(at, 1, "; ");
  }
  ImDrawList& list = *ImGui::GetWindowDrawList();
  if (text.empty()) {
    const Picture all = legend(style_, inner, shown_meanings());
    paint(list, all, app_.theme, style_);
    for (const Label& label : all.labels) explained_.insert(label.text);
    return;
  }
  if (box.height() < 2.4F * style_.em) text = style_.fit(text, inner.width());
  list.PushClipRect({box.x0, box.y0}, {box.x1, box.y1}, true);
  list.AddText(ImGui::GetFont(), style_.em, {inner.x0, std::round(inner.y0 + style_.em * 0.2F)},
               packed(rgb_of(app_.theme, Tone::highlight)), in_lines(style_, text, inner.width()).c_str());
  list.PopClipRect();
}

}  // namespace tokenyard::viz
