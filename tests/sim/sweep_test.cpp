#include "sim/sweep.h"

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "catch.h"
#include "core/base/input_error.h"
#include "sim/parallel.h"
#include "sim/result_values.h"
#include "sim/run.h"
#include "support.h"

using namespace tokenyard;
namespace fs = std::filesystem;

namespace {

class Folder {
 public:
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "tokenyard-sweep-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~Folder() { fs::remove_all(path_); }
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  fs::path path_;
};

std::string read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write(const std::string& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

const char* const kChat = R"({"tokenyard_scenario": 1, "name": "chat", "step_time": {"per_step_us": 1000, "per_token_us": 10},
    "engine": {"max_num_seqs": 8, "num_blocks": 200},
    "workload": [{"type": "generate", "count": 60, "arrivals": {"type": "poisson", "rate_per_s": 20},
                  "prompt_tokens": {"type": "lognormal", "mean": 60, "sigma": 0.7, "max": 500},
                  "output_tokens": {"type": "uniform", "min": 5, "max": 40}}]})";

}  // namespace

TEST_CASE("an axis is a path and its values") {
  const Axis axis = parse_axis(R"(workload.0.arrivals={"type":"poisson","rate_per_s":2},[1,2],"a,b",x)");
  CHECK(axis.path == "workload.0.arrivals");
  CHECK(axis.values == std::vector<std::string>{R"({"type":"poisson","rate_per_s":2})", "[1,2]", R"("a,b")", "x"});
  for (const char* wrong : {"", "=1", "a", "a=", "a=1,", "a=1,,2", "a=1,1", "a=1\n2"}) {
    CAPTURE(wrong);
    CHECK_THROWS_AS(parse_axis(wrong), InputError);
  }
}

TEST_CASE("a grid is every combination once, the last axis fastest") {
  const Grid grid({parse_axis("a=1,2"), parse_axis("b=x,y,z")});
  REQUIRE(grid.size() == 6);
  CHECK(grid.overrides(0) == std::vector<std::string>{"a=1", "b=x"});
  CHECK(grid.overrides(1) == std::vector<std::string>{"a=1", "b=y"});
  CHECK(grid.overrides(5) == std::vector<std::string>{"a=2", "b=z"});
  CHECK_THROWS_AS(Grid({parse_axis("a=1"), parse_axis("a=2")}), InputError);
}

TEST_CASE("shards are i of n") {
  CHECK(Shard::parse("2/3").index == 2);
  CHECK(Shard::parse("2/3").count == 3);
  for (const char* wrong : {"", "1", "0/3", "4/3", "1/", "/2", "1/2/3", "a/b", "-1/2", "1/99999999999999999999"}) {
    CAPTURE(wrong);
    CHECK_THROWS_AS(Shard::parse(wrong), InputError);
  }
}

TEST_CASE("work is done once however many threads there are") {
  for (const int jobs : {1, 2, 7, 64}) {
    std::vector<std::atomic<int>> done(50);
    run_parallel(50, jobs, [&](std::int64_t i) { ++done[static_cast<std::size_t>(i)]; });
    for (const auto& count : done) CHECK(count == 1);
  }
  run_parallel(0, 4, [](std::int64_t) { FAIL("no work"); });
  CHECK_THROWS_WITH(run_parallel(100, 3,
                                 [](std::int64_t i) {
                                   if (i >= 10) throw std::runtime_error(std::to_string(i));
                                 }),
                    "10");
}

TEST_CASE("the same runs come out whatever the number of threads") {
  const Grid grid({parse_axis("engine.max_num_seqs=1,4,8"), parse_axis("seed=1,2,3,4")});
  const auto results = [&](int jobs) {
    std::vector<std::string> out(static_cast<std::size_t>(grid.size()));
    run_parallel(grid.size(), jobs, [&](std::int64_t i) {
      for (const ResultValue& value : result_values(run_scenario(scenario_of(kChat, grid.overrides(i))).metrics)) {
        out[static_cast<std::size_t>(i)] += result_text(value) + ",";
      }
    });
    return out;
  };
  const auto alone = results(1);
  CHECK(alone.front() != alone.back());
  CHECK(results(3) == alone);
  CHECK(results(16) == alone);
}

