// The application drawn with Dear ImGui, and the mouse. The keyboard comes through on_key.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "viz/app/app.h"

namespace tokenyard::viz {

// What was drawn and where: what a pointer hits, in tests too.
struct Drawn {
  const Panel* panel;
  std::size_t trace;
  Picture picture;
};

class Screen {
 public:
  static constexpr float kNarrow = 36;                           // lines of text
  static constexpr float kLeastSide = 0.15F, kMostSide = 0.75F;  // width of the right column, of all

  explicit Screen(App& app) : app_(app) {}

  // Between ImGui::NewFrame and Render.
  void draw(float width, float height);
  void on_key(const KeyPress& press);
  void carry_out(const Action& action);

  const std::vector<Drawn>& drawn() const { return drawn_; }
  const Drawn* find(const Panel& panel, std::size_t trace = 0) const;
  // Buttons and sliders by their names.
  const std::map<std::string, Box>& controls() const { return controls_; }
  // The words of the colours and patterns that were explained, in titles and at the bottom.
  const std::set<std::string>& explained() const { return explained_; }
  const Picture& overview_of(std::size_t trace) const { return overviews_[trace]; }
  // How far what was drawn reached: nothing may lie outside of the window.
  Box extent() const { return {0, 0, width_, height_}; }

 private:
  void use_style();
  void decide_panels(float columns_height);
  void toolbar();
  void menu();
  void in_popup();
  float overview_strip(float top);
  void columns(Box box);
  void too_narrow(Box box);
  void column(Box box, const std::vector<const Panel*>& panels, std::size_t trace);
  void panel(const Panel& panel, std::size_t trace, Box box);
  void choose_panel(int by);
  void explain(const Panel& panel, Box box) const;
  void title(const Panel& panel, std::size_t trace, Box box);
  void content(const Panel& panel, std::size_t trace, Box box);
  void picture(const Panel& panel, std::size_t trace, Box box);
  void timeline_mouse(const Panel& panel, std::size_t trace, Box box);
  void list_mouse(const Panel& panel, std::size_t trace, Box box);
  void scrollbar(const Panel& panel, std::size_t trace, Box box, float content);
  void overlay(std::size_t trace, Box box);
  void sliders(Box box);
  void words(const Panel& panel, Box box);
  void lesson(Box box);
  float lesson_height() const;
  // A telephone held upright has no room for columns: the active run's panels stand below each other.
  bool narrow() const { return width_ < kNarrow * style_.em && height_ > width_; }
  float lesson_wrap() const { return width_ - 4 * style_.em; }
  float ruler_above(Box box, std::size_t trace);
  float status_height(std::span<const Meaning> meanings) const;
  float legend_height();
  void status(Box box);
  void help();
  void search_box();
  void banner();
  void difference(float bottom);
  void parting(const Parting& parting);
  void time_changes();
  bool button(const char* name, const char* tip);
  void remember(const char* name);
  void act_on(const Ref& ref, std::size_t trace);
  void show_tip(const Ref& ref, std::size_t trace) const;
  Frame frame_of(std::size_t trace) const { return viz::frame_of(app_, trace, &style_); }
  Scene scene_of(std::size_t trace) const { return viz::scene_of(app_, trace, &style_); }
  bool is_highlighted(const Panel& panel) const;
  bool page_needs(const Panel& panel) const;
  std::vector<const TraceModel*> models() const;
  std::vector<Meaning> meanings(bool with_titles) const;
  std::vector<Meaning> shown_meanings() const;
  std::vector<const Panel*> column_of(bool of_trace) const;
  std::vector<const Panel*> shown_of(bool of_trace) const;
  float least_height(const Panel& panel) const;
  float share_of(const Panel& panel) const;

  App& app_;
  Style style_;
  float width_ = 0, height_ = 0;
  Box area_;  // of the panels
  std::optional<Theme> styled_theme_;
  float styled_scale_ = 0;
  std::vector<Drawn> drawn_;
  std::vector<Picture> overviews_;
  std::map<std::string, Box> controls_;
  std::optional<Axis> pointed_;  // the axis under the pointer in this frame
  const Panel* under_pointer_ = nullptr;
  std::vector<const Panel*> panels_;  // drawn in this frame, each once
  float right_share_ = 0;             // of the columns' width, in it
  bool explain_ = false;              // the panel that was just chosen
  bool popup_open_ = false;           // the menu or a list, in the latest frame,
  bool close_popup_ = false;          // and a key has closed it
  std::set<std::string> explained_;
  PerPanel<float> words_scroll_;  // as panels of words were drawn latest
  std::set<const Panel*> unexplained_,
      explained_below_;  // panels without room for their legend, in this frame and the one before
  std::map<const Panel*, Occurring> occurs_, occurred_;  // what the panels show, likewise
  std::vector<const TraceModel*> legend_of_;             // for these, at this width and scale,
  float legend_width_ = 0, legend_scale_ = 0;
  float legend_height_ = 0;  // the line at the bottom has been as high

  // A mouse button held down.
  struct Drag {
    const Panel* panel;
    std::size_t trace = 0;
    int button = 0;
    bool pan = false;
    bool moved = false;
    Place from = 0;
    float x = 0, y = 0;  // of the pointer, at its latest move
  };
  std::optional<Drag> drag_;
};

}  // namespace tokenyard::viz
