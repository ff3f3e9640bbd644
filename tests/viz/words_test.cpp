#include "viz/model/words.h"
#include "catch.h"
#include "core/trace/diff.h"
#include "core/trace/support.h"
#include "viz/model/model_builder.h"
#include "viz/model/prefix_tree.h"
#include "viz/view/panel.h"

using namespace tokenyard;
using namespace tokenyard::test;
using namespace tokenyard::viz;

namespace {

// Two requests that share their first block of 4 tokens; in step 2 the second one is preempted, in step 3 it resumes.
std::shared_ptr<const TraceModel> two_requests() {
  EngineConfig config;
  config.block_size = 4;
  config.num_blocks = 7;
  config.max_num_seqs = 4;
  config.max_num_batched_tokens = 16;
  ModelBuilder builder("two");
  builder.on_header(header_of(config));
  const auto join = [&](std::int32_t number, const std::string& id, TimeNs arrival) {
    JoinRecord record;
    record.request = number;
    record.at = 100;
    record.spec.id = id;
    record.spec.arrival = arrival;
    record.spec.prompt.append(1, 0, 4);
    record.spec.prompt.append(2 + number, 0, 2);
    record.spec.max_tokens = 3;
    record.spec.output_content = kOutputContents + number;
    return record;
  };
  JoinRecord never = join(2, "too, \"long\"", 60);
  never.refused = "the prompt is empty";
  builder.on_join(join(0, "a", 0));
  builder.on_join(join(1, "b", 50));
  builder.on_join(never);
  const auto step = [](std::int64_t number, TimeNs start) {
    StepRecord record;
    record.step = number;
    record.start = start;
    record.duration = 100;
    record.end = start + 100;
    record.parts.gemm = 60;
    record.parts.host = 40;
    return record;
  };
  StepRecord s0 = step(0, 100);
  s0.block_ids = {1, 2, 1, 3};
  s0.admitted = {{0, 0, 6, {0, 2}}, {1, 4, 2, {2, 2}}};
  builder.on_step(s0);
  builder.on_step(step(1, 200));
  StepRecord s2 = step(2, 300);
  s2.preempted = {{1, 0, {Cause::blocks, 1, 0}, 1}};
  s2.refused = {{1, {Cause::preemption, 1, 0}}};
  s2.finished = {{0, FinishReason::length}};
  builder.on_step(s2);
  StepRecord s3 = step(3, 500);
  s3.block_ids = {1, 4};
  s3.admitted = {{1, 4, 4, {0, 2}}};
  s3.refused_until = {{1, 2, {Cause::preemption, 1, 0}}};
  s3.finished = {{1, FinishReason::length}};
  builder.on_step(s3);
  builder.on_end(4, 600);
  return builder.take();
}

}  // namespace

TEST_CASE("Latencies, verdicts and sums, computed by hand", "[viz]") {
  const auto model = two_requests();
  Slo slo;
  slo.ttft = 175;
  const Latency latency = latency_of(*model, slo);
  CHECK(latency.joined == 3);
  CHECK(latency.completed == 2);
  CHECK(latency.ttft.percentile(0) == 150);    // b: 200 - 50
  CHECK(latency.ttft.percentile(100) == 200);  // a
  CHECK(latency.good == 1);
  CHECK(latency.goodput() == Approx(1.0 / 3));
  CHECK(latency.e2el.percentile(100) == 550);  // b: 600 - 50
  CHECK(latency.tpot.percentile(0) == 100);
  CHECK(latency.tpot.percentile(100) == 200);
  CHECK(latency.itl.count() == 4);
  CHECK(latency.curves[0][200] == 200);
  const Verdict verdict = verdict_of(*model, latency);
  CHECK(verdict.makespan == 600);
  CHECK(verdict.refused == 1);
  CHECK(verdict.preemptions == 1);
  CHECK(verdict.tokens_per_s == Approx(1e7));  // 6 in 600 ns
  CHECK(verdict.hit_rate == Approx(4.0 / 12));
  Verdict other = verdict;
  other.makespan = 300;
  other.preemptions = 3;
  const Verdict both[] = {verdict, other};
  const std::vector<VerdictRow> rows = compare(both);
  CHECK(rows[0].values == std::vector<std::string>{"600 ns", "300 ns"});
  CHECK(rows[0].changes == std::vector<std::string>{"", "-50.0 %"});
  CHECK(rows[0].better == std::vector<int>{0, 1});
  const auto preemptions = std::find_if(rows.begin(), rows.end(), [](const VerdictRow& r) { return r.name == "preemptions"; });
  CHECK(preemptions->changes[1] == "+2");
  CHECK(preemptions->better[1] == -1);
  // What has no number is not judged, what never happened has no line.
  CHECK(rows[2].changes[1].empty());
  CHECK(rows[2].better[1] == 0);
  const auto line = [](const std::vector<VerdictRow>& all, const char* name) {
    return std::find_if(all.begin(), all.end(), [&](const VerdictRow& r) { return r.name == name; }) != all.end();
  };
  CHECK(line(rows, "refused"));
  CHECK(line(rows, "goodput"));
  other.tpot_p50 = 0;
  other.refused = 0;
  other.goodput.reset();
  const Verdict apart[] = {other, verdict}, alone[] = {other};
  const std::vector<VerdictRow> some = compare(apart);
  const auto tpot = std::find_if(some.begin(), some.end(), [](const VerdictRow& r) { return r.name == "TPOT P50"; });
  CHECK(tpot->values[0] == "-");
  CHECK(tpot->changes[1].empty());
  CHECK(tpot->better[1] == 0);
  CHECK(line(some, "refused"));
  CHECK_FALSE(line(compare(alone), "refused"));
  CHECK_FALSE(line(compare(alone), "goodput"));

  const RangeSum range = sum(*model, 200, 500);
  CHECK(range.first_step == 1);
  CHECK(range.end_step == 3);
  CHECK(range.busy == 200);
  // Of the steps at either end the half.
  CHECK(sum(*model, 150, 350).busy == 200);
  CHECK(range.parts.gemm == 120);
  CHECK(range.decode_tokens == 3);
  CHECK(range.prefill_tokens == 0);
  CHECK(range.marks[static_cast<int>(Mark::preempted)] == 1);
  CHECK(range.marks[static_cast<int>(Mark::refused)] == 0);
  CHECK(range.finished == 1);
}

