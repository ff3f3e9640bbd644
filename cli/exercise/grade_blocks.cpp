#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "cli/exercise/graders.h"
#include "sim/random.h"

namespace tokenyard::cli {
namespace {

constexpr int kBlocks = 24, kBlockSize = 4, kOperations = 4000, kRounds = 5;

struct Wrong {
  std::string why;
};

// Lives of sequences, and beside them what each slot of the pool holds: a slot's content is named by the whole text up to it,
// as K/V depend on all of that.
class BlocksTrial {
 public:
  BlocksTrial(BlocksFunction* make, bool finds_prefixes, std::uint64_t seed)
      : blocks_(make(kBlocks, kBlockSize)), finds_prefixes_(finds_prefixes), random_(seed, 0, 0) {
    if (blocks_ == nullptr) throw Wrong{"blocks() returns no block manager"};
  }

  void run() {
    check("at the beginning");
    for (int i = 0; i < kOperations; ++i) {
      const double dice = random_.uniform();
      if (texts_.empty() || dice < 0.3) {
        admit();
      } else if (dice < 0.8) {
        append();
      } else {
        release();
      }
    }
    while (!texts_.empty()) release();
  }

 private:
  using Text = std::vector<int>;

  int below(int n) { return static_cast<int>(random_.uniform() * n); }
  int blocks_for(std::size_t tokens) const { return static_cast<int>((tokens + kBlockSize - 1) / kBlockSize); }

  // Some begin alike, and some say the same after different beginnings.
  Text make_text() {
    Text text;
    const int family = below(3), common = below(5 * kBlockSize), own = below(7);
    for (int i = 0; i < common; ++i) text.push_back(i < kBlockSize ? 1000 * family + i : i);
    for (int i = 0; i < own; ++i) text.push_back(100000 + 10 * next_ + i);
    if (text.empty()) text.push_back(0);
    return text;
  }

  // Whole blocks at the beginning of `text` that a live sequence has, with one token left to compute.
  int held_prefix(const Text& text) const {
    int most = 0;
    for (const auto& [id, other] : texts_) {
      const auto common =
          static_cast<int>(std::mismatch(text.begin(), text.end() - 1, other.begin(), other.end()).first - text.begin());
      most = std::max(most, common / kBlockSize * kBlockSize);
    }
    return most;
  }

  int free_blocks() const {
    std::set<int> held;
    for (const auto& [id, text] : texts_) {
      const std::vector<int> table = blocks_->table(id);
      held.insert(table.begin(), table.end());
    }
    return kBlocks - static_cast<int>(held.size());
  }

  void admit() {
    const int id = next_++;
    const Text text = make_text();
    const int held = finds_prefixes_ ? held_prefix(text) : 0;
    const int needed = blocks_for(text.size()) - held / kBlockSize;
    const int free = free_blocks();
    const int hit = blocks_->admit(id, text);
    const std::string what = fmt::format("admitting sequence {} of {} tokens", id, text.size());
    if (hit < 0) {
      if (needed <= free)
        throw Wrong{fmt::format("{}: refused, though it needs {} blocks and {} are free", what, needed, free)};
      return check(what + ", which is refused");
    }
    if (hit >= static_cast<int>(text.size()))
      throw Wrong{fmt::format("{}: all of it counts as found, so no token is left whose logits say the next one", what)};
    if (hit < held)
      throw Wrong{
          fmt::format("{}: {} tokens are found, and a live sequence holds {} of them in whole blocks", what, hit, held)};
    texts_[id] = text;
    check_table(id, what);
    for (std::size_t at = static_cast<std::size_t>(hit); at < text.size(); ++at) write(id, at);
    check(what);
  }

  void append() {
    const int id = any();
    Text& text = texts_[id];
    const int free = free_blocks();
    const bool needs_block = text.size() % kBlockSize == 0;
    const std::string what = fmt::format("appending a token to sequence {} of {} tokens", id, text.size());
    if (!blocks_->append(id, 200000 + id)) {
      if (!needs_block) throw Wrong{what + ": refused, though its last block has room"};
      if (free > 0) throw Wrong{fmt::format("{}: refused, though {} blocks are free", what, free)};
      check(what + ", which is refused");
      return release();  // make room
    }
    text.push_back(200000 + id);
    check_table(id, what);
    write(id, text.size() - 1);
    check(what);
  }

  void release() {
    const int id = any();
    blocks_->release(id);
    texts_.erase(id);
    check(fmt::format("releasing sequence {}", id));
  }

  int any() {
    auto it = texts_.begin();
    std::advance(it, below(static_cast<int>(texts_.size())));
    return it->first;
  }

  std::uint64_t content(const Text& text, std::size_t at) const {  // FNV-1a of the text up to there
    std::uint64_t hash = 14695981039346656037U;
    for (std::size_t i = 0; i <= at; ++i) hash = (hash ^ static_cast<std::uint64_t>(text[i])) * 1099511628211U;
    return hash;
  }

  void write(int id, std::size_t at) {
    const int block = blocks_->table(id)[at / kBlockSize];
    slots_[block * kBlockSize + static_cast<int>(at % kBlockSize)] = content(texts_[id], at);
  }

  void check_table(int id, const std::string& after) const {
    const std::vector<int> table = blocks_->table(id);
    const int needed = blocks_for(texts_.at(id).size());
    if (static_cast<int>(table.size()) != needed)
      throw Wrong{
          fmt::format("{}: its table has {} blocks, its {} tokens need {}", after, table.size(), texts_.at(id).size(), needed)};
    std::set<int> seen;
    for (const int block : table) {
      if (block < 0 || block >= kBlocks)
        throw Wrong{fmt::format("{}: its table names block {}, of blocks 0 to {}", after, block, kBlocks - 1)};
      if (!seen.insert(block).second) throw Wrong{fmt::format("{}: its table names block {} twice", after, block)};
    }
  }

  void check(const std::string& after) const {
    for (const auto& [id, text] : texts_) {
      check_table(id, after + fmt::format(" (looking at sequence {})", id));
      const std::vector<int> table = blocks_->table(id);
      for (std::size_t at = 0; at < text.size(); ++at) {
        const int block = table[at / kBlockSize];
        const auto slot = slots_.find(block * kBlockSize + static_cast<int>(at % kBlockSize));
        if (slot == slots_.end() || slot->second != content(text, at))
          throw Wrong{
              fmt::format("{}: sequence {} finds another text's K/V at its position {}, in block {}", after, id, at, block)};
      }
    }
    const int free = free_blocks();
    if (blocks_->num_free() != free)
      throw Wrong{fmt::format("{}: {} blocks are in no table, and num_free() says {}", after, free, blocks_->num_free())};
  }

  std::unique_ptr<StudentBlocks> blocks_;
  bool finds_prefixes_;
  Random random_;
  std::map<int, Text> texts_;           // live sequences
  std::map<int, std::uint64_t> slots_;  // block * kBlockSize + offset
  int next_ = 0;
};

}  // namespace

Verdict grade_blocks(const ExerciseCode& code, BlocksFunction* make) {
  try {
    for (std::uint64_t seed = 0; seed < kRounds; ++seed) BlocksTrial(make, code.finds_prefixes, seed).run();
  } catch (const Wrong& wrong) {
    return {false, {"not yet: " + wrong.why}};
  }
  return {true,
          {fmt::format("right: {} random operations, and every token stayed where its table says", kRounds * kOperations)}};
}

}  // namespace tokenyard::cli
