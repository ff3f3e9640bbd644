// The prefix cache at one moment as a tree: blocks that hold the same beginning are one node.
#pragma once

#include <cstdint>
#include <vector>

#include "viz/model/moment.h"

namespace tokenyard::viz {

// A run of blocks of which each has one successor, and that the same number of requests hold.
struct PrefixNode {
  std::int32_t parent = -1;  // index of a node before this one; -1: begins a text
  std::int32_t depth = 0;    // nodes above it
  std::int32_t first = 0;    // position of its first block in a table
  std::vector<BlockId> blocks;
  std::int32_t references = 0;
  std::int32_t touched = -1;  // the latest step in which one of its blocks was taken, hit or given back
  std::int32_t weight = 0;    // blocks in it and everything below it
  std::int32_t request = -1;  // the last owner
  bool findable = true;       // false: tail that cannot be hit yet
  bool orphan = false;        // what came before it was evicted: it can't be hit either
};

// Whether this run keeps blocks for their contents at all.
bool keeps_prefixes(const TraceModel& model);
// Parents before children, siblings by block id. Every block that is held or cached is in one node. Empty where the run keeps
// no prefixes. O(blocks).
std::vector<PrefixNode> prefix_tree(const TraceModel& model, const Moment& moment);
// Nodes that hold a block of `request`, from the root on.
std::vector<std::int32_t> path_of(const std::vector<PrefixNode>& tree, const Moment& moment, std::int32_t request);

}  // namespace tokenyard::viz
