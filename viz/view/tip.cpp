#include "viz/view/tip.h"

#include <fmt/core.h>

namespace tokenyard::viz {

std::string tip(const Frame& frame, const Moment& moment, const std::vector<PrefixNode>& tree, const Ref& ref) {
  const TraceModel& model = *frame.model;
  const auto several = [&](const char* what) {
    return ref.count > 1 ? fmt::format("\n{} {} here", ref.count, what) : std::string();
  };
  switch (ref.kind) {
    case Ref::Kind::none:
    case Ref::Kind::time: return {};
    case Ref::Kind::request: return request_in_words(model, ref.id);
    case Ref::Kind::sentence: return ref.id < 0 ? std::string() : request_in_words(model, ref.id);
    case Ref::Kind::step:
      return ref.count == 1 ? step_in_words(model, ref.id) : column_in_words(model, ref.part, ref.part + ref.count);
    case Ref::Kind::span: {
      std::string out = request_in_words(model, ref.id);
      if (ref.count > 1 || ref.part < 0) return out + several("spans");
      const Span& span = model.request(ref.id).spans[static_cast<std::size_t>(ref.part)];
      const TimeNs end = model.end_of(ref.id, ref.part);
      out += fmt::format("\n{} for {}", name_of(span.phase()), short_time(static_cast<double>(end - span.begin)));
      if (const std::int32_t tokens = model.tokens_of(ref.id, ref.part); tokens > 0) {
        out += fmt::format(", {} token{} from position {}", tokens, tokens == 1 ? "" : "s", span.computed());
      }
      return out;
    }
    case Ref::Kind::block:
      if (ref.count == 1) return block_in_words(model, moment, ref.id);
      return fmt::format("blocks {} to {}\n", ref.id, ref.id + ref.count - 1) + block_in_words(model, moment, ref.id);
    case Ref::Kind::node: {
      const PrefixNode& node = tree[static_cast<std::size_t>(ref.id)];
      const std::int32_t size = model.header().engine.block_size;
      std::string out = fmt::format("{} tokens from position {}, held by {}", std::ssize(node.blocks) * size, node.first * size,
                                    node.references);
      if (node.orphan) out += "\nwhat came before it was evicted: it cannot be found";
      if (node.request >= 0) out += "\nlast handed out to " + model.request(node.request).id;
      if (node.touched >= 0) out += fmt::format("\nlast touched in step {}", model.step(node.touched).number);
      return out + several("nodes");
    }
    case Ref::Kind::mark: {
      const Event& event = model.events()[static_cast<std::size_t>(ref.id)];
      return fmt::format("{} {}", model.request(event.request).id, name_of(event.mark)) + several("of them");
    }
  }
  return {};
}

}  // namespace tokenyard::viz
