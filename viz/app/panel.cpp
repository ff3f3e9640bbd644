#include "viz/app/panel.h"

#include <array>

namespace tokenyard::viz {
namespace {

constexpr std::array<PanelInfo, kPanels> kInfo = {{
    {"requests", "Requests",
     "A lane a request. Grey: waits. Blue: its prompt is computed, a mark a chunk, hollow where the prefix cache had it.\n"
     "Green: a token a step. Yellow: holds memory, not in this batch. Crossed out: padding. Hatched: preempted, to be computed "
     "again.",
     true, 6, 3},
    {"steps", "Step latency", "A bar a step: how long it took, and what for. The batch panel shows what caused it.", true, 5,
     1.4F},
    {"batch", "Batch", "A bar a step: tokens computed for prompts and for answers, against the token budget and the seats.",
     true, 5, 1.4F},
    {"counters", "Counters", "What ran, waited, filled the memory and came out, over time.", true, 6, 1.6F},
    {"blocks", "KV blocks",
     "The pool at the cursor, a cell a block, coloured by the request that holds it. Filled as far as it holds keys and "
     "values, faint where its owner will write, hatched where nobody will.\n"
     "Framed: shared. One stroke: free, but cached. Bright: just taken. Crossed: just evicted. The line joins the selected "
     "request's blocks.",
     false, 6, 2.4F},
    {"table", "Block table",
     "The selected request's blocks: its own order on the left, where they lie in the pool on the right.", false, 4, 1},
    {"prefix", "Prefix cache", "Cached beginnings as a tree: each row goes on where the one above ends; width is blocks.",
     false, 5, 1.2F},
    {"latency", "Latency", "Share of requests that were at least this fast, and the usual percentiles.", false, 5.5F, 1.6F},
    {"why", "Why?", "What the scheduler decided in this step, and with which numbers.", false, 5, 1.8F},
    {"compare", "Comparison", "The runs' results beside each other; changes are against the first.", false, 14, 2},
    {"details", "Selection", "The selected request and range in words.", false, 4, 1.4F},
    {"what-if", "What if?", "Move a slider and the scenario runs again.", false, 13, 1.6F},
}};

}  // namespace

const PanelInfo& info_of(Panel panel) { return kInfo[static_cast<std::size_t>(panel)]; }

std::optional<Panel> parse_panel(std::string_view name) {
  for (std::size_t i = 0; i < kInfo.size(); ++i) {
    if (name == kInfo[i].name) return static_cast<Panel>(i);
  }
  return std::nullopt;
}

std::string panel_names() {
  std::string out;
  for (const PanelInfo& info : kInfo) out += (out.empty() ? "" : ", ") + std::string(info.name);
  return out;
}

}  // namespace tokenyard::viz
