#include "viz/app/address.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>

#include "core/base/input_error.h"
#include "sim/lesson.h"
#include "viz/app/knobs.h"
#include "viz/view/comparison.h"

namespace tokenyard::viz {
namespace {

constexpr std::size_t kLongest = 8192;

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
    } else if (i + 2 < text.size() && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0) {
      out += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
      i += 2;
    } else {
      throw InputError("address: expected two hexadecimal digits behind \"%\"");
    }
  }
  return out;
}

// What stands for itself behind a "#", but for the signs that part one value from the next.
std::string encoded(std::string_view text) {
  constexpr std::string_view plain = "-_.~!*()/:@,=";
  std::string out;
  for (const char c : text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (letter || plain.find(c) != std::string_view::npos) {
      out += c;
    } else {
      constexpr char digits[] = "0123456789ABCDEF";
      const auto byte = static_cast<unsigned char>(c);
      out += {'%', digits[byte / 16], digits[byte % 16]};
    }
  }
  return out;
}

std::vector<std::string> split(std::string_view text, char at) {
  std::vector<std::string> out;
  while (true) {
    const std::size_t end = text.find(at);
    out.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return out;
    text.remove_prefix(end + 1);
  }
}

// A name becomes part of a file's path.
std::string checked_name(const std::string& key, const std::string& name) {
  const bool good = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
  if (!good) throw InputError("address: " + key + ": expected a name, found \"" + name + "\"");
  return name;
}

double number(const std::string& key, const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size())
    throw InputError("address: " + key + ": expected a number, found \"" + text + "\"");
  return value;
}

std::vector<std::string> two_moments(const std::string& key, const std::string& text) {
  std::vector<std::string> out = split(text, ',');
  if (out.size() != 2)
    throw InputError("address: " + key + ": expected two moments with a comma between, found \"" + text + "\"");
  return out;
}

// What a slider can be put to stays the slider's, so that it can be put back.
std::unique_ptr<Side> open_varied(const std::string& path, const std::optional<std::string>& variant,
                                  const std::vector<std::string>& set) {
  std::vector<std::string> fixed, turned;
  std::array<std::string, 10> varied;
  for (const std::string& override : set) {
    const std::size_t equals = std::min(override.find('='), override.size());
    const auto knob =
        std::find_if(knobs().begin(), knobs().end(), [&](const Knob& each) { return override.substr(0, equals) == each.path; });
    if (equals == override.size() || knob == knobs().end()) {
      fixed.push_back(override);
    } else {
      varied[static_cast<std::size_t>(knob - knobs().begin())] = override.substr(equals + 1);
      turned.push_back(override);
    }
  }
  std::vector<std::string> all = fixed;
  all.insert(all.end(), turned.begin(), turned.end());
  std::unique_ptr<Side> side = open_variant(path, variant, all);
  side->overrides.resize(side->overrides.size() - turned.size());
  side->varied = varied;
  const std::string words = varied_in_words(*side);
  if (!words.empty()) side->name += ", " + words;
  return side;
}

}  // namespace

Address parse_address(std::string_view text) {
  if (text.size() > kLongest) throw InputError("address: longer than " + std::to_string(kLongest) + " characters");
  Address out;
  std::vector<std::string> of_all;
  std::vector<std::vector<std::string>> of_one(kMostTraces);
  if (!text.empty() && text.front() == '#') text.remove_prefix(1);
  for (const std::string& part : split(text, '&')) {
    if (part.empty()) continue;
    const std::size_t equals = std::min(part.find('='), part.size());
    const std::string key = decoded(std::string_view(part).substr(0, equals));
    const std::string value = equals < part.size() ? decoded(std::string_view(part).substr(equals + 1)) : "";
    const auto text_of = [&](std::string& field) { field = value; };
    ViewState& view = out.view;
    if (key == "lesson") {
      out.lesson = checked_name(key, value);
    } else if (key == "page") {
      const double page = number(key, value);
      if (!(page >= 1 && page <= 1e6)) throw InputError("address: page: expected 1 or more, found " + value);
      out.page = static_cast<int>(page);
    } else if (key == "scenario") {
      for (const std::string& each : split(value, ',')) {
        const std::size_t colon = each.find(':');
        Address::Run run;
        run.scenario = checked_name(key, each.substr(0, colon));
        if (colon != std::string::npos) run.variant = each.substr(colon + 1);
        out.runs.push_back(std::move(run));
      }
      if (out.runs.size() > kMostTraces)
        throw InputError("address: scenario: expected 1 to " + std::to_string(kMostTraces) + " with commas between");
    } else if (key == "set") {
      of_all.push_back(value);
    } else if (key.size() == 4 && key.starts_with("set") && key[3] >= '1' && key[3] < '1' + static_cast<int>(kMostTraces)) {
      of_one[static_cast<std::size_t>(key[3] - '1')].push_back(value);
    } else if (key == "range") {
      view.range = two_moments(key, value);
    } else if (key == "mark") {
      view.mark = two_moments(key, value);
    } else if (key == "scale") {
      view.scale = number(key, value);
    } else if (key == "at") {
      text_of(view.at);
    } else if (key == "select") {
      text_of(view.select);
    } else if (key == "panels") {
      text_of(view.panels);
    } else if (key == "lanes") {
      text_of(view.lanes);
    } else if (key == "sort") {
      text_of(view.sort);
    } else if (key == "align") {
      text_of(view.align);
    } else if (key == "latency") {
      text_of(view.latency);
    } else if (key == "theme") {
      text_of(view.theme);
    } else {
      throw InputError("address: \"" + key +
                       "\" is none of lesson, page, scenario, set, set1 .. set4, at, range, mark, select, panels, lanes, sort, "
                       "align, latency, theme, scale");
    }
  }
  if (!out.lesson.empty() && !out.runs.empty()) throw InputError("address: a lesson brings its own scenario; it stands alone");
  if (!out.lesson.empty()) out.runs.resize(kMostTraces);
  for (std::size_t i = 0; i < kMostTraces; ++i) {
    if (i >= out.runs.size() && !of_one[i].empty())
      throw InputError("address: set" + std::to_string(i + 1) + ": there is no such run");
    if (i >= out.runs.size()) continue;
    out.runs[i].set = of_all;
    out.runs[i].set.insert(out.runs[i].set.end(), of_one[i].begin(), of_one[i].end());
  }
  return out;
}

