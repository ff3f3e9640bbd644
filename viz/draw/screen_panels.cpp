// The panels: which picture fills which, and what the mouse does there.
#include <imgui.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "viz/app/knobs.h"
#include "viz/draw/paint.h"
#include "viz/draw/screen.h"
#include "viz/view/glossary.h"
#include "viz/view/layout.h"
#include "viz/view/tip.h"

namespace tokenyard::viz {
namespace {

constexpr std::size_t kMostTerms = 4;  // of the glossary, in a tip

// What one sees, and what the words for it mean.
std::string explanation_of(const Panel& panel) { return with_meanings(panel.explains, kMostTerms); }

constexpr float kClick = 4;  // a press that moves less than this is no drag; pixels at scale 1

}  // namespace

bool Screen::is_highlighted(const Panel& panel) const {
  if (!app_.lesson) return false;
  const auto& marked = app_.lesson->pages[app_.page].highlight;
  return std::find(marked.begin(), marked.end(), &panel) != marked.end();
}

bool Screen::page_needs(const Panel& panel) const {
  const auto& shows = app_.lesson->pages[app_.page].shows;
  return shows.empty() || is_highlighted(panel) || app_.wish[panel] > 0 ||
         std::any_of(shows.begin(), shows.end(), [&](const Shown& shown) { return shown.panel == &panel; });
}

void Screen::panel(const Panel& panel, std::size_t trace, Box box) {
  ImDrawList& list = *ImGui::GetWindowDrawList();
  const float header = std::round(style_.em * 1.35F), pad = std::round(4 * app_.scale);
  ImGui::PushID(panel.name);
  ImGui::PushID(static_cast<int>(trace));
  if (std::find(panels_.begin(), panels_.end(), &panel) == panels_.end()) panels_.push_back(&panel);
  title(panel, trace, {box.x0, box.y0, box.x1, box.y0 + header});
  content(panel, trace, {box.x0 + pad, box.y0 + header + pad, box.x1 - pad, box.y1 - pad});
  const bool chosen = app_.chosen == &panel && (trace == app_.active || panel.shared);
  if (chosen && explain_) explain(panel, {box.x0, box.y0 + header, box.x1, box.y1});
  if (is_highlighted(panel) || chosen) {
    const float thick = (chosen ? 1.0F : 2.0F) * std::round(app_.scale);
    const std::uint32_t color = packed(rgb_of(app_.theme, Tone::highlight));
    list.AddRectFilled({box.x0, box.y0}, {box.x1, box.y0 + thick}, color);
    list.AddRectFilled({box.x0, box.y1 - thick}, {box.x1, box.y1}, color);
    list.AddRectFilled({box.x0, box.y0}, {box.x0 + thick, box.y1}, color);
    list.AddRectFilled({box.x1 - thick, box.y0}, {box.x1, box.y1}, color);
  }
  ImGui::PopID();
  ImGui::PopID();
}

// Its name, a few words at the right, and between them what its colours mean.
void Screen::title(const Panel& panel, std::size_t trace, Box box) {
  ImDrawList& list = *ImGui::GetWindowDrawList();
  const float pad = std::round(4 * app_.scale);
  list.AddRectFilled({box.x0, box.y0}, {box.x1, box.y1}, packed(faded(app_.theme, rgb_of(app_.theme, Tone::grid), 150)));
  std::string name = panel.title;
  if (app_.sides.size() > 1 && !panel.shared) {
    name += name.back() == '?' ? " " : ": ";
    name += style_.fit_name(app_.sides[trace]->name, box.width() - 2 * pad - style_.width(name));
  }
  std::string right;
  if (panel.at_right != nullptr && app_.sides[trace]->step >= 0) right = panel.at_right(scene_of(trace));
  // Not above what is of the whole run anyway.
  if (panel.at_right != nullptr && !panel.shared && app_.sides[trace]->over) right = "the run is over";
  const float right_width = right.empty() ? 0 : style_.width(right) + 2 * pad;
  const float text_y = std::round(box.y0 + (box.height() - style_.em) / 2);
  name = style_.fit(name, box.width() - 2 * pad);
  list.AddText({box.x0 + pad, text_y}, packed(rgb_of(app_.theme, Tone::text)), name.c_str());
  if (style_.width(name) + right_width + 3 * pad <= box.width()) {
    list.AddText({box.x1 - right_width + pad, text_y}, packed(rgb_of(app_.theme, Tone::dim)), right.c_str());
  }
  if (panel.meanings != nullptr && panel.legend != Panel::Legend::below) {
    // Where there is room for all of it; else it stands in the status line.
    const float swatch = std::round(style_.em * 0.7F);
    float x = box.x0 + 3 * pad + style_.width(name) + style_.em;
    Picture samples;
    samples.box = {box.x0, box.y0, box.x1 - right_width - pad, box.y1};
    // Whether there is room must not depend on what happens to be seen.
    float all = x;
    for (const Meaning& meaning : panel.meanings(models())) {
      all += swatch + pad + style_.width(meaning.text) + style_.em * 0.8F;
      if (!occurred_[&panel].has(meaning)) continue;
      Rect sample;
      const float top = std::round(box.y0 + (box.height() - swatch) / 2);
      sample.box = {x, top, x + swatch, top + swatch};
      sample.tone = meaning.tone;
      sample.pattern = meaning.pattern;
      sample.strength = meaning.strength;
      samples.rects.push_back(sample);
      samples.labels.push_back({x + swatch + pad, text_y, meaning.text, Tone::dim});
      x += swatch + pad + style_.width(meaning.text) + style_.em * 0.8F;
    }
    if (all <= samples.box.x1) {
      paint(list, samples, app_.theme, style_);
      for (const Label& label : samples.labels) explained_.insert(label.text);
    } else {
      unexplained_.insert(&panel);
    }
  }
  ImGui::SetCursorScreenPos({box.x0, box.y0});
  ImGui::InvisibleButton("title", {box.width(), box.height()});
  if (!ImGui::IsItemHovered()) return;
  const std::string explains = in_lines(style_, explanation_of(panel), 40 * style_.em);
  ImGui::SetTooltip("%s", explains.c_str());
  under_pointer_ = &panel;
  if (ImGui::IsMouseDoubleClicked(0)) app_.alone = app_.alone != nullptr ? nullptr : &panel;
}

void Screen::content(const Panel& panel, std::size_t trace, Box box) {
  if (box.width() <= 4 || box.height() <= 4) return;
  if (panel.sliders) {
    sliders(box);
  } else if (panel.words != nullptr) {
    words(panel, box);
  } else {
    picture(panel, trace, box);
  }
}

void Screen::picture(const Panel& panel, std::size_t trace, Box box) {
  // Lists leave room for their scrollbar; beside a time axis it may cover the end of a lane.
  Box inner = box;
  if (panel.list) inner.x1 -= std::round(10 * app_.scale);
  float& scroll = app_.sides[trace]->scroll[panel];
  const auto lay_out = [&] {
    Scene scene = scene_of(trace);
    scene.scroll = scroll;
    if (app_.reveal && panel.reveal != nullptr) scene.scroll = scroll = panel.reveal(scene, inner);
    return panel.layout(scene, inner);
  };
  Picture picture = lay_out();
  // Scrolled too far: by a key, or because what is shown has become less.
  const float most = std::max(0.0F, picture.content_height - inner.height());
  if (scroll < 0 || scroll > most) {
    scroll = std::clamp(scroll, 0.0F, most);
    picture = lay_out();
  }
  paint(*ImGui::GetWindowDrawList(), picture, app_.theme, style_);
  const float content = picture.content_height;
  occurs_[&panel].add(picture);
  drawn_.push_back({&panel, trace, std::move(picture)});
  if (content > box.height() + 1) scrollbar(panel, trace, box, content);
  if (panel.where == Panel::Where::timeline) {
    timeline_mouse(panel, trace, box);
    overlay(trace, box);
  } else {
    list_mouse(panel, trace, box);
  }
}

void Screen::choose_panel(int by) {
  if (panels_.empty()) return;
  const auto count = std::ssize(panels_);
  const auto found = std::find(panels_.begin(), panels_.end(), app_.chosen);
  const auto at = found == panels_.end() ? (by > 0 ? 0 : count - 1) : (found - panels_.begin() + by + count) % count;
  app_.chosen = panels_[static_cast<std::size_t>(at)];
  explain_ = true;
}

// What its tip says, for those without a mouse.
void Screen::explain(const Panel& panel, Box box) const {
  ImGui::SetNextWindowPos({box.x0 + style_.em, box.y0 + style_.em * 0.5F});
  ImGui::BeginTooltip();
  ImGui::TextUnformatted(
      in_lines(style_, explanation_of(panel), std::max(style_.em * 16, width_ - box.x0 - 3 * style_.em)).c_str());
  ImGui::EndTooltip();
}

// The marked range over a panel that has the common axis.
void Screen::overlay(std::size_t trace, Box box) {
  if (!app_.range_from) return;
  Axis axis = panel_axis(frame_of(trace), box);
  const Place to = app_.range_to.value_or(app_.cursor);
  const auto x0 = static_cast<float>(std::round(axis.x(std::min(*app_.range_from, to))));
  const auto x1 = static_cast<float>(std::round(axis.x(std::max(*app_.range_from, to))));
  const float left = std::clamp(x0, axis.x0, axis.x1), right = std::clamp(x1, axis.x0, axis.x1);
  if (right <= left) return;
  ImDrawList& list = *ImGui::GetWindowDrawList();
  const std::uint32_t rgb = rgb_of(app_.theme, Tone::selection);
  list.AddRectFilled({left, box.y0}, {right, box.y1}, packed(rgb, 34));
  list.AddRectFilled({left, box.y0}, {left + 1, box.y1}, packed(rgb, 200));
  list.AddRectFilled({right - 1, box.y0}, {right, box.y1}, packed(rgb, 200));
}

void Screen::scrollbar(const Panel& panel, std::size_t trace, Box box, float content) {
  float& scroll = app_.sides[trace]->scroll[panel];
  const float wide = std::round(8 * app_.scale);
  const float height = std::max(2 * wide, box.height() * box.height() / content);
  const float most = content - box.height();
  const float top = box.y0 + (box.height() - height) * std::clamp(scroll / most, 0.0F, 1.0F);
  ImGui::SetCursorScreenPos({box.x1 - wide, box.y0});
  ImGui::InvisibleButton("scroll", {wide, box.height()});
  const bool held = ImGui::IsItemActive();
  if (held) scroll = std::clamp((ImGui::GetIO().MousePos.y - box.y0 - height / 2) / (box.height() - height), 0.0F, 1.0F) * most;
  const std::uint32_t rgb = rgb_of(app_.theme, Tone::dim);
  ImGui::GetWindowDrawList()->AddRectFilled({box.x1 - wide + 2, top}, {box.x1, top + height},
                                            packed(rgb, held || ImGui::IsItemHovered() ? 230 : 130));
}

void Screen::act_on(const Ref& ref, std::size_t trace) {
  Side& side = *app_.sides[trace];
  const TraceModel& model = *side.model;
  const auto pick = [&](std::int32_t request) {
    if (request >= 0) select(app_, model.request(request).id);
  };
  switch (ref.kind) {
    case Ref::Kind::request:
    case Ref::Kind::span:
    case Ref::Kind::sentence: pick(ref.id); break;
    case Ref::Kind::step: move_cursor(app_, side.clock->place(model.step(ref.id).start)); break;
    case Ref::Kind::block: pick(side.moment().blocks[static_cast<std::size_t>(ref.id)].owner); break;
    case Ref::Kind::node: pick(side.tree[static_cast<std::size_t>(ref.id)].request); break;
    case Ref::Kind::mark: {
      const Event& event = model.events()[static_cast<std::size_t>(ref.id)];
      pick(event.request);
      move_cursor(app_, side.clock->place(event.at));
      break;
    }
    case Ref::Kind::none:
    case Ref::Kind::time: break;
  }
}

void Screen::show_tip(const Ref& ref, std::size_t trace) const {
  const Side& side = *app_.sides[trace];
  const std::string text = tip(frame_of(trace), side.moment(), side.tree, ref);
  if (text.empty()) return;
  ImGui::BeginTooltip();
  // Dear ImGui would wrap after the point of a number.
  ImGui::TextUnformatted(in_lines(style_, text, style_.em * 34).c_str());
  ImGui::EndTooltip();
}

void Screen::timeline_mouse(const Panel& panel, std::size_t trace, Box box) {
  const Axis axis = panel_axis(frame_of(trace), box);
  app_.axis.x0 = axis.x0;
  app_.axis.x1 = axis.x1;
  ImGui::SetCursorScreenPos({box.x0, box.y0});
  ImGui::InvisibleButton(
      "time", {box.width(), box.height()},
      ImGuiButtonFlags_MouseButtonLeft | ImGuiButtonFlags_MouseButtonRight | ImGuiButtonFlags_MouseButtonMiddle);
  const ImGuiIO& io = ImGui::GetIO();
  const ImVec2 mouse = io.MousePos;
  const bool hovered = ImGui::IsItemHovered();
  const Picture& picture = drawn_.back().picture;
  Side& side = *app_.sides[trace];
  if (hovered) {
    pointed_ = axis;
    under_pointer_ = &panel;
    if (io.MouseWheel != 0) {
      const double per_notch = io.KeyCtrl ? 0.93 : io.KeyShift ? 0.5 : 0.8;
      app_.axis.zoom(mouse.x, std::pow(per_notch, static_cast<double>(io.MouseWheel)), app_.extent.begin, app_.extent.end);
    }
    if (const Rect* rect = picture.hit(mouse.x, mouse.y); rect != nullptr && !drag_) show_tip(rect->ref, trace);
    for (int button = 0; button < 3; ++button) {
      if (!ImGui::IsMouseClicked(button)) continue;
      app_.active = trace;
      drag_ = Drag{&panel,  trace,  button, button == 1 || (button == 0 && io.KeyShift), false, axis.place(mouse.x),
                   mouse.x, mouse.y};
    }
  }
  if (!drag_ || drag_->panel != &panel || drag_->trace != trace) return;
  const ImVec2 pressed = io.MouseClickedPos[drag_->button];
  const float far = std::max(std::abs(mouse.x - pressed.x), std::abs(mouse.y - pressed.y));
  drag_->moved = drag_->moved || far >= kClick * app_.scale;
  if (drag_->moved && drag_->pan) {
    app_.axis.pan(static_cast<double>(drag_->x - mouse.x), app_.extent.begin, app_.extent.end);
    side.scroll[panel] += drag_->y - mouse.y;
  } else if (drag_->moved) {
    const Place now = axis.place(std::clamp(mouse.x, axis.x0, axis.x1));
    app_.range_from = std::min(drag_->from, now);
    app_.range_to = std::max(drag_->from, now);
  }
  drag_->x = mouse.x;
  drag_->y = mouse.y;
  if (io.MouseDown[drag_->button]) return;

  if (!drag_->moved && drag_->button == 0) {
    const Rect* rect = picture.hit(mouse.x, mouse.y);
    if (mouse.x >= axis.x0) move_cursor(app_, axis.place(mouse.x));
    if (rect != nullptr) act_on(rect->ref, trace);
    if (rect == nullptr && panel.click == Panel::Click::unselect) select(app_, "");
    app_.reveal = false;
    app_.playing = false;
  } else if (drag_->moved && drag_->button == 2 && has_range(app_)) {
    show_range(app_, *app_.range_from, *app_.range_to);
    app_.range_from.reset();
    app_.range_to.reset();
  }
  drag_.reset();
}

void Screen::list_mouse(const Panel& panel, std::size_t trace, Box box) {
  ImGui::SetCursorScreenPos({box.x0, box.y0});
  const bool clicked = ImGui::InvisibleButton("things", {box.width(), box.height()});
  if (!ImGui::IsItemHovered()) return;
  under_pointer_ = &panel;
  const ImGuiIO& io = ImGui::GetIO();
  const Picture& picture = drawn_.back().picture;
  if (io.MouseWheel != 0 && picture.content_height > box.height()) {
    float& scroll = app_.sides[trace]->scroll[panel];
    scroll = std::clamp(scroll - io.MouseWheel * 3 * style_.em, 0.0F, picture.content_height - box.height());
  }
  const Rect* rect = picture.near(io.MousePos.x, io.MousePos.y, panel.reach * style_.em);
  if (rect == nullptr) {
    if (clicked && panel.click == Panel::Click::next_statistic) apply(app_, Command::next_statistic);
    return;
  }
  // One picture of all traces says which one each thing is of.
  const std::size_t whose = panel.shared ? rect->ref.trace : trace;
  show_tip(rect->ref, whose);
  if (!clicked) return;
  app_.active = whose;
  act_on(rect->ref, whose);
  if (panel.reach > 0) {
    const Side& side = *app_.sides[whose];
    app_.message = side.name + ": " + request_in_a_line(*side.model, rect->ref.id);
  }
}

void Screen::words(const Panel& panel, Box box) {
  const std::string text = panel.words(scene_of(app_.active));
  ImGui::SetCursorScreenPos({box.x0, box.y0});
  ImGui::BeginChild(panel.name, {box.width(), box.height()});
  // By keys through the application, by the wheel through Dear ImGui.
  float& scroll = app_.side().scroll[panel];
  if (scroll != words_scroll_[panel]) {
    scroll = std::clamp(scroll, 0.0F, ImGui::GetScrollMaxY());
    ImGui::SetScrollY(scroll);
  } else {
    scroll = ImGui::GetScrollY();
  }
  words_scroll_[panel] = scroll;
  ImGui::TextUnformatted(in_lines(style_, text, box.width() - ImGui::GetStyle().ScrollbarSize).c_str());
  ImGui::EndChild();
}

void Screen::sliders(Box box) {
  Side& side = app_.side();
  ImGui::SetCursorScreenPos({box.x0, box.y0});
  ImGui::BeginChild("what if", {box.width(), box.height()});
  if (side.scenario.empty()) {
    ImGui::PushTextWrapPos(0);
    ImGui::TextUnformatted("A recorded trace is as it is. Open a scenario to vary it: tokenyard view SCENARIO");
    ImGui::PopTextWrapPos();
    ImGui::EndChild();
    return;
  }
  const float label = style_.em * 7;
  for (std::size_t i = 0; i < knobs().size(); ++i) {
    const std::vector<std::string> choices = knob_choices(side, i);
    const auto now = std::find(choices.begin(), choices.end(), knob_value(side, i));
    if (now == choices.end()) continue;  // the scenario has none: a GPU under a constant step time
    int at = static_cast<int>(now - choices.begin());
    ImGui::PushID(static_cast<int>(i));
    ImGui::AlignTextToFramePadding();
    ImGui::TextColored(
        ImGui::ColorConvertU32ToFloat4(packed(rgb_of(app_.theme, i == app_.knob ? Tone::highlight : Tone::text))), "%s",
        knobs()[i].label);
    ImGui::SameLine(label);
    ImGui::SetNextItemWidth(-1);
    // The value in words, whatever its place.
    std::string shown;
    for (const char c : *now) shown += c == '%' ? std::string("%%") : std::string(1, c);
    if (ImGui::SliderInt("##value", &at, 0, static_cast<int>(choices.size()) - 1, shown.c_str(), ImGuiSliderFlags_NoInput)) {
      app_.knob = i;
      turn_knob(app_, i, choices[static_cast<std::size_t>(at)]);
    }
    remember(knobs()[i].label);
    ImGui::PopID();
  }
  if (button("Keep this run beside", "The next runs are compared with it (Shift+I)")) apply(app_, Command::pin);
  ImGui::SameLine();
  if (button("As it was", "All sliders back (Backspace)")) turn_knobs_back(app_);
  if (app_.what_if && app_.what_if->busy()) {
    ImGui::SameLine();
    ImGui::TextUnformatted("simulating ...");
  }
  ImGui::EndChild();
}

}  // namespace tokenyard::viz
