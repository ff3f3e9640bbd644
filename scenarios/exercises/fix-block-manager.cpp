// A block manager: gives each sequence the blocks its tokens need. One thing is wrong.
#include <map>
#include <vector>

#include "cli/exercise/student.h"

namespace {

class Mine final : public tokenyard::StudentBlocks {
 public:
  Mine(int num_blocks, int block_size) : block_size_(static_cast<std::size_t>(block_size)) {
    for (int block = 0; block < num_blocks; ++block) free_.push_back(block);
  }

  int admit(int sequence, const std::vector<int>& text) override {
    Sequence& one = sequences_[sequence];
    one.length = text.size();
    while (one.table.size() * block_size_ < one.length) {
      if (free_.empty()) return -1;
      take(one);
    }
    return 0;
  }

  bool append(int sequence, int /*token*/) override {
    Sequence& one = sequences_[sequence];
    if (one.length == one.table.size() * block_size_) {
      if (free_.empty()) return false;
      take(one);
    }
    ++one.length;
    return true;
  }

  void release(int sequence) override {
    for (const int block : sequences_[sequence].table) free_.push_back(block);
    sequences_.erase(sequence);
  }

  std::vector<int> table(int sequence) const override { return sequences_.at(sequence).table; }
  int num_free() const override { return static_cast<int>(free_.size()); }

 private:
  struct Sequence {
    std::vector<int> table;
    std::size_t length = 0;  // tokens
  };

  void take(Sequence& one) {
    one.table.push_back(free_.back());
    free_.pop_back();
  }

  std::size_t block_size_;
  std::vector<int> free_;
  std::map<int, Sequence> sequences_;
};

}  // namespace

extern "C" tokenyard::StudentBlocks* blocks(int num_blocks, int block_size) { return new Mine(num_blocks, block_size); }
