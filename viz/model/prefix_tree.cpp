#include "viz/model/prefix_tree.h"

#include <algorithm>

namespace tokenyard::viz {

bool keeps_prefixes(const TraceModel& model) {
  return block_rules(model.header().engine).findable != BlockRules::Findable::never;
}

std::vector<PrefixNode> prefix_tree(const TraceModel& model, const Moment& moment) {
  if (!keeps_prefixes(model)) return {};
  const auto size = static_cast<std::int32_t>(moment.blocks.size());
  const auto at = [&](BlockId id) -> const Block& { return moment.blocks[static_cast<std::size_t>(id)]; };
  const auto alive = [&](const Block& block) { return block.owner >= 0 && (block.references > 0 || block.findable); };
  // A block that was handed out again after its child was is somebody else now.
  const auto parent_of = [&](const Block& block) {
    if (block.parent < 0) return -1;
    const Block& parent = at(block.parent);
    return alive(parent) && parent.taken <= block.taken && parent.index + 1 == block.index ? block.parent : -1;
  };
  // Children of each block, by block id: a linked list, filled backwards.
  std::vector<BlockId> first_child(moment.blocks.size(), -1);
  std::vector<BlockId> sibling(moment.blocks.size(), -1);
  std::vector<BlockId> roots;
  for (BlockId id = size; id-- > 0;) {
    if (!alive(at(id))) continue;
    const BlockId parent = parent_of(at(id));
    if (parent < 0) {
      roots.push_back(id);
    } else {
      sibling[static_cast<std::size_t>(id)] = first_child[static_cast<std::size_t>(parent)];
      first_child[static_cast<std::size_t>(parent)] = id;
    }
  }
  struct Pending {
    BlockId block;
    std::int32_t parent;  // node
  };
  std::vector<Pending> pending;
  for (const BlockId id : roots) pending.push_back({id, -1});  // last in, first out: ascending
  std::vector<PrefixNode> tree;
  while (!pending.empty()) {
    const auto [begin, parent] = pending.back();
    pending.pop_back();
    const auto index = static_cast<std::int32_t>(tree.size());
    PrefixNode& node = tree.emplace_back();
    const Block& head = at(begin);
    node.parent = parent;
    node.depth = parent < 0 ? 0 : tree[static_cast<std::size_t>(parent)].depth + 1;
    node.first = head.index;
    node.references = head.references;
    node.findable = head.findable;
    node.orphan = parent < 0 ? head.index > 0 : tree[static_cast<std::size_t>(parent)].orphan;
    BlockId id = begin;
    while (true) {
      const Block& block = at(id);
      node.blocks.push_back(id);
      node.touched = std::max(node.touched, block.touched);
      node.request = block.owner;
      const BlockId child = first_child[static_cast<std::size_t>(id)];
      const bool goes_on = child >= 0 && sibling[static_cast<std::size_t>(child)] < 0 &&
                           at(child).references == node.references && at(child).findable == node.findable;
      if (!goes_on) break;
      id = child;
    }
    // The children came backwards into a list by ascending id; the last one pushed is the first one visited.
    std::vector<BlockId> children;
    for (BlockId c = first_child[static_cast<std::size_t>(id)]; c >= 0; c = sibling[static_cast<std::size_t>(c)]) {
      children.push_back(c);
    }
    for (auto c = children.rbegin(); c != children.rend(); ++c) pending.push_back({*c, index});
  }
  for (auto node = tree.rbegin(); node != tree.rend(); ++node) {
    node->weight += static_cast<std::int32_t>(node->blocks.size());
    if (node->parent >= 0) tree[static_cast<std::size_t>(node->parent)].weight += node->weight;
  }
  return tree;
}

std::vector<std::int32_t> path_of(const std::vector<PrefixNode>& tree, const Moment& moment, std::int32_t request) {
  std::vector<std::int32_t> path;
  const std::vector<BlockId>* table = moment.table_of(request);
  if (table == nullptr || table->empty()) return path;
  std::vector<bool> held(moment.blocks.size());
  for (const BlockId id : *table) held[static_cast<std::size_t>(id)] = true;
  for (std::int32_t i = 0; i < std::ssize(tree); ++i) {
    if (held[static_cast<std::size_t>(tree[static_cast<std::size_t>(i)].blocks.front())]) path.push_back(i);
  }
  return path;
}

}  // namespace tokenyard::viz
