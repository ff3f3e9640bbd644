#include "viz/model/moment.h"

#include <algorithm>
#include <utility>

#include "viz/model/block_log.h"

namespace tokenyard::viz {
namespace {

// Calls each(block) for the IDS at `word`; returns where the next operation begins.
template <typename Each>
std::uint64_t for_ids(const std::vector<std::int32_t>& log, std::uint64_t word, Each&& each) {
  const std::uint64_t end = word + 1 + static_cast<std::uint64_t>(log[word]);
  BlockId last = 0;
  for (++word; word < end; ++word) {
    const std::int32_t value = log[word];
    if (value >= 0) {
      each(last = value);
    } else {
      for (std::int32_t i = value; i < 0; ++i) each(++last);
    }
  }
  return end;
}

}  // namespace

const std::vector<BlockId>* Moment::table_of(std::int32_t request) const {
  const auto found = std::find_if(seated.begin(), seated.end(), [&](const Seated& s) { return s.request == request; });
  return found == seated.end() ? nullptr : &found->table;
}

void Seeker::reset() {
  moment_ = {};
  moment_.blocks.resize(static_cast<std::size_t>(model_->header().engine.num_blocks));
  at_ = 0;
}

const Moment& Seeker::seek(std::int32_t step) {
  const std::uint64_t target = step < 0 ? 0 : model_->step(step).log;
  if (static_cast<std::int32_t>(moment_.blocks.size()) != model_->header().engine.num_blocks) reset();
  // A keyframe helps when it lies between here and there, or behind there.
  const auto& keyframes = model_->keyframes_;
  const auto after = std::upper_bound(keyframes.begin(), keyframes.end(), target,
                                      [](std::uint64_t at, const auto& keyframe) { return at < keyframe->at; });
  const TraceModel::Keyframe* keyframe = after == keyframes.begin() ? nullptr : std::prev(after)->get();
  if (keyframe != nullptr && (at_ > target || at_ < keyframe->at)) {
    moment_ = keyframe->moment;
    at_ = keyframe->at;
  } else if (at_ > target) {
    reset();
  }
  replay(target);
  return moment_;
}

const Moment& Seeker::seek_end() {
  if (model_->num_steps() > 0 && moment_.step != model_->num_steps() - 1) seek(model_->num_steps() - 1);
  replay(model_->log_.size());
  moment_.step = -1;
  moment_.taken.clear();
  moment_.evicted.clear();
  moment_.shared.clear();
  moment_.held.clear();
  return moment_;
}

// A pool is larger than the caches near a core, and blocks are handed out in no order: their fetches run ahead.
void Seeker::fetch(BlockId id) const { __builtin_prefetch(&moment_.blocks[static_cast<std::size_t>(id)], 1); }

void Seeker::take(std::vector<BlockId>& table, std::int32_t request, BlockId id) {
  Block& block = moment_.blocks[static_cast<std::size_t>(id)];
  if (block.findable) {
    moment_.evicted.push_back(id);
    if (block.references == 0) --moment_.cached_blocks;
  }
  moment_.taken.push_back(id);
  const BlockId parent = table.empty() ? -1 : table.back();
  block = {1, request, static_cast<std::int32_t>(table.size()), parent, moment_.step, moment_.step, false};
  ++moment_.used_blocks;
  table.push_back(id);
}

void Seeker::give_back(BlockId id) {
  Block& block = moment_.blocks[static_cast<std::size_t>(id)];
  block.touched = moment_.step;
  if (--block.references > 0) return;
  --moment_.used_blocks;
  if (block.findable) ++moment_.cached_blocks;
}

void Seeker::replay(std::uint64_t to) {
  const std::vector<std::int32_t>& log = model_->log_;
  std::uint64_t word = at_;
  const auto seat = [&](std::int32_t request) {
    return std::find_if(moment_.seated.begin(), moment_.seated.end(),
                        [&](const Moment::Seated& s) { return s.request == request; });
  };
  const auto mark = [&](BlockId id, bool findable) {
    Block& block = moment_.blocks[static_cast<std::size_t>(id)];
    if (block.references == 0 && block.findable != findable) moment_.cached_blocks += findable ? 1 : -1;
    block.findable = findable;
  };
  while (word < to) {
    const auto op = static_cast<BlockOp>(log[word]);
    const std::int32_t first = log[word + 1];
    switch (op) {
      case BlockOp::step:
        moment_.step = first;
        moment_.taken.clear();
        moment_.evicted.clear();
        moment_.shared.clear();
        word += 2;
        break;
      case BlockOp::admit: {
        std::vector<BlockId>& table = moment_.seated.emplace_back(Moment::Seated{first, {}}).table;
        const std::int32_t hits = log[word + 2];
        for_ids(log, word + 3, [&](BlockId id) { fetch(id); });
        word = for_ids(log, word + 3, [&](BlockId id) {
          if (static_cast<std::int32_t>(table.size()) >= hits) return take(table, first, id);
          Block& block = moment_.blocks[static_cast<std::size_t>(id)];
          if (block.references++ == 0) {
            ++moment_.used_blocks;
            --moment_.cached_blocks;
          }
          block.touched = moment_.step;
          moment_.shared.push_back(id);
          table.push_back(id);
        });
        break;
      }
      case BlockOp::grow: {
        std::vector<BlockId>& table = seat(first)->table;
        for_ids(log, word + 2, [&](BlockId id) { fetch(id); });
        word = for_ids(log, word + 2, [&](BlockId id) { take(table, first, id); });
        break;
      }
      case BlockOp::move: {
        std::vector<BlockId>& table = seat(first)->table;
        const std::vector<BlockId> old = std::exchange(table, {});
        word = for_ids(log, word + 2, [&](BlockId id) { take(table, first, id); });
        for (const BlockId id : old) give_back(id);
        break;
      }
      case BlockOp::waste:
        word = for_ids(log, word + 1, [&](BlockId id) {
          if (moment_.blocks[static_cast<std::size_t>(id)].findable) moment_.evicted.push_back(id);
          mark(id, false);
        });
        break;
      case BlockOp::leave: {
        const auto seated = seat(first);
        for (const BlockId id : seated->table) fetch(id);
        for (const BlockId id : seated->table) give_back(id);
        moment_.seated.erase(seated);
        word += 2;
        break;
      }
      case BlockOp::publish: {
        const std::vector<BlockId>& table = seat(first)->table;
        for (std::int32_t i = log[word + 2]; i < log[word + 3]; ++i) mark(table[static_cast<std::size_t>(i)], true);
        word += 4;
        break;
      }
      case BlockOp::findable:
      case BlockOp::unfindable: word = for_ids(log, word + 1, [&](BlockId id) { mark(id, op == BlockOp::findable); }); break;
      case BlockOp::hold:
        moment_.held.push_back(first);
        word += 2;
        break;
      case BlockOp::unhold:
        std::erase(moment_.held, first);
        word += 2;
        break;
    }
  }
  at_ = to;
}

std::int32_t computed_tokens(const TraceModel& model, std::int32_t request, std::int32_t step) {
  const std::int32_t index = model.span_in(request, step);
  if (index < 0) return 0;
  const Span& span = model.request(request).spans[static_cast<std::size_t>(index)];
  switch (span.phase()) {
    case Phase::queued:
    case Phase::preempted: return 0;
    case Phase::prefill: return span.computed() + model.tokens_of(request, index);
    case Phase::decode: return span.computed() + std::min(step - span.step + 1, model.tokens_of(request, index));
    case Phase::stalled:
    case Phase::padding: break;
  }
  return span.computed();
}

std::vector<MomentRow> rows_of(const TraceModel& model, const Moment& moment) {
  std::vector<MomentRow> rows;
  for (const Moment::Seated& seated : moment.seated) {
    const std::int32_t index = model.span_in(seated.request, moment.step);
    const Span& span = model.request(seated.request).spans[static_cast<std::size_t>(index)];
    const std::int32_t after = computed_tokens(model, seated.request, moment.step);
    const std::int32_t tokens = span.phase() == Phase::decode    ? 1
                                : span.phase() == Phase::prefill ? after - span.computed()
                                                                 : 0;
    rows.push_back({seated.request, span.phase(), after - tokens, tokens});
  }
  return rows;
}

std::vector<Fill> fills_of(const TraceModel& model, const Moment& moment) {
  const std::int32_t size = model.header().engine.block_size;
  std::vector<Fill> fills(moment.blocks.size());
  for (std::size_t b = 0; b < fills.size(); ++b) {
    if (moment.blocks[b].findable) fills[b].used = size;
  }
  for (const Moment::Seated& seated : moment.seated) {
    const Request& request = model.request(seated.request);
    const std::int32_t computed = computed_tokens(model, seated.request, moment.step);
    const bool ended =
        model.span_in(seated.request, moment.step) >= 0 &&
        request.spans[static_cast<std::size_t>(model.span_in(seated.request, moment.step))].phase() == Phase::padding;
    const std::int32_t at_end = ended ? computed : std::max(computed, request.expected_kv);
    std::int32_t first = 0;
    for (const BlockId id : seated.table) {
      Fill& fill = fills[static_cast<std::size_t>(id)];
      fill.used = std::max(fill.used, std::clamp(computed - first, 0, size));
      fill.later = std::clamp(at_end - first - fill.used, 0, size - fill.used);
      first += size;
    }
  }
  return fills;
}

}  // namespace tokenyard::viz