TEST_CASE("Why a step was as it was", "[viz]") {
  const auto model = two_requests();
  Seeker seeker(*model);
  const auto said = [&](std::int32_t step) {
    std::string out;
    for (const Sentence& s : explain(*model, seeker.seek(step))) out += s.text + "\n";
    return out;
  };
  CHECK(said(0) ==
        "too, \"long\" is refused: the prompt is empty\n"
        "a is admitted: computes 6 tokens from position 0\n"
        "b is admitted: computes 2 tokens from position 4, 1 block found in the prefix cache\n");
  CHECK(said(1) == "2 requests decode a token\n");
  CHECK(said(2) ==
        "b is preempted for a, which needs 1 block, 0 free; frees 1 block\n"
        "b is not admitted: waits because the step preempts 1 request\n"
        "1 request decodes a token\n"
        "1 request leaves at its end\n");
  CHECK(said(3) ==
        "b resumes: computes 4 tokens from position 4, 1 block found in the prefix cache\n"
        "1 request leaves at its end\n");
  CHECK(explain(*model, seeker.seek(-1)).empty());
  CHECK(explain(*model, seeker.seek(2))[0].request == 1);
  CHECK(block_in_words(*model, seeker.seek(1), 1) ==
        "block 1: shared by 2 requests, can be found\nholds block 0 of a\nhanded out in step 0, last touched in step 0");
  CHECK(request_in_words(*model, 1) ==
        "b: length\n6 prompt tokens, 3 tokens made of at most 3, sent at 50 ns\n"
        "TTFT 150 ns, TPOT 200 ns, end to end 550 ns\n"
        "of 550 ns: queued 50 ns (9 %), prefill 200 ns (36 %), decode 100 ns (18 %), preempted 200 ns (36 %)\n"
        "4 tokens found in the prefix cache\npreempted 1 time");
  Scene scene;
  scene.frames.resize(1);
  Frame& frame = scene.frames.front();
  const Latency latency = latency_of(*model, {});
  const Verdict verdict = verdict_of(*model, latency);
  const std::vector<Sentence> sentences = explain(*model, seeker.seek(1));
  frame.model = model.get();
  frame.request = 1;
  frame.step = 1;
  frame.moment = &seeker.moment();
  frame.sentences = &sentences;
  frame.latency = &latency;
  frame.verdict = &verdict;
  const std::string text = describe(scene);
  CHECK(text.find("block table:\n  0 -> 1  4/4  shared by 2\n  1 -> 3  3/4\n") != std::string::npos);
  CHECK(text.find("  preempted 300 ns to 500 ns\n") != std::string::npos);
}

TEST_CASE("CSV of a selection", "[viz]") {
  const auto model = two_requests();
  CHECK(requests_csv(*model, 0, 1000) ==
        "request,id,arrival_ns,joined_ns,end_ns,reason,prompt_tokens,output_tokens,cached_tokens,preemptions,ttft_ns,tpot_ns,"
        "e2el_ns\n"
        "0,a,0,100,400,length,6,3,0,0,200,100,400\n"
        "1,b,50,100,600,length,6,3,4,1,150,200,550\n"
        "2,\"too, \"\"long\"\"\",60,100,100,refused,6,0,0,0,,,\n");
  const std::string steps = steps_csv(*model, 250, 350);
  CHECK(std::count(steps.begin(), steps.end(), '\n') == 3);
  CHECK(steps.find("\n1,200,300,100,60,0,0,0,0,40,0,2,0,2,0,2,0,0,0,0,3,0,0\n") != std::string::npos);
}

