// Draws one lane: a request's spans, or what happened on a seat, however many there are.
#pragma once

#include <cstddef>
#include <cstdint>

#include "viz/view/layout.h"

namespace tokenyard::viz {

Pattern pattern_of(Phase phase);

// Lays out one lane into cells. Spans and sums of spans narrower than `fold` pixels are merged with their neighbours; a mark
// among the merged is shown as a tick above the cell.
class LanePen {
 public:
  // `crowded`: sums are taken apart only where they are two folds wide. No more than about `most` rectangles in `out`: see
  // full().
  LanePen(const Frame& frame, const Projector& projector, float fold, bool crowded, std::size_t most, Picture& out);

  // Where the next lane lies.
  void row(float y0, float y1) {
    y0_ = y0;
    y1_ = y1;
  }
  bool full() const { return out_.rects.size() > most_; }

  // Spans first .. end-1 of a request.
  void request(std::int32_t number, std::int32_t first, std::int32_t end);
  void seat(const Seat& seat);
  // The mark of how a request ended, at its end.
  void end_cap(std::int32_t number);

 private:
  void in_two(const Sitting& s, LaneNode sum, float x0, float x1);
  void two(const Sitting& s, const LaneNode& sum, Phase rest, float x0, float middle, float x1);
  bool as_whole(const Sitting& s, const LaneNode& sum, bool in_sight, float x0, float x1);
  void sitting(const Seat& seat, std::size_t index);
  template <typename Enter, typename Leaf, typename Few>
  void walk(const Pyramid<LaneNode>& pyramid, std::size_t first, std::size_t end, Enter&& enter, Leaf&& leaf_of, Few&& few_of);
  bool few(const Request& r, std::int32_t number, std::size_t first, std::size_t end, TimeNs until = kNever);
  void leaf(const Request& r, std::int32_t number, std::int32_t index, TimeNs until = kNever);
  void small(const LaneNode& node, float x);
  void gather(float x);
  void flush();
  void tick(std::uint8_t marks, float x, std::int32_t request);

  const Frame& frame_;
  const Projector& projector_;
  const TraceModel& model_;
  float fold_;
  float whole_;  // a sum narrower than this is not taken apart
  std::size_t most_;
  Picture& out_;
  float y0_ = 0;
  float y1_ = 0;
  // Of what is being gathered into one cell:
  std::int32_t request_ = -1;
  std::int32_t span_ = -1;
  bool open_ = false;
  float column_ = 0;
  LaneNode sum_;
  Ref ref_;
};

}  // namespace tokenyard::viz
