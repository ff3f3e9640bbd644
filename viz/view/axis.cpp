#include "viz/view/axis.h"

#include <algorithm>
#include <cmath>

#include <fmt/core.h>

#include "core/trace/reason_words.h"

namespace tokenyard::viz {
namespace {

constexpr Place kStep = 1'000'000;
constexpr Place kToken = 1'000;

// The part of [0, whole] that `part` of `of` is.
std::int64_t scaled(std::int64_t part, std::int64_t of, std::int64_t whole) {
  if (of <= 0) return 0;
  const double share = std::clamp(static_cast<double>(part) / static_cast<double>(of), 0.0, 1.0);
  return std::llround(share * static_cast<double>(whole));
}

std::string grouped(std::int64_t n) {
  std::string digits = std::to_string(n);
  for (auto i = std::ssize(digits) - 3; i > (n < 0 ? 1 : 0); i -= 3) digits.insert(static_cast<std::size_t>(i), ",");
  return digits;
}

}  // namespace

const char* name_of(Align align) {
  switch (align) {
    case Align::time: return "time";
    case Align::step: return "step";
    case Align::work: return "work";
    case Align::arrival: return "arrival";
  }
  return "?";
}

const char* title_of(Align align) { return align == Align::work ? "work done" : name_of(align); }

Clock::Clock(const TraceModel& model, Align align, std::int32_t request) : model_(&model), align_(align) {
  if (align == Align::arrival && request >= 0 && request < model.num_requests()) origin_ = model.request(request).begin;
}

Place Clock::place(TimeNs time) const {
  if (linear()) return time - origin_;
  const std::int32_t index = model_->step_at(time);
  if (index < 0) return 0;
  const Step& step = model_->step(index);
  if (align_ == Align::step) {
    const bool over = time >= step.end && step.end > step.start;
    return index * kStep + (over ? kStep : scaled(time - step.start, step.end - step.start, kStep));
  }
  return step.tokens_before * kToken + scaled(time - step.start, step.end - step.start, step.tokens() * kToken);
}

TimeNs Clock::time(Place place) const {
  if (linear()) return place + origin_;
  if (model_->num_steps() == 0) return 0;
  std::int64_t index = 0;
  if (align_ == Align::step) {
    index = std::clamp<std::int64_t>(place / kStep, 0, model_->num_steps() - 1);
    const Step& step = model_->step(static_cast<std::int32_t>(index));
    return step.start + scaled(place - index * kStep, kStep, step.end - step.start);
  }
  const auto steps = model_->steps();
  const auto after =
      std::upper_bound(steps.begin(), steps.end(), place, [](Place p, const Step& s) { return p < s.tokens_before * kToken; });
  index = std::max<std::int64_t>(0, after - steps.begin() - 1);
  const Step& step = steps[static_cast<std::size_t>(index)];
  return step.start + scaled(place - step.tokens_before * kToken, step.tokens() * kToken, step.end - step.start);
}

double Axis::x(Place place_on_axis) const {
  return static_cast<double>(x0) + static_cast<double>(place_on_axis - begin) / places_per_pixel();
}

Place Axis::place(double at) const { return begin + std::llround((at - static_cast<double>(x0)) * places_per_pixel()); }

double Axis::places_per_pixel() const {
  return static_cast<double>(std::max<Place>(1, end - begin)) / std::max(1.0, static_cast<double>(x1 - x0));
}

void Axis::show(Place from, Place to, Place least, Place most) {
  most = std::max(most, least + kNarrowest);
  const Place width = std::clamp(to - from, kNarrowest, most - least);
  begin = std::clamp(from - (width - std::max<Place>(0, to - from)) / 2, least, most - width);
  if (to - from > width) begin = std::clamp(from, least, most - width);
  end = begin + width;
}

void Axis::zoom(double at, double factor, Place least, Place most) {
  const double share = std::clamp((at - static_cast<double>(x0)) / std::max(1.0, static_cast<double>(x1 - x0)), 0.0, 1.0);
  const auto old = static_cast<double>(end - begin);
  const double wide =
      std::clamp(old * factor, static_cast<double>(kNarrowest), static_cast<double>(std::max(most - least, kNarrowest)));
  const Place from = begin + std::llround(share * (old - wide));
  show(from, from + std::llround(wide), least, most);
}

void Axis::pan(double pixels, Place least, Place most) {
  const Place by = std::llround(pixels * places_per_pixel());
  show(begin + by, end + by, least, most);
}

std::vector<double> round_values(double top, int most) {
  std::vector<double> out = {0};
  if (!(top >= 1) || most < 1) return out;
  double distance = 1;
  for (int i = 0; top / distance >= most + 1; ++i) distance = i % 3 == 1 ? distance / 2 * 5 : distance * 2;
  for (int i = 1; i * distance <= top; ++i) out.push_back(i * distance);
  return out;
}

std::string place_in_words(Align align, Place place) {
  if (align == Align::step) return "step " + grouped(place / kStep);
  if (align == Align::work) return grouped(place / kToken) + (place / kToken == 1 ? " token" : " tokens");
  return place == 0 ? "0 s" : time_in_words(place);
}

std::vector<Tick> ticks(const Axis& axis, Align align, float min_pixels) {
  std::vector<Tick> out;
  const Place unit = align == Align::step ? kStep : align == Align::work ? kToken : 1;
  const double least = axis.places_per_pixel() * static_cast<double>(min_pixels) / static_cast<double>(unit);
  std::int64_t distance = 1;
  for (int i = 0; static_cast<double>(distance) < least && distance < (std::int64_t{1} << 59); ++i) {
    distance = i % 3 == 1 ? distance / 2 * 5 : distance * 2;  // 1 2 5 10 20 50 ...
  }
  const Place apart = distance * unit;
  Place first = axis.begin / apart * apart;
  if (first < axis.begin) first += apart;
  for (Place p = first; p <= axis.end; p += apart) out.push_back({p, p == 0 ? "0" : place_in_words(align, p)});
  return out;
}

}  // namespace tokenyard::viz