std::string address_text(const Address& address) {
  std::string out;
  const auto add = [&](const std::string& key, const std::string& value) {
    if (!value.empty()) out += (out.empty() ? "" : "&") + key + "=" + encoded(value);
  };
  const auto two = [](const std::vector<std::string>& moments) {
    return moments.empty() ? "" : moments.front() + "," + moments.back();
  };
  add("lesson", address.lesson);
  if (address.page != 1) add("page", std::to_string(address.page));
  std::string scenarios;
  for (const Address::Run& run : address.runs) {
    if (run.scenario.empty()) continue;
    scenarios += (scenarios.empty() ? "" : ",") + run.scenario + (run.variant ? ":" + *run.variant : "");
  }
  add("scenario", scenarios);
  for (std::size_t i = 0; i < address.runs.size(); ++i) {
    for (const std::string& set : address.runs[i].set)
      add(address.runs.size() == 1 ? "set" : "set" + std::to_string(i + 1), set);
  }
  const ViewState& view = address.view;
  add("at", view.at);
  add("range", two(view.range));
  add("mark", two(view.mark));
  add("select", view.select);
  add("panels", view.panels);
  add("lanes", view.lanes);
  add("sort", view.sort);
  add("align", view.align);
  add("latency", view.latency);
  add("theme", view.theme);
  if (view.scale != 0) {
    std::string scale = std::to_string(view.scale);
    scale.erase(scale.find_last_not_of('0') + 1);
    if (scale.back() == '.') scale.pop_back();
    add("scale", scale);
  }
  return out;
}

void open_address(App& app, const Address& address, const std::string& scenarios) {
  if (!address.lesson.empty()) {
    open_lesson(app, load_lesson_pages(scenarios + "/lessons/" + address.lesson + ".json"));
    for (std::size_t i = 0; i < address.runs.size(); ++i) {
      std::vector<std::string> set = address.runs[i].set;
      if (i >= app.sides.size() || set.empty()) continue;
      set.insert(set.begin(), app.lesson->overrides.begin(), app.lesson->overrides.end());
      app.sides[i] = open_varied(app.lesson->scenario, app.lesson->variants[i], set);
      refresh(app, *app.sides[i]);
    }
    const int pages = static_cast<int>(app.lesson->pages.size());
    if (address.page > pages)
      throw InputError("address: page: expected 1 to " + std::to_string(pages) + ", found " + std::to_string(address.page));
    show_page(app, static_cast<std::size_t>(address.page) - 1);
  } else {
    if (address.runs.empty()) throw InputError("address: expected lesson=NAME or scenario=NAME");
    for (const Address::Run& run : address.runs) {
      add_side(app, open_varied(scenarios + "/" + run.scenario + ".json", run.variant, run.set));
    }
    show_all_requests(app);
    go_to_something(app);
  }
  apply_view(app, address.view, "address: ");
}

Address address_of(const App& app) {
  Address out;
  const bool files = std::any_of(app.sides.begin(), app.sides.end(), [](const auto& side) { return side->scenario.empty(); });
  if (files) return out;
  if (app.lesson) {
    out.lesson = std::filesystem::path(app.lesson->path).stem().string();
    out.page = static_cast<int>(app.page) + 1;
  }
  for (const auto& side : app.sides) {
    Address::Run run;
    std::vector<std::string> common;  // overrides of the variant
    const Lesson scenario = load_lesson(side->scenario);
    for (const Variant& variant : scenario.variants) {
      const bool begins = variant.overrides.size() <= side->overrides.size() &&
                          std::equal(variant.overrides.begin(), variant.overrides.end(), side->overrides.begin());
      // Of several the one with the most.
      if (!begins || (run.variant && variant.overrides.size() <= common.size())) continue;
      if (variant.overrides.empty() && scenario.variants.size() == 1) continue;
      run.variant = variant.name;
      common = variant.overrides;
    }
    std::size_t known = common.size();
    if (app.lesson) known = std::min(known + app.lesson->overrides.size(), side->overrides.size());
    run.set.assign(side->overrides.begin() + static_cast<std::ptrdiff_t>(known), side->overrides.end());
    for (std::size_t i = 0; i < knobs().size(); ++i) {
      if (!side->varied[i].empty()) run.set.push_back(std::string(knobs()[i].path) + "=" + side->varied[i]);
    }
    run.scenario = std::filesystem::path(side->scenario).stem().string();
    out.runs.push_back(std::move(run));
  }
  // A lesson's runs are its own, as long as none is kept beside them.
  if (app.lesson && app.sides.size() == app.lesson->variants.size()) {
    for (Address::Run& run : out.runs) {
      run.scenario.clear();
      run.variant.reset();
    }
  } else if (app.lesson) {
    out.lesson.clear();
    out.page = 1;
  }
  return out;
}

}  // namespace tokenyard::viz
