// The viewer without a display: one picture of a moment.
#pragma once

#include "viz/draw/screen.h"
#include "viz/host/image.h"

namespace tokenyard::viz {

// A Dear ImGui context with the viewer's font and no window behind it. One at a time.
class Headless {
 public:
  // `scale` is the application's, whose font is loaded.
  Headless(int width, int height, float scale);
  ~Headless();
  Headless(const Headless&) = delete;
  Headless& operator=(const Headless&) = delete;

  void frame(Screen& screen);
  // Of the latest frame.
  Image picture(Theme theme) const;
  bool has_font() const { return has_font_; }  // DejaVu Sans; else pictures look otherwise

 private:
  int width_, height_;
  bool has_font_;
};

// The same application gives the same bytes.
Image take_picture(App& app, int width, int height);

}  // namespace tokenyard::viz
