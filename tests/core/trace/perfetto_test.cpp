#include "core/trace/perfetto.h"

#include <cmath>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>

#include <nlohmann/json.hpp>

#include "catch.h"
#include "core/base/input_error.h"
#include "core/trace/support.h"

using namespace tokenyard;
using namespace tokenyard::test;

namespace {

nlohmann::json exported(std::initializer_list<std::string> texts) {
  std::vector<std::unique_ptr<TraceReader>> readers;
  std::vector<TraceSource*> all;
  for (const std::string& text : texts) {
    readers.push_back(std::make_unique<TraceReader>(std::make_unique<std::istringstream>(text), "t"));
    all.push_back(readers.back().get());
  }
  const std::string path = temporary("p.json");
  export_perfetto(all, path);
  CHECK_FALSE(std::filesystem::exists(path + ".part"));
  return nlohmann::json::parse(contents(path));
}

}  // namespace

TEST_CASE("The Perfetto file has a lane a request, whose spans follow each other", "[trace]") {
  const Policy policy = GENERATE(from_range(std::begin(all_policies()), std::end(all_policies())));
  const std::string text = random_trace(21, policy, 40);
  const nlohmann::json file = exported({text, text});
  CHECK(file["displayTimeUnit"] == "ms");
  std::set<std::int64_t> pids, tids;
  std::map<std::int64_t, std::vector<std::pair<std::int64_t, std::int64_t>>> spans;
  std::map<std::string, std::int64_t> names;
  std::set<std::string> lanes;
  const auto ns = [](const nlohmann::json& us) { return std::llround(us.get<double>() * 1000); };
  for (const nlohmann::json& e : file["traceEvents"]) {
    const std::string phase = e["ph"];
    ++names[e["name"].get<std::string>()];
    pids.insert(e["pid"].get<std::int64_t>());
    if (phase != "C") tids.insert(e["tid"].get<std::int64_t>());
    if (phase == "X") {
      spans[e["tid"].get<std::int64_t>()].emplace_back(ns(e["ts"]), ns(e["ts"]) + ns(e["dur"]));
      CHECK(ns(e["dur"]) >= 0);
    }
    if (e["name"] == "thread_name") lanes.insert(e["args"]["name"].get<std::string>());
  }
  CHECK(pids == std::set<std::int64_t>{1, 2});
  for (const std::int64_t pid : pids) CHECK_FALSE(tids.contains(pid));
  CHECK(tids.size() == 2 * 41);
  CHECK(lanes.size() == 41);
  for (auto& [tid, all] : spans) {
    std::sort(all.begin(), all.end());
    for (std::size_t i = 1; i < all.size(); ++i) {
      if (all[i].first < all[i - 1].second) FAIL("spans overlap on thread " << tid);
    }
  }
  CHECK(names["step"] > 20);
  CHECK(names["step"] == names["running"]);
  CHECK(names["KV blocks used"] == names["waiting"]);
  CHECK(names["queued"] == 2 * 40);
  CHECK(names["decode"] > 10);
  CHECK(names["preempt"] == names["preempted"]);
}

TEST_CASE("Preemption, eviction and hits are marked", "[trace]") {
  const nlohmann::json file = exported({random_trace(3, Policy::vllm_v1, 60), random_trace(4, Policy::vllm_v1, 60),
                                        random_trace(5, Policy::nano_vllm, 60), random_trace(6, Policy::nano_vllm, 60)});
  std::map<std::string, std::int64_t> marks;
  for (const nlohmann::json& e : file["traceEvents"]) {
    if (e["ph"] == "i") ++marks[e["name"].get<std::string>()];
  }
  CHECK(marks["preempt"] > 0);
  CHECK(marks["evict"] > 0);
  CHECK(marks["hit"] > 0);
}

TEST_CASE("A wrong trace or folder leaves no Perfetto file behind", "[trace]") {
  const std::string text = random_trace(21, Policy::orca, 5);
  const std::string path = temporary("half.json");
  TraceReader broken = reader_of(text + "x\n");
  TraceSource* all[] = {&broken};
  CHECK_THROWS_AS(export_perfetto(all, path), InputError);
  CHECK_FALSE(std::filesystem::exists(path));
  CHECK_FALSE(std::filesystem::exists(path + ".part"));
  TraceReader fine = reader_of(text);
  all[0] = &fine;
  CHECK_THROWS_WITH(export_perfetto(all, temporary("none/x.json")), has_text("cannot be written"));
}
