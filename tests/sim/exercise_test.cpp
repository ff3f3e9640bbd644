#include "sim/exercise.h"

#include <cctype>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>

#include "catch.h"
#include "core/base/input_error.h"
#include "core/trace/writer.h"
#include "sim/exercise_check.h"
#include "sim/run.h"
#include "support.h"

namespace tokenyard {
namespace {

const std::string kRun =
    R"({"name":"run","scenario":{"tokenyard_scenario":1,"name":"s","step_time":{"per_step_us":1000},"engine":{"policy":"vllm_v1","num_blocks":100,"max_num_seqs":8},)"
    R"("workload":[{"type":"requests","requests":[{"id":"a","prompt_tokens":40,"max_tokens":3},{"id":"b","arrival_ms":1,"prompt_tokens":10,"max_tokens":5}]}]}})";

std::string exercise(const std::string& rest, const std::string& runs = kRun) {
  return R"({"tokenyard_exercise":1,"chapter":1,"number":1,"title":"t","text":["x"],"hints":["h"],"runs":[)" + runs + "]," +
         rest + "}";
}

Verdict answer(const std::string& text, const std::vector<std::string>& words) {
  return check_answer(parse_exercise(text, "e.json"), words);
}

}  // namespace

TEST_CASE("Facts of a run, a step and a request are those of the run") {
  const std::string points =
      R"("points":[{"name":"a","run":"run","request":"a"},{"name":"b","run":"run","request":"b"},)"
      R"({"name":"first","run":"run","step":0},{"name":"then","run":"run","step_of":"b.first_step"},)"
      R"({"name":"most","run":"run","step_with_most":"tokens"},{"name":"late","run":"run","request_with_most":"e2el_ms"}],)";
  const Exercise read = parse_exercise(exercise(points + R"("asks":[{"name":"x","value":"a.ttft_ms","within":0}])"), "e.json");
  ExerciseFacts facts(read);
  const auto value = [&](const std::string& formula) { return facts.value(formula); };
  CHECK(value("a.ttft_ms") == 1);
  CHECK(value("a.e2el_ms") == 3);
  CHECK(value("b.wait_ms") == 0);
  CHECK(value("b.e2el_ms") == 5);
  CHECK(value("b.pause_ms") == 1);
  CHECK(value("a.computed_tokens") == 42);
  CHECK(value("a.blocks") == 3);
  CHECK(value("a.first_block") == 1);
  CHECK(value("first.tokens") == 40);
  CHECK(value("first.free_blocks") == 96);
  CHECK(value("then.rows") == 2);
  CHECK(value("then.step") == 1);
  CHECK(value("most.step") == 0);
  CHECK(value("late.prompt_tokens") == 10);
  CHECK(value("run.total_output_tokens") == 8);
  CHECK(value("run.sampled_rows") == 8);
  CHECK(value("run.usable_blocks + run.block_size") == 99 + 16);
  CHECK(value("run.max_running") == 2);
  CHECK(value("run.busy_ms") == 6);
}

TEST_CASE("K and V are counted in the bytes that a run keeps them in, also when it is read from a trace") {
  const std::string scenario =
      R"({"tokenyard_scenario":1,"name":"s","model":"qwen3-0.6b","hardware":"h200","tensor_parallel":2,"kv_dtype":"fp8",)"
      R"("engine":{"num_blocks":100},"workload":[{"type":"requests","requests":[{"id":"a","prompt_tokens":40,"max_tokens":3}]}]})";
  const TemporaryFile file("fp8.trace", "");
  {
    TraceWriter writer(file.path());
    RunOptions options;
    options.trace = &writer;
    run_scenario(parse_scenario(scenario, "s", "."), options);
    writer.flush();
  }
  const std::string asks = R"("asks":[{"name":"x","value":"run.kv_bytes_per_token","within":0}])";
  for (const std::string& run :
       {R"({"name":"run","scenario":)" + scenario + "}", R"({"name":"run","trace":")" + file.path() + R"("})"}) {
    CAPTURE(run);
    const Exercise read = parse_exercise(exercise(asks, run), "e.json");
    CHECK(ExerciseFacts(read).value("run.kv_bytes_per_token") == 2 * 28 * 4 * (128 + 1));  // a scale beside each vector
  }
}

TEST_CASE("Numbers are read as people write them") {
  ExerciseAsk ask;
  ask.name = "time";
  ask.unit = "ms";
  CHECK(parse_answer("12.5", ask) == 12.5);
  CHECK(parse_answer(" 12.5 ms ", ask) == 12.5);
  CHECK(parse_answer("12.5ms", ask) == 12.5);
  CHECK(parse_answer("1,024", ask) == 1024);
  CHECK(parse_answer("1,024,000.5", ask) == 1024000.5);
  CHECK(parse_answer("65_536", ask) == 65536);
  CHECK(parse_answer("+1e3", ask) == 1000);
  CHECK(parse_answer("-2", ask) == -2);
  for (const char* wrong :
       {"", " ", "ms", "12,5", "1,02", ",024", "12.5 s", "0x10", "nan", "inf", "1e999", "12 13", "twelve"}) {
    CAPTURE(wrong);
    CHECK_THROWS_WITH(parse_answer(wrong, ask), has_text("time: expected a number in ms"));
  }
}

TEST_CASE("A verdict says what was measured when it is right, and else why not") {
  const std::string text = exercise(
      R"("asks":[{"name":"steps","value":"run.steps","within":0.1,"mistakes":[{"answer":"2 * run.steps","says":"That is twice."}]}])");
  CHECK(answer(text, {"6"}).right);
  CHECK(answer(text, {"steps=6.5"}).right);
  CHECK_FALSE(answer(text, {"6.7"}).right);
  CHECK_THAT(answer(text, {"12"}).lines.front(), has_text("That is twice."));
  CHECK_THAT(answer(text, {"1"}).lines.front(), has_text("too small, by more than a factor of 2"));
  CHECK_THAT(answer(text, {"-6"}).lines.front(), has_text("too small"));
  CHECK_THROWS_WITH(answer(text, {"step=6"}), has_text("nothing called \"step\" is asked; expected steps=..."));
  CHECK_THROWS_WITH(answer(text, {"steps=6", "steps=7"}), has_text("is answered twice"));
}

TEST_CASE("Each chapter of the book lists its exercises, at least three") {
  const std::filesystem::path source = TOKENYARD_SOURCE_DIR;
  std::map<int, std::set<std::string>> there, listed;
  std::set<std::string> labels;
  for (const auto& entry : std::filesystem::directory_iterator(source / "scenarios/exercises")) {
    if (entry.path().extension() != ".json") continue;
    const Exercise read = load_exercise(entry.path().string());
    there[read.chapter].insert(read.label() + " `" + read.name + "`");
    CAPTURE(read.name);
    CHECK(labels.insert(read.label()).second);
  }
  const std::regex item("^- ([0-9]+\\.[0-9]+ `[a-z0-9-]+`):");
  for (const auto& entry : std::filesystem::directory_iterator(source / "docs/book")) {
    const std::string file = entry.path().filename().string();
    if (!std::isdigit(static_cast<unsigned char>(file.front())) || entry.path().extension() != ".md") continue;
    std::ifstream in(entry.path());
    bool here = false;
    for (std::string line; std::getline(in, line);) {
      if (line.starts_with("## ")) here = line == "## Exercises";
      std::smatch match;
      if (here && std::regex_search(line, match, item)) listed[std::stoi(file)].insert(match[1]);
    }
  }
  CHECK(there.size() == 13);
  CHECK(there == listed);
  for (const auto& [chapter, names] : there) {
    CAPTURE(chapter);
    CHECK(names.size() >= 3);
  }
}

TEST_CASE("What is wrong with an exercise is said with its place") {
  const auto fails = [](const std::string& text, const std::string& why) {
    CAPTURE(text);
    CHECK_THROWS_WITH(parse_exercise(text, "e.json"), has_text(why));
  };
  const auto asks = [](const std::string& value) {
    return exercise(R"("asks":[{"name":"x","value":")" + value + R"(","within":0}])");
  };
  fails("{}", "expected an exercise");
  fails(exercise(R"("colour":1,"asks":[{"name":"x","value":"1","within":0}])"), "colour");
  fails(exercise(R"("title2":1)"), "expected one of the keys \"asks\", \"may_set\" and \"code\"");
  fails(asks("run.speed"), "/asks/0/value: expected a fact of a run, one of ");
  fails(asks("runs.steps"), "expected the name of a run or a point, found \"runs\"");
  fails(asks("run.steps +"), "column 12: expected a number, VARIANT.METRIC or \"(\", found the end");
  fails(asks("run.steps == 3"), "/asks/0/value");
  fails(exercise(R"("asks":[{"name":"x"}])"), "expected the key \"goals\"");
  fails(exercise(R"("asks":[{"name":"x"},{"name":"x"}],"goals":["yours.x > 1"])"), "a name that no other question has");
  fails(exercise(R"("may_set":["engine.max_num_seqs"],"goals":["run.steps > 1"])"), "expected a run with \"yours\": true");
  fails(exercise(
            R"("points":[{"name":"p","run":"run","step_with_most":"colour"}],"asks":[{"name":"x"}],"goals":["yours.x > 1"])"),
        "/points/0/step_with_most");
  fails(exercise(R"("asks":[{"name":"x"}],"goals":["yours.y > 1"])", R"({"name":"g","hardware":"l4"})"),
        "expected a fact of the answer, one of x");
  fails(exercise(R"("asks":[{"name":"x","value":"g.steps","within":0}])", R"({"name":"g","hardware":"l4"})"),
        "expected a fact of a model or hardware");
  fails(exercise(R"("asks":[{"name":"x"}],"goals":["yours.x > 1"])", R"({"name":"yours","hardware":"l4"})"),
        "a name that nothing else has");
}

}  // namespace tokenyard
