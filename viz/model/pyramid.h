// Sums of 8, 64, 512 ... neighbouring items, appended to as items are completed.
#pragma once

#include <cstddef>
#include <vector>

namespace tokenyard::viz {

// Node has `void add(const Node& next)`; a fresh one is the sum of nothing.
template <typename Node>
class Pyramid {
 public:
  static constexpr std::size_t kFanBits = 3;
  static constexpr std::size_t kFan = 1 << kFanBits;

  void push(const Node& item) {
    open_.add(item);
    if (++in_open_ < kFan) return;
    Node full = open_;
    open_ = Node{};
    in_open_ = 0;
    for (std::size_t level = 0;; ++level) {
      if (level == levels_.size()) levels_.emplace_back();
      std::vector<Node>& nodes = levels_[level];
      nodes.push_back(full);
      if (nodes.size() % kFan != 0) return;
      full = Node{};
      for (std::size_t i = nodes.size() - kFan; i < nodes.size(); ++i) full.add(nodes[i]);
    }
  }

  // Of items first .. end-1, all of them pushed; item(i) gives what was pushed as the i-th. O(log items).
  template <typename Item>
  Node sum(std::size_t first, std::size_t end, Item&& item) const {
    Node out;
    const auto level_0 = [&](std::size_t from, std::size_t to) {
      for (; from < to; ++from) out.add(item(from));
    };
    if (first / kFan >= end / kFan || levels_.empty()) {
      level_0(first, end);
      return out;
    }
    std::size_t from = (first + kFan - 1) / kFan;
    std::size_t to = end / kFan;
    level_0(first, from * kFan);
    level_0(to * kFan, end);
    for (std::size_t level = 0; from < to; ++level) {
      const std::vector<Node>& nodes = levels_[level];
      const bool top = level + 1 == levels_.size() || from / kFan >= to / kFan;
      while (from < to && (top || from % kFan != 0)) out.add(nodes[from++]);
      while (from < to && to % kFan != 0) out.add(nodes[--to]);
      from /= kFan;
      to /= kFan;
    }
    return out;
  }

  // levels()[0] holds sums of 8 items.
  const std::vector<std::vector<Node>>& levels() const { return levels_; }
  std::size_t bytes() const {
    std::size_t all = 0;
    for (const std::vector<Node>& nodes : levels_) all += nodes.capacity() * sizeof(Node);
    return all;
  }
  void shrink() {
    for (std::vector<Node>& nodes : levels_) nodes.shrink_to_fit();
  }

 private:
  Node open_{};
  std::size_t in_open_ = 0;
  std::vector<std::vector<Node>> levels_;
};

}  // namespace tokenyard::viz
