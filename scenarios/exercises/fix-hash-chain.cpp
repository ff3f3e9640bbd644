// A block manager that finds full blocks by what they hold, as long as a live sequence holds them. One thing is wrong.
#include <map>
#include <vector>

#include "cli/exercise/student.h"

namespace {

class Mine final : public tokenyard::StudentBlocks {
 public:
  Mine(int num_blocks, int block_size)
      : block_size_(static_cast<std::size_t>(block_size)), references_(static_cast<std::size_t>(num_blocks)) {
    for (int block = 0; block < num_blocks; ++block) free_.push_back(block);
  }

  int admit(int sequence, const std::vector<int>& text) override {
    std::vector<int> table;
    const std::size_t most = (text.size() - 1) / block_size_;  // one token is left to compute
    while (table.size() < most) {
      const auto found = index_.find(key(text, table.size()));
      if (found == index_.end()) break;
      table.push_back(found->second);
    }
    const std::size_t hits = table.size();
    const std::size_t needed = (text.size() + block_size_ - 1) / block_size_ - hits;
    if (needed > free_.size()) return -1;
    for (const int block : table) ++references(block);
    for (std::size_t i = 0; i < needed; ++i) table.push_back(take());
    sequences_[sequence] = {text, table};
    for (std::size_t i = hits; i < text.size() / block_size_; ++i) publish(sequences_[sequence], i);
    return static_cast<int>(hits * block_size_);
  }

  bool append(int sequence, int token) override {
    Sequence& one = sequences_[sequence];
    if (one.text.size() == one.table.size() * block_size_) {
      if (free_.empty()) return false;
      one.table.push_back(take());
    }
    one.text.push_back(token);
    if (one.text.size() % block_size_ == 0) publish(one, one.table.size() - 1);
    return true;
  }

  void release(int sequence) override {
    for (const int block : sequences_[sequence].table) {
      if (--references(block) > 0) continue;
      std::erase_if(index_, [&](const auto& entry) { return entry.second == block; });
      free_.push_back(block);
    }
    sequences_.erase(sequence);
  }

  std::vector<int> table(int sequence) const override { return sequences_.at(sequence).table; }
  int num_free() const override { return static_cast<int>(free_.size()); }

 private:
  using Key = std::vector<int>;
  struct Sequence {
    std::vector<int> text, table;
  };

  // What block number `i` of a text is found by.
  Key key(const std::vector<int>& text, std::size_t i) const {
    const auto begin = text.begin() + static_cast<std::ptrdiff_t>(i * block_size_);
    return Key(begin, begin + static_cast<std::ptrdiff_t>(block_size_));
  }

  int& references(int block) { return references_[static_cast<std::size_t>(block)]; }

  int take() {
    const int block = free_.back();
    free_.pop_back();
    references(block) = 1;
    return block;
  }

  void publish(const Sequence& one, std::size_t i) { index_.emplace(key(one.text, i), one.table[i]); }

  std::size_t block_size_;
  std::vector<int> references_;  // tables that hold a block
  std::vector<int> free_;
  std::multimap<Key, int> index_;  // several blocks may hold the same
  std::map<int, Sequence> sequences_;
};

}  // namespace

extern "C" tokenyard::StudentBlocks* blocks(int num_blocks, int block_size) { return new Mine(num_blocks, block_size); }
