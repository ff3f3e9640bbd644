// What a student's file gives to the grader. It defines one of these functions, with C linkage, as the file to begin with does.
#pragma once

#include <cstddef>
#include <vector>

namespace tokenyard {

struct PolicyTraits;

// A block manager as chapters 4 and 5 have it. Blocks are 0 .. num_blocks-1; a sequence's table lists the blocks that hold its
// tokens, block_size in each, the last one partly filled.
class StudentBlocks {
 public:
  virtual ~StudentBlocks() = default;
  // A new sequence with this text. Returns how many of its first tokens are in blocks that were found, so that they need not be
  // computed; -1, with nothing changed, when too few blocks are free.
  virtual int admit(int sequence, const std::vector<int>& text) = 0;
  // The sequence has one more token. False, with nothing changed, when it needs a block and none is free.
  virtual bool append(int sequence, int token) = 0;
  // The sequence is over; what only it holds is free.
  virtual void release(int sequence) = 0;
  virtual std::vector<int> table(int sequence) const = 0;
  virtual int num_free() const = 0;
};

}  // namespace tokenyard

// Exercises that say "grader": "policy", "blocks" and "sum".
extern "C" const tokenyard::PolicyTraits* policy();
extern "C" tokenyard::StudentBlocks* blocks(int num_blocks, int block_size);
// The sum of x[0] .. x[n-1], as a kernel would compute it for one of `rows` rows of a batch.
extern "C" float sum(const float* x, int n, int rows);