TEST_CASE("The prefix cache is a tree of beginnings", "[viz]") {
  const auto model = two_requests();
  Seeker seeker(*model);
  const std::vector<PrefixNode> tree = prefix_tree(*model, seeker.seek(1));
  REQUIRE(tree.size() == 3);
  CHECK(tree[0].blocks == std::vector<BlockId>{1});
  CHECK(tree[0].references == 2);
  CHECK(tree[0].weight == 3);
  CHECK(tree[1].parent == 0);
  CHECK(tree[1].blocks == std::vector<BlockId>{2});
  CHECK(!tree[1].findable);
  CHECK(tree[2].blocks == std::vector<BlockId>{3});
  CHECK(path_of(tree, seeker.moment(), 1) == std::vector<std::int32_t>{0, 2});
  // In step 3 a is gone; its full second block stays findable below the first one, beside b's new one.
  const std::vector<PrefixNode> later = prefix_tree(*model, seeker.seek(3));
  std::vector<std::vector<BlockId>> blocks;
  for (const PrefixNode& node : later) blocks.push_back(node.blocks);
  CHECK(blocks.front() == std::vector<BlockId>{1});
  CHECK(std::find(blocks.begin(), blocks.end(), std::vector<BlockId>{2}) != blocks.end());
}

TEST_CASE("Every live or cached block is in the prefix tree once, below what came before it", "[viz]") {
  Dice dice(9);
  for (int round = 0; round < 20; ++round) {
    EngineConfig config = random_engine_config(Policy::vllm_v1, dice);
    config.enable_prefix_caching = round % 4 != 0;
    TestBackend backend;
    ModelBuilder builder("random");
    run_traced(config, random_workload(dice, config, 60), backend, builder);
    const TraceModel& model = builder.model();
    Seeker seeker(model);
    for (std::int32_t s = 0; s < model.num_steps(); s += 7) {
      const Moment& moment = seeker.seek(s);
      const std::vector<PrefixNode> tree = prefix_tree(model, moment);
      REQUIRE(keeps_prefixes(model) == config.enable_prefix_caching);
      if (!config.enable_prefix_caching) {
        REQUIRE(tree.empty());
        continue;
      }
      std::vector<int> seen(moment.blocks.size());
      for (std::size_t i = 0; i < tree.size(); ++i) {
        REQUIRE(tree[i].parent < static_cast<std::int32_t>(i));
        for (const BlockId id : tree[i].blocks) ++seen[static_cast<std::size_t>(id)];
        if (tree[i].parent >= 0) {
          const BlockId above = tree[static_cast<std::size_t>(tree[i].parent)].blocks.back();
          REQUIRE(moment.blocks[static_cast<std::size_t>(tree[i].blocks.front())].parent == above);
        }
      }
      for (std::size_t b = 0; b < seen.size(); ++b) {
        const Block& block = moment.blocks[b];
        const bool alive = block.owner >= 0 && (block.references > 0 || block.findable);
        REQUIRE(seen[b] == (alive ? 1 : 0));
      }
    }
  }
}

TEST_CASE("A step where two traces part is the same index in their models", "[viz]") {
  Dice dice(3);
  const EngineConfig config = random_engine_config(Policy::vllm_v1, dice);
  const auto write = [&](const std::string& name, std::int32_t blocks) {
    EngineConfig own = config;
    own.num_blocks = blocks;
    Dice same(4);
    TestBackend backend;
    const std::string path = temporary(name);
    TraceWriter writer(path);
    run_traced(own, random_workload(same, own, 40), backend, writer);
    return path;
  };
  const std::string a = write("a.trace", config.num_blocks);
  const std::string b = write("b.trace", config.num_blocks);
  const auto first_in_time = [](const std::string& left, const std::string& right) {
    TraceReader one(left), other(right);
    TraceComparison comparison(one, other, {.ignore_time = true});
    CHECK_FALSE(comparison.next());
    return comparison.times().first;
  };
  CHECK(first_in_time(a, b) == -1);
  // The third line is the first one after two joins or so: a later step differs in its time.
  std::string text = contents(a);
  const std::size_t at = text.find("{\"step\":5,");
  REQUIRE(at != std::string::npos);
  const std::size_t duration = text.find("\"dur\":1000", at);
  text.replace(duration, 10, "\"dur\":999");
  std::ofstream(temporary("c.trace"), std::ios::binary) << text;
  const std::int64_t other = first_in_time(a, temporary("c.trace"));
  REQUIRE(other >= 0);
  ModelBuilder builder("a");
  TraceReader reader(a);
  builder.on_header(reader.header());
  while (pass_on(reader, builder) != TraceSource::Kind::none) {
  }
  CHECK(builder.model().step(static_cast<std::int32_t>(other)).number == 5);
}
