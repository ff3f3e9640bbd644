#include "viz/view/projector.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace tokenyard::viz {

Projector::Projector(const Frame& frame, const Axis& axis)
    : x0_(axis.x0),
      x1_(axis.x1),
      from_(axis.begin),
      to_(axis.end),
      end_x_(static_cast<float>(
          std::clamp(axis.x(frame.clock->end()), static_cast<double>(axis.x0), static_cast<double>(axis.x1)))),
      begin_(frame.clock->time(axis.begin)),
      end_(frame.clock->time(axis.end)) {
  if (frame.clock->linear()) {
    pixels_per_ns_ = 1 / axis.places_per_pixel();
    return;
  }
  for (float at = x0_; at <= x1_; at += 1) times_.push_back(frame.clock->time(axis.place(static_cast<double>(at))));
  // As many slots of equal time as there are pixels.
  slots_per_ns_ = static_cast<double>(times_.size()) / (static_cast<double>(std::max<TimeNs>(1, end_ - begin_)) + 1);
  slots_.resize(slot(std::max(begin_, end_)) + 2, static_cast<std::int32_t>(times_.size()));
  for (std::size_t i = times_.size(); i-- > 0;)
    slots_[slot(std::clamp(times_[i], begin_, end_))] = static_cast<std::int32_t>(i);
  for (std::size_t i = slots_.size() - 1; i-- > 0;) slots_[i] = std::min(slots_[i], slots_[i + 1]);
}

float Projector::x(TimeNs time) const {
  if (time < begin_) return x0_ - 1;
  if (time > end_) return x1_ + 1;
  if (times_.empty()) return x0_ + static_cast<float>(static_cast<double>(time - begin_) * pixels_per_ns_);
  if (time != last_time_) last_x_ = std::min(tabled(time), end_x_);
  last_time_ = time;
  return last_x_;
}

std::size_t Projector::slot(TimeNs time) const {
  return static_cast<std::size_t>(static_cast<double>(time - begin_) * slots_per_ns_);
}

float Projector::tabled(TimeNs time) const {
  // The first one after `time`: its slot says where about.
  const std::size_t at = slot(time);
  const auto from = times_.begin() + slots_[at], to = times_.begin() + slots_[at + 1];
  const auto after = std::upper_bound(from, to, time);
  if (after == times_.begin()) return x0_;
  if (after == times_.end()) return x1_;
  const auto before = static_cast<double>(*std::prev(after));
  const double share = (static_cast<double>(time) - before) / (static_cast<double>(*after) - before);
  return x0_ + static_cast<float>(static_cast<double>(after - times_.begin() - 1) + share);
}

TimeNs Projector::time(float at) const {
  const double from = static_cast<double>(at - x0_);
  if (times_.empty()) return begin_ + std::llround(from / pixels_per_ns_);
  return times_[std::min(times_.size() - 1, static_cast<std::size_t>(std::max(0.0, from)))];
}

}  // namespace tokenyard::viz
