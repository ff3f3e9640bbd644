// Where two of the compared runs part, one place after the other, as core/trace/diff finds them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/trace/diff.h"

namespace tokenyard::viz {

struct App;
struct Side;

class Differences {
 public:
  // Of sides `a` and `b` of the application, as they are now.
  Differences(const App& app, std::size_t a, std::size_t b);

  // Whether it still tells of these two: neither has another run, or has grown.
  bool is_of(const App& app, std::size_t a, std::size_t b) const;
  std::size_t side(int which) const { return sides_[which]; }

  // The n-th, from 0; null: there are no more. Reads on as far as needed; throws InputError.
  const Parting* at(std::size_t n);
  // Where there is none at all: the steps, and what differs in time.
  std::int64_t steps() const { return comparison_.steps(); }
  const TimeChanges& times() const { return comparison_.times(); }

 private:
  struct Run {
    const void* model;
    std::int32_t steps;
    friend bool operator==(const Run&, const Run&) = default;
  };
  static Run run_of(const App& app, std::size_t side);

  std::size_t sides_[2];
  Run runs_[2];
  std::unique_ptr<TraceSource> sources_[2];
  TraceComparison comparison_;
  std::vector<Parting> found_;
};

// Goes to the first difference, or to the one after that which is shown: cursor, selection, and app.differences to be shown.
// What there is no difference to go to is said in app.message.
void go_to_first_difference(App& app);
void go_to_next_difference(App& app);

}  // namespace tokenyard::viz
