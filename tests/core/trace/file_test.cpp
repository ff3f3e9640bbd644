// The trace as a file: what is written is read back, and nothing else is.
#include <filesystem>
#include <fstream>
#include <sstream>

#include "catch.h"
#include "core/base/input_error.h"
#include "core/trace/state.h"
#include "core/trace/support.h"

#include <nlohmann/json.hpp>

using namespace tokenyard;
using namespace tokenyard::test;

namespace {

const char* const kHeader =
    R"({"tokenyard_trace":1,"program":"p","backend":"sim","engine":{"policy":"vllm_v1","num_blocks":9,"block_size":4}})";
const char* const kJoin = R"({"join":0,"id":"r0","step":0,"at":0,"arrival":0,"prompt":[[7,0,5]],"max_tokens":2})";

std::string error_of(const std::string& text) {
  try {
    TraceReader reader = reader_of(text);
    TraceState state(reader.header(), reader.name());
    while (apply_next(reader, state) != TraceReader::Kind::none) {
    }
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

std::string lines(std::initializer_list<std::string> all) {
  std::string text;
  for (const std::string& line : all) text += line + "\n";
  return text;
}

std::string contains_all_kinds() {
  StepRecord step;
  step.step = 3;
  step.start = 10;
  step.end = 25;
  step.duration = 12;
  step.parts = {1, 2, 3, 4, 5, -3};
  step.prefill_only = true;
  step.block_ids = {1, 2, 3, 4, 8, 6, 7, 5, 6, 7};
  step.admitted = {{0, 4, 3, {0, 5}}, {2, 0, 1, {5, 0}}};
  step.chunks = {{1, 7}};
  step.grown = {{1, {5, 2}}};
  step.moved = {{3, {7, 3}}};
  step.skipped = {4, 5};
  step.preempted = {{6, 1, {Cause::blocks, 2, 1}, 3}};
  step.refused = {{7, {Cause::token_budget, 2, 0}}};
  step.refused_until = {{7, 1, {Cause::seats, 257, 256}}};
  step.waited = {8, {Cause::batch_timeout, 50, 0}, 9};
  step.done = {{3, FinishReason::stop}};
  step.finished = {{1, FinishReason::length}, {2, FinishReason::kv_capacity}};
  step.unfindable = {3};
  step.findable = {4};
  step.tokens = {5, kUnnamedToken, kUnnamedEnd};
  const std::string path = temporary("kinds.trace");
  TraceWriter writer(path);
  EngineConfig config;
  config.num_blocks = 9;
  config.policy = Policy::nano_vllm;
  writer.on_header({"p 1", "sim", config, "{\"a\":\n 1}", "{}", ""});
  JoinRecord join;
  join.spec.id = "a\"b\\\n\xC3\xA9\xF0\x9F\x98\x80";
  join.spec.prompt.append(7, 3, 4);
  const Token ids[] = {1, 2, 3};
  join.spec.prompt.append(ids);
  join.spec.arrival = -5;
  join.spec.arrival_step = 0;
  join.spec.min_tokens = 1;
  join.spec.priority = -3;
  join.spec.ignore_eos = true;
  join.spec.stop_token_ids = {9, -1};
  join.spec.output_tokens = 0;
  join.spec.output_content = 12;
  join.spec.scripted_output = {4, 5};
  join.refused = "too long";
  writer.on_join(join);
  writer.on_step(step);
  writer.on_cancel({5, 4, 30, FinishReason::error, true});
  writer.on_cancel({5, 4, 30, FinishReason::cancelled, false});
  writer.on_end(4, 40);
  TraceReader reader(path);
  CHECK(reader.header() == TraceHeader{"p 1", "sim", config, "{\"a\":1}", "{}", ""});
  const std::vector<Record> records = read_all(reader);
  REQUIRE(records.size() == 5);
  CHECK(std::get<JoinRecord>(records[0]) == join);
  CHECK(std::get<StepRecord>(records[1]) == step);
  CHECK(std::get<CancelRecord>(records[2]) == CancelRecord{5, 4, 30, FinishReason::error, true});
  CHECK(std::get<CancelRecord>(records[3]) == CancelRecord{5, 4, 30, FinishReason::cancelled, false});
  CHECK(std::get<3>(records[4]) == std::pair<std::int64_t, TimeNs>(4, 40));
  return contents(path);
}

}  // namespace

TEST_CASE("a trace names vLLM's version, and is written as the oldest format that can") {
  const std::string path = temporary("version.trace");
  for (const VllmVersion version : {VllmVersion::v0_28, VllmVersion::v0_29, VllmVersion::v0_31, VllmVersion::v0_33}) {
    for (const Policy policy : {Policy::vllm_v1, Policy::nano_vllm}) {
      for (const bool async : {false, true}) {
        EngineConfig config;
        config.num_blocks = 9;
        config.policy = policy;
        if (policy == Policy::vllm_v1) config.vllm_version = version;
        config.async_scheduling = async;
        { TraceWriter(path).on_header({"p", "sim", config, "", "", ""}); }
        const std::string text = contents(path);
        CAPTURE(text);
        const bool named = policy == Policy::vllm_v1 && version != VllmVersion::v0_28;
        CHECK(text.rfind(std::string("{\"tokenyard_trace\":") + (named ? "3" : async ? "2" : "1"), 0) == 0);
        CHECK((text.find("vllm_version") != std::string::npos) == named);
        CHECK(reader_of(text).header().engine == config);
      }
    }
  }
}

TEST_CASE("Every field of every record survives the file", "[trace]") {
  const std::string text = contains_all_kinds();
  CHECK(text.find("[1,-3,8]") != std::string::npos);  // runs of blocks are shortened
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) CHECK(nlohmann::json::accept(line));
}

TEST_CASE("What is written is read back, for real runs of all policies", "[trace]") {
  const Policy policy = GENERATE(from_range(std::begin(all_policies()), std::end(all_policies())));
  Dice dice(11);
  for (int round = 0; round < 10; ++round) {
    const EngineConfig config = random_engine_config(policy, dice);
    const std::string path = temporary("round.trace");
    MemorySink memory;
    {
      TraceWriter writer(path);
      Tee both({&memory, &writer});
      TestBackend backend;
      run_traced(config, random_workload(dice, config, 30), backend, both);
    }
    TraceReader reader(path);
    CHECK(reader.header() == memory.header);
    CHECK(read_all(reader) == memory.records);
  }
}

TEST_CASE("A trace cut anywhere is read up to its last whole line", "[trace]") {
  const std::string text = random_trace(5, Policy::vllm_v1, 6);
  const std::size_t header = text.find('\n') + 1;
  for (std::size_t size = 0; size <= text.size(); ++size) {
    const std::string part = text.substr(0, size);
    if (size < header) {
      CHECK_THROWS_AS(reader_of(part), InputError);
      continue;
    }
    TraceReader reader = reader_of(part);
    const auto whole = static_cast<std::size_t>(std::count(part.begin(), part.end(), '\n')) - 1;
    if (read_all(reader).size() != whole) FAIL("cut at " << size);
    if (reader.cut_off() != (part.back() != '\n')) FAIL("cut at " << size);
  }
}

TEST_CASE("A trace that grows can be followed", "[trace]") {
  const std::string path = temporary("growing.trace");
  std::ofstream out(path, std::ios::binary);
  out << kHeader << "\n" << std::string(kJoin).substr(0, 20) << std::flush;
  TraceReader reader(path);
  CHECK(reader.next() == TraceReader::Kind::none);
  CHECK(reader.cut_off());
  out << std::string(kJoin).substr(20) << "\n" << std::flush;
  CHECK(reader.next() == TraceReader::Kind::join);
  CHECK_FALSE(reader.cut_off());
  CHECK(reader.join().spec.prompt.size() == 5);
}

TEST_CASE("A trace that replaces another is followed beside it, into its place and to its end", "[trace]") {
  const std::string path = temporary("replaced.trace");
  const std::string older = random_trace(5, Policy::vllm_v1, 2);
  std::ofstream(path, std::ios::binary) << older;
  EngineConfig config;
  config.num_blocks = 9;
  TraceWriter writer(path);
  writer.on_header(header_of(config));
  writer.flush();
  TraceReader follower(path + ".part");
  CHECK(follower.next() == TraceReader::Kind::none);
  CHECK(contents(path) == older);
  writer.on_end(0, 7);
  CHECK(contents(path) == older);
  writer.finish();
  CHECK(follower.next() == TraceReader::Kind::end);
  CHECK(contents(path) != older);
  CHECK_FALSE(std::filesystem::exists(path + ".part"));
}

TEST_CASE("A run that ends by an exception leaves the older trace, or none", "[trace]") {
  EngineConfig config;
  config.num_blocks = 9;
  const auto failing_run = [&](const std::string& path) {
    TraceWriter writer(path);
    writer.on_header(header_of(config));
    writer.flush();
    throw InputError("the run failed");
  };
  const std::string path = temporary("ended-early.trace");
  CHECK_THROWS_AS(failing_run(path), InputError);
  CHECK_FALSE(std::filesystem::exists(path));
  std::ofstream(path) << "older";
  CHECK_THROWS_AS(failing_run(path), InputError);
  CHECK(contents(path) == "older");
  CHECK_FALSE(std::filesystem::exists(path + ".part"));
}

TEST_CASE("A trace that cannot be written or read says so in one line", "[trace]") {
  CHECK_THROWS_WITH(TraceWriter(temporary("none/x.trace")), has_text("cannot be written"));
  CHECK_THROWS_AS(TraceReader(temporary("absent.trace")), InputError);
  CHECK_THROWS_AS(TraceReader(std::filesystem::temp_directory_path().string()), InputError);
  if (std::filesystem::exists("/dev/full")) {
    TraceWriter writer("/dev/full");
    EngineConfig config;
    config.num_blocks = 9;
    CHECK_THROWS_WITH(writer.on_header(header_of(config)), has_text("/dev/full: cannot be written: "));
  }
}

TEST_CASE("Whole but hostile traces are refused with file, place and reason", "[trace]") {
  const std::string h = kHeader;
  const std::string j = kJoin;
  const std::string step = R"({"step":0,"t":0,"dur":5,"admit":[[0,0,5,[1,2]]]})";
  REQUIRE(error_of(lines({h, j, step, R"({"step":1,"t":5,"dur":5,"finish":[[0,"length"]]})", R"({"end":2,"at":10})"})).empty());
  const auto engine = [](const std::string& fields) {
    return R"({"tokenyard_trace":1,"program":"p","backend":"sim","engine":{"num_blocks":9)" + fields + "}}";
  };
  const auto join = [](const std::string& from, const std::string& to) {
    std::string text = kJoin;
    const std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
  };
  const auto first_step = [&](const std::string& fields) { return lines({h, j, R"({"step":0,"t":0,"dur":5)" + fields + "}"}); };
  const auto second_step = [&](const std::string& fields) {
    return lines({h, j, step, R"({"step":1,"t":5,"dur":5)" + fields + "}"});
  };
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "expected a trace's header"},
      {"\n", "line 1: expected a trace, which begins {\"tokenyard_trace\":, found \"\""},
      {"\x7f"
       "ELF\n",
       "line 1: expected a trace"},
      {"{}", "found \"{}\" without an end of line"},
      {"[\"tokenyard_trace\"]\n", "line 1: /: expected an object"},
      {"{\"tokenyard_trace\" 1}\n", "line 1, column 20: expected JSON"},
      {lines({R"({"tokenyard_trace":4,"future":1})"}), "newer program"},
      {lines({R"({"tokenyard_trace":0})"}), "between 1"},
      {lines({engine(",\"seats\":1")}), "unknown key \"seats\""},
      {lines({engine(",\"policy\":\"best\"")}), "one of static, orca"},
      {lines({engine(",\"block_size\":0")}), "block_size"},
      {lines({engine(",\"block_size\":1.5")}), "block_size"},
      {lines({engine(",\"block_size\":null")}), "block_size"},
      {lines({engine(",\"max_num_seqs\":4000,\"max_num_batched_tokens\":8")}), "lower max_num_seqs"},
      {lines({R"({"tokenyard_trace":1,"program":"p","backend":"sim","engine":{"num_blocks":1000000000,"block_size":1}})"}),
       "at most 16777216 blocks"},
      {lines({R"({"tokenyard_trace":1,"program":"p","backend":"sim","engine":{"num_blocks":9},"model":[]})"}), "an object"},
      {lines({R"({"tokenyard_trace":1,"program":"p","backend":"sim","engine":{"num_blocks":9},"x":1})"}), "unknown key \"x\""},
      {lines({h, ""}), "expected '{', found the end of the line"},
      {lines({h, "x"}), "expected '{', found x"},
      {lines({h, "{}"}), "a name in quotes"},
      {lines({h, R"({"id":"r0","join":0})"}), "as the first key"},
      {lines({h, R"({"join":0})"}), "expected the key \"id\""},
      {lines({h, j + "x"}), "expected the end of the line"},
      {lines({h, j + "," + j}), "expected the end of the line"},
      {lines({h, join("\"join\":0", "\"join\":-1")}), "between 0"},
      {lines({h, join("\"join\":0", "\"join\":1")}), "expected request number 0"},
      {lines({h, join("\"join\":0", "\"join\":01")}), "an integer"},
      {lines({h, join("\"join\":0", "\"join\":2147483648")}), "an integer"},
      {lines({h, join("\"step\":0", "\"step\":1e3")}), "an integer"},
      {lines({h, join("\"step\":0", "\"step\":99999999999999999999")}), "an integer"},
      {lines({h, join("\"step\":0", "\"step\":NaN")}), "an integer"},
      {lines({h, join("\"step\":0", "\"step\":\"0\"")}), "an integer"},
      {lines({h, join("\"at\":0", "\"at\":0,\"at\":0")}), "stands twice"},
      {lines({h, join("\"at\":0", "\"at\":0,\"nice\":0")}), "unknown key \"nice\""},
      {lines({h, join("\"at\":0,", "")}), "expected the key \"at\""},
      {lines({h, join("r0", "r\\x")}), "an escape"},
      {lines({h, join("r0", "r\\ud800")}), "surrogate"},
      {lines({h, join("r0", "r\\u12")}), "hexadecimal"},
      {lines({h, join("r0", "r\xff")}), "UTF-8"},
      {lines({h, join("r0", "r\t")}), "control character"},
      {lines({h, join("[7,0,5]", "[7,0,0]")}), "an integer"},
      {lines({h, join("[7,0,5]", "[9007199254740992,0,5]")}), "an integer"},
      {lines({h, join("[7,0,5]", "[7,2147483647,5]")}), "an integer"},
      {lines({h, join("[7,0,5]", "[7,0,2147483647],[8,0,1]")}), "more than 2147483647"},
      {lines({h, join("[7,0,5]", "[7,0]")}), "expected ','"},
      {lines({h, join("[7,0,5]", "[[]]")}), "an integer"},
      {lines({h, join("[7,0,5]", "[7,0,5],")}), "expected '['"},
      {lines({h, R"({"step":0,"dur":5})"}), "expected the key \"t\""},
      {lines({h, R"({"step":0,"t":-1,"dur":5})"}), "an integer"},
      {lines({h, R"({"step":0,"t":9,"dur":5,"end":3})"}), "a time of at least 9"},
      {lines({h, R"({"step":0,"t":0,"dur":5,"ahead":true})"}), "the outcome of a step that is not there"},
      {second_step(",\"ahead\":true"), "the outcome of a step that is not there"},  // without async_scheduling nothing is ahead
      {second_step(",\"ahead\":1"), "true or false"},
      {lines({engine(",\"async_scheduling\":true,\"policy\":\"static\""), j}), "leave it out"},
      {lines({engine(",\"async_scheduling\":true"), j, step, R"({"step":1,"t":5,"dur":5,"ahead":true,"skip":[0]})",
              R"({"cancel":0,"step":2,"at":4,"reason":"stop","ahead":true})"}),
       "a time of at least 5"},
      {first_step(R"(,"parts":[1,2,3])"), "expected ','"},
      {first_step(R"(,"admit":[[0,0,5,[1,9]]])"), "an integer between"},
      {first_step(R"(,"admit":[[0,0,5,[-1]]])"), "an integer between"},
      {first_step(R"(,"admit":[[0,0,5,[1,-2000000000]]])"), "an integer between"},
      {first_step(R"(,"admit":[[0,0,5,[0,1]]])"), "expected a block between 1"},
      {first_step(R"(,"admit":[[0,0,5,[1,1]]])"), "not free"},
      {first_step(R"(,"admit":[[0,0,5,[1]]])"), "hold 4"},
      {first_step(R"(,"admit":[[0,0,6,[1,2]]])"), "5 are known"},
      {first_step(R"(,"admit":[[0,4,1,[1,2]]])"), "was not findable"},
      {first_step(R"(,"admit":[[0,3,1,[1,2]]])"), "hits 3"},
      {first_step(R"(,"admit":[[1,0,5,[1,2]]])"), "that has joined"},
      {first_step(R"(,"admit":[[0,0,5,[1,2]],[0,0,5,[3,4]]])"), "a waiting request"},
      {first_step(R"(,"chunk":[[0,1]])"), "not running"},
      {first_step(R"(,"preempt":[[0,0,"blocks",1,0,1]])"), "a running request"},
      {first_step(R"(,"preempt":[[0,0,"hunger",1,0,1]])"), "a cause"},
      {first_step(R"(,"refused_until":[[0,"blocks",1,0,0]])"), "did not begin"},
      {first_step(R"(,"refuse":[[0,"blocks",1,0],[0,"blocks",1,0]])"), "stands already"},
      {first_step(R"(,"refuse":[[5,"blocks",1,0]])"), "that has joined"},
      {first_step(R"(,"finish":[[0,"length"]])"), "a running request"},
      {first_step(R"(,"done":[[0,"stop"]])"), "static batch"},
      {first_step(R"(,"unfindable":[9])"), "an integer"},
      {first_step(R"(,"tokens":[1])"), "expected 0 sampled tokens"},
      {second_step(R"(,"grow":[[0,[2]]])"), "not free"},
      {second_step(R"(,"skip":[0,0])"), "not in running order"},
      {second_step(R"(,"prefill":1)"), "true or false"},
      {second_step(R"(,"tokens":[1,2])"), "expected 1 sampled tokens"},
      {lines({h, j, step, step}), "expected step 1"},
      {lines({h, j, R"({"cancel":1,"step":0,"at":0,"reason":"cancelled"})"}), "that has joined"},
      {lines({h, j, R"({"cancel":0,"step":0,"at":0,"reason":"length"})"}), R"("cancelled", "stop" or "error")"},
      {lines({h, j, R"({"cancel":0,"step":0,"at":0,"reason":"cancelled","stays":true})"}), "static batch"},
      {lines({h, R"({"end":0,"at":0})", j}), "nothing after the end"},
  };
  for (const auto& [text, reason] : cases) {
    const std::string error = error_of(text);
    CAPTURE(text, reason, error);
    CHECK(error.starts_with("t.trace: "));
    CHECK(error.find(reason) != std::string::npos);
    CHECK(error.find('\n') == std::string::npos);
  }
}

TEST_CASE("Traces with one byte changed are read or refused, never worse", "[trace]") {
  for (const Policy policy : all_policies()) {
    const std::string text = random_trace(3, policy, 8);
    Dice dice(1);
    for (int i = 0; i < 3000; ++i) {
      std::string changed = text;
      const auto at = static_cast<std::size_t>(dice.roll(0, static_cast<std::int32_t>(text.size()) - 1));
      static const char bytes[] = "0123456789-,[]{}\":eE.\\ \n";
      changed[at] = dice.chance(80) ? bytes[dice.roll(0, sizeof bytes - 2)] : static_cast<char>(dice.roll(0, 255));
      error_of(changed);
    }
  }
}
