// What the viewer remembers: a file that a user may have edited.
#include "viz/app/settings.h"

#include <cstdlib>

#include "fuzz.h"

namespace tokenyard {

void fuzz(std::string_view text) {
  const viz::Settings settings = viz::parse_settings(text, "viewer.json");
  const std::string kept = viz::settings_text(settings);
  if (viz::settings_text(viz::parse_settings(kept, "viewer.json")) != kept) std::abort();
  viz::App app;
  viz::apply_settings(settings, app);
  if (!(app.scale >= 1 && app.scale <= 3) || !(app.side_share >= 0 && app.side_share <= 1)) std::abort();
}

}  // namespace tokenyard