TEST_CASE("a run's key follows everything that decides its result and nothing else") {
  const Scenario base = scenario_of(kChat);
  const std::string key = RunKeys("v1").key(base, {});
  CHECK(key.size() == 16);
  CHECK(RunKeys("v1").key(scenario_of(kChat), {}) == key);
  CHECK(RunKeys("v2").key(base, {}) != key);
  CHECK(RunKeys("v1").key(scenario_of(kChat, {"seed=9"}), {}) != key);
  CHECK(RunKeys("v1").key(scenario_of(kChat, {"rate_scale=2"}), {}) != key);
  Slo slo;
  slo.ttft = 5;
  CHECK(RunKeys("v1").key(base, slo) != key);

  const Folder folder;
  const std::string trace = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,374,44\n";
  write(folder.file("a.csv"), trace);
  write(folder.file("b.csv"), trace);
  write(folder.file("c.csv"), trace + "2023-11-16 18:15:50.9951690,396,109\n");
  const auto key_of = [&](const char* name) {
    return RunKeys("v1").key(load_scenario(folder.file(name), {"name=recorded"}), {});
  };
  CHECK(key_of("a.csv") == key_of("b.csv"));
  CHECK(key_of("a.csv") != key_of("c.csv"));
}

TEST_CASE("CSV cells survive") {
  const std::vector<std::string> cells = {"", "a", "a,b", "say \"x\"", "\"", R"({"k":[1,2]})"};
  std::vector<std::string> back;
  const std::string line = csv_line(cells);
  REQUIRE(parse_csv_line(line.substr(0, line.size() - 1), back));
  CHECK(back == cells);
  for (const char* wrong : {"\"a", "\"a\"b", "a\"b", "a,\""}) {
    CAPTURE(wrong);
    CHECK_FALSE(parse_csv_line(wrong, back));
  }
}

TEST_CASE("a sweep's file keeps whole rows and drops what a kill left of one") {
  const Folder folder;
  const std::string path = folder.file("out.csv");
  {
    SweepFile file(path, {"run", "x"});
    CHECK_THROWS_AS(SweepFile(path, {"run", "x"}), InputError);  // in use
    file.append({"b", "2"});
    file.append({"a", "1"});
  }
  write(path, read(path) + "c,3.14");
  {
    SweepFile file(path, {"run", "x"});
    CHECK_FALSE(file.find("c"));
    REQUIRE(file.find("a"));
    CHECK(file.find("a")->at(1) == "1");
    file.append({"c", "3"});
    file.finish({"a", "b"});
  }
  CHECK(read(path) == "run,x\na,1\nb,2\nc,3\n");
}

TEST_CASE("files of several shards, one after the other, are one") {
  const Folder folder;
  const std::string path = folder.file("all.csv");
  write(path, "run,x\na,1\nrun,x\nb,2\n");
  SweepFile file(path, {"run", "x"});
  CHECK(file.find("a"));
  CHECK(file.find("b"));
}

TEST_CASE("a sweep's file that went through another program is read") {
  const Folder folder;
  const std::string path = folder.file("out.csv");
  write(path, "\xEF\xBB\xBFrun,x\r\na,1\r\nb,2\r\na,3\r\n");
  SweepFile file(path, {"run", "x"});
  CHECK(file.find("a").value() == std::vector<std::string>{"a", "3"});
  CHECK(file.find("b").value() == std::vector<std::string>{"b", "2"});
  file.finish({});
  CHECK(read(path) == "run,x\na,3\nb,2\n");
}

TEST_CASE("somebody else's file is left alone") {
  const Folder folder;
  for (const char* text : {"name,age\nx,1\n", "my notes", "run,x\na\n", "run,x\n\"a,1\n"}) {
    CAPTURE(text);
    const std::string path = folder.file("notes.csv");
    write(path, text);
    CHECK_THROWS_AS(SweepFile(path, {"run", "x"}), InputError);
    CHECK(read(path) == text);
  }
  write(folder.file("cut.csv"), "run,");  // a header cut off
  SweepFile file(folder.file("cut.csv"), {"run", "x"});
  CHECK(read(folder.file("cut.csv")) == "run,x\n");
}

TEST_CASE("arrivals come faster by the scale and carry the same requests") {
  const RunResult slow = run_scenario(scenario_of(kChat));
  const RunResult fast = run_scenario(scenario_of(kChat, {"rate_scale=2"}));
  CHECK(fast.metrics.joined == slow.metrics.joined);
  CHECK(fast.metrics.input_tokens == slow.metrics.input_tokens);
  const auto span = [](const RunResult& r) { return static_cast<double>(r.metrics.last_arrival - r.metrics.first_arrival); };
  CHECK(span(fast) == Approx(span(slow) / 2).epsilon(1e-6));

  const Folder folder;
  write(folder.file("a.csv"),
        "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:40.0,100,4\n2023-11-16 18:15:50.0,100,4\n");
  CHECK(run_scenario(load_scenario(folder.file("a.csv"), {"rate_scale=4"})).metrics.last_arrival == 2'500'000'000);
}
