#include <chrono>
#include <tuple>

#include "support.h"

using namespace tokenyard;

namespace {

const std::string kHeader = "TIMESTAMP,ContextTokens,GeneratedTokens\n";

std::vector<SourceEvent> azure(const std::string& text, const std::vector<std::string>& overrides = {}) {
  const TemporaryFile file("trace.csv", text);
  const Scenario scenario = load_scenario(file.path(), overrides);
  return drain(*make_source(scenario));
}

std::vector<SourceEvent> mooncake(const std::string& text, const std::vector<std::string>& overrides = {}) {
  const TemporaryFile file("trace.jsonl", text);
  const Scenario scenario = load_scenario(file.path(), overrides);
  return drain(*make_source(scenario));
}

std::string shared_file(const std::string& name) {
  const char* named = std::getenv("TOKENYARD_SHARED");
  const std::filesystem::path folder = named ? named : std::string(TOKENYARD_SOURCE_DIR) + "/../shared";
  const std::filesystem::path path = folder / name;
  if (std::filesystem::exists(path)) return path.string();
  WARN("skipped: " << path.string() << " is absent; TOKENYARD_SHARED names the folder");
  return "";
}

}  // namespace

TEST_CASE("an Azure trace becomes requests") {
  const auto events = azure(kHeader +
                                "2023-12-31 23:59:59.9999999,374,44\n"
                                "2024-01-01 00:00:00.0000001,396,0\r\n"
                                "2024-03-01 00:00:00,5,1",
                            {"workload.0.limit=2"});
  REQUIRE(events.size() == 2);
  CHECK(events[0].spec.id == "0");
  CHECK(events[0].spec.arrival == 0);
  CHECK(events[0].spec.prompt.size() == 374);
  CHECK(events[0].spec.max_tokens == 44);
  CHECK(events[0].spec.output_tokens == 44);
  CHECK(events[1].spec.arrival == 200);
  CHECK(events[1].spec.max_tokens == 0);
  CHECK(events[0].spec.prompt.spans()[0].content != events[1].spec.prompt.spans()[0].content);
}

TEST_CASE("leap years count") {
  const auto days = [](const std::string& from, const std::string& to) {
    return azure(kHeader + from + " 00:00:00,1,1\n" + to + " 00:00:00,1,1\n").at(1).spec.arrival / 86'400'000'000'000;
  };
  CHECK(days("2024-02-28", "2024-03-01") == 2);
  CHECK(days("2023-02-28", "2023-03-01") == 1);
  CHECK(days("2100-02-28", "2100-03-01") == 1);
  CHECK(days("2000-02-28", "2000-03-01") == 2);
  CHECK(days("1999-12-31", "2000-01-01") == 1);
}

TEST_CASE("a trace is repeated one mean gap after its end") {
  const auto events =
      azure(kHeader + "2024-01-01 00:00:00,1,1\n2024-01-01 00:00:01,2,1\n2024-01-01 00:00:04,3,1\n", {"workload.0.repeat=3"});
  REQUIRE(events.size() == 9);
  CHECK(events[3].spec.arrival == 6'000'000'000);
  CHECK(events[8].spec.arrival == 16'000'000'000);
  CHECK(events[8].spec.id == "8");
  CHECK(events[8].spec.prompt.spans()[0].content != events[5].spec.prompt.spans()[0].content);
}

TEST_CASE("malformed Azure lines are named") {
  const auto error = [](const std::string& line) {
    return error_of([&] { azure(kHeader + "2024-01-01 00:00:00,1,1\n" + line + "\n"); });
  };
  for (const char* line : {"2024-01-01 00:00:00,1",
                           "2024-01-01 00:00:00,1,1,1",
                           "2024-01-01 00:00:00,-1,1",
                           "2024-01-01 00:00:00,1,1e3",
                           "2024-01-01 00:00:00,99999999999,1",
                           "2024-13-01 00:00:00,1,1",
                           "2024-01-00 00:00:00,1,1",
                           "2024-01-01 24:00:00,1,1",
                           "2024-01-01X00:00:00,1,1",
                           "2024-01-01 00:00:00.12345678901,1,1",
                           "nan,nan,nan",
                           ",,",
                           "2024-01-01 00:00:00,1 1,1",
                           "2024-01-01 00:00:00,\"1,1",
                           "2024-01-01 00:00:00,\"1,1\"",
                           "2024-01-01 00:00:00+,1,1",
                           "2024-01-01 00:00:00+1:00,1,1",
                           "2024-01-01 00:00:00+15:00,1,1",
                           "2024-01-01 00:00:00ZZ,1,1",
                           "2024-01-01 00:00:00+01:00Z,1,1",
                           "2024-01-01 -1:00:00,1,1"}) {
    CAPTURE(line);
    CHECK_THAT(error(line), has_text("trace.csv: line 3: expected"));
  }
  CHECK_THAT(error("2023-12-31 23:59:59,1,1"), has_text("line 3: expected requests in the order of their time"));
  CHECK_THAT(error("2025-01-01 00:00:00,1,1"), has_text("line 3: expected a trace of at most 200 days"));
  CHECK_THAT(error(std::string(2'000'000, '1')), has_text("line 3: expected a line of at most"));
  CHECK_THAT(error_of([] { azure("TIMESTAMP,Tokens\n2024-01-01 00:00:00,1\n"); }),
             has_text("Azure LLM inference trace with the columns TIMESTAMP, ContextTokens, GeneratedTokens; BurstGPT with"));
  CHECK_THAT(error_of([] { azure(kHeader); }), has_text("trace.csv: expected at least one request, found none"));
}

TEST_CASE("an Azure time may have an offset, a T, or no fraction") {
  const auto events = azure(kHeader +
                            "2024-05-10 00:00:00.009930+00:00,2162,5\n"
                            "2024-05-10 02:00:00.017335+02:00,2399,6\n"
                            "2024-05-09T23:30:01-00:30,76,15\n"
                            "2024-05-10 00:00:02Z,1,1\n"
                            "2024-05-10T00:00:03,1,1\n");
  REQUIRE(events.size() == 5);
  CHECK(events[1].spec.arrival == 7'405'000);
  CHECK(events[2].spec.arrival == 990'070'000);
  CHECK(events[3].spec.arrival == 1'990'070'000);
  CHECK(events[4].spec.arrival == 2'990'070'000);
}

TEST_CASE("a file's kind is what its first line says, however it is written") {
  const auto first = [](const std::string& text) {
    const std::vector<SourceEvent> events = azure(text);
    REQUIRE(events.size() == 2);
    return std::tuple(events[0].spec.prompt.size(), events[0].spec.max_tokens, events[1].spec.arrival);
  };
  const std::string row = "2024-01-01 00:00:00,7,3\n2024-01-01 00:00:01,8,4\n";
  const auto one_second = std::tuple(7, 3, TimeNs{1'000'000'000});
  CHECK(first("\xEF\xBB\xBF" + kHeader + row) == one_second);
  CHECK(first("\r\n\nTIMESTAMP,ContextTokens,GeneratedTokens\r\n2024-01-01 00:00:00,7,3\r\n2024-01-01 00:00:01,8,4\r\n") ==
        one_second);
  CHECK(first(" TIMESTAMP, ContextTokens,\tGeneratedTokens \n  \n2024-01-01 00:00:00, 7,3 \n2024-01-01 00:00:01 ,8,\"4\"\n") ==
        one_second);
  CHECK(first("\"Why, when\",TIMESTAMP,ContextTokens,GeneratedTokens\n\"a, b\",2024-01-01 00:00:00,7,3\n,2024-01-01 "
              "00:00:01,8,4\n") == one_second);
  CHECK(first(",GeneratedTokens,\"TIMESTAMP\",ContextTokens\n0,3,2024-01-01 00:00:00,7\n1,4,2024-01-01 00:00:01,8\n") ==
        one_second);
  CHECK(first("Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
              "5,ChatGPT,7,3,10,Conversation log\n6.0,GPT-4,8,4,12,API log\n") == one_second);
  CHECK(first("arrived_at,num_prefill_tokens,num_decode_tokens\n0.5,7,3\n1.5,8,4\n") == one_second);
  CHECK(first("{\"output_length\": 3, \"input_length\": 7, \"timestamp\": 0}\n"
              "{\"timestamp\": 1000, \"input_length\": 8, \"output_length\": 4, \"hash_ids\": [1]}\n") == one_second);
  CHECK(first("{\"input_toks\": 7, \"output_toks\": 3, \"arrival_time_ns\": 0, \"input_tok_ids\": [1]}\n"
              "{\"input_toks\": 8, \"output_toks\": 4, \"arrival_time_ns\": 1000000000}\n") == one_second);
  CHECK(first("\xEF\xBB\xBF"
              "{\"chat_id\": 1, \"timestamp\": 0, \"input_length\": 7, \"output_length\": 3, \"hash_ids\": [5]}\r\n"
              "{\"chat_id\": 2, \"timestamp\": 1, \"input_length\": 8, \"output_length\": 4}\r\n") == one_second);
  std::string ids = "0";
  for (int id = 1; id < 100'000; ++id) ids += ", " + std::to_string(id);
  const auto events =
      mooncake("{\"hash_ids\": [" + ids + "], \"input_length\": 51200000, \"output_length\": 3, \"timestamp\": 0}\n");
  REQUIRE(events.size() == 1);
  CHECK(events[0].spec.prompt.size() == 51'200'000);
}

TEST_CASE("a file of no known kind is quoted, with the kinds there are") {
  for (const char* line : {"a,b,c", "TIMESTAMP;ContextTokens;GeneratedTokens", "{\"prompt_len\": 3, \"t\": 1}"}) {
    CAPTURE(line);
    const std::string said = error_of([&] { azure(std::string(line) + "\n" + line + "\n"); });
    CHECK_THAT(said, has_text("trace.csv: line 1: expected a scenario"));
    CHECK_THAT(said, has_text("Mooncake with the keys timestamp, input_length, output_length"));
    CHECK_THAT(said, has_text(std::string("found \"") + line));
  }
}

TEST_CASE("every kind of recorded traffic can be named in a scenario") {
  for (const std::string& type : recorded_types()) {
    CAPTURE(type);
    const std::string scenario = R"({"tokenyard_scenario": 1, "name": "n", "step_time": {"per_step_us": 1000},
        "engine": {"num_blocks": 100}, "workload": [{"type": ")" +
                                 type + R"(", "path": "nowhere"}]})";
    CHECK_THAT(error_of([&] { parse_scenario(scenario, "test.json", ""); }), has_text("nowhere: cannot be read"));
  }
}

TEST_CASE("copies of a long trace stay within the clock") {
  const std::string rows = "2024-01-01 00:00:00,1,1\n2024-06-01 00:00:00,1,1\n";
  const auto source = [&](const char* repeat) {
    return error_of([&] { azure(kHeader + rows, {std::string("workload.0.repeat=") + repeat}); });
  };
  CHECK_THAT(source("1000"), has_text("lower repeat"));
  CHECK(azure(kHeader + rows, {"workload.0.repeat=90"}).size() == 180);
}

TEST_CASE("the first prompt of several blocks tells how many tokens a hash id names") {
  const auto line = [](int time, int input, const char* ids) {
    return R"({"timestamp": )" + std::to_string(time) + R"(, "input_length": )" + std::to_string(input) +
           R"(, "output_length": 1, "hash_ids": )" + ids + "}\n";
  };
  const auto events = mooncake(line(0, 9, "[4]") + line(1, 40, "[4, 5, 6]") + line(2, 48, "[4, 5, 7]"));
  REQUIRE(events.size() == 3);
  const TokenSequence& a = events[1].spec.prompt;
  const TokenSequence& b = events[2].spec.prompt;
  CHECK(a.hash_block({}, 0, 32) == b.hash_block({}, 0, 32));
  CHECK_FALSE(a.hash_block({}, 0, 40) == b.hash_block({}, 0, 40));
  CHECK_THAT(error_of([&] { mooncake(line(0, 40, "[4, 5, 6]") + line(1, 40, "[4, 5]")); }),
             has_text("line 2: /hash_ids: expected one id for each 16 tokens of the input (block_size says how many), 3"));
  CHECK(mooncake(line(0, 300, "[1, 2, 3]"), {"workload.0.block_size=100"}).size() == 1);
}

TEST_CASE("a Mooncake trace becomes requests that share prefixes") {
  const auto events = mooncake(
      "{\"timestamp\": 0, \"input_length\": 1000, \"output_length\": 5, \"hash_ids\": [0, 7]}\n"
      "{\"timestamp\": 27, \"input_length\": 1025, \"output_length\": 6, \"hash_ids\": [0, 7, 9]}\n");
  REQUIRE(events.size() == 2);
  CHECK(events[1].spec.arrival == 27'000'000);
  CHECK(events[1].spec.max_tokens == 6);
  const TokenSequence& a = events[0].spec.prompt;
  const TokenSequence& b = events[1].spec.prompt;
  CHECK(a.size() == 1000);
  CHECK(b.size() == 1025);
  CHECK(a.hash_block({}, 0, 1000) == b.hash_block({}, 0, 1000));
  CHECK_FALSE(a.hash_block({}, 0, 512) == a.hash_block({}, 512, 488));
}

TEST_CASE("malformed Mooncake lines are named") {
  const std::string good = R"({"timestamp": 5, "input_length": 10, "output_length": 5, "hash_ids": [0]})";
  const auto error = [&](const std::string& line) { return error_of([&] { mooncake(good + "\n" + line + "\n"); }); };
  const auto line = [](const char* time, const char* input, const char* output, const char* ids) {
    return std::string(R"({"timestamp": )") + time + R"(, "input_length": )" + input + R"(, "output_length": )" + output +
           R"(, "hash_ids": )" + ids + "}";
  };
  CHECK_THAT(error("{"), has_text("trace.jsonl: line 2, column 2: expected JSON"));
  CHECK_THAT(error("{\"timestamp\": 1e999}"), has_text("trace.jsonl: line 2, column 19: /timestamp: expected a number below"));
  CHECK_THAT(error("{\"a\": 1, \"a\": 2}"), has_text("trace.jsonl: line 2: the key \"a\" stands twice"));
  CHECK_THAT(error(line("6", "-1", "5", "[0]")), has_text("line 2: /input_length"));
  CHECK_THAT(error(line("6", "10", "1e99", "[0]")), has_text("line 2: /output_length"));
  CHECK_THAT(error(line("6", "513", "5", "[0]")), has_text("line 2: /hash_ids: expected one id for each 512 tokens"));
  CHECK_THAT(error(line("6", "10", "5", "[-1]")), has_text("/hash_ids/0"));
  CHECK_THAT(error(line("6", "10", "5", "[17592186044416]")), has_text("/hash_ids/0"));
  CHECK_THAT(error(line("4", "10", "5", "[0]")), has_text("in the order of their time"));
  CHECK_THAT(error(line("1e11", "10", "5", "[0]")), has_text("200 days"));
  CHECK_THAT(error(R"({"timestamp": 6})"), has_text("line 2: /: expected the key \"input_length\""));
}

TEST_CASE("the Azure hour is read whole") {
  const std::string path = shared_file("data/azure2023/AzureLLMInferenceTrace_conv.csv");
  if (path.empty()) return;
  const auto events = drain(*make_source(load_scenario(path)));
  std::int64_t tokens = 0;
  for (const SourceEvent& event : events) tokens += event.spec.prompt.size() + event.spec.max_tokens;
  CHECK(events.size() == 19366);
  CHECK(tokens == 22'361'870 + 4'088'665);
  CHECK(drain(*make_source(load_scenario(path, {"workload.0.repeat=10"}))).size() == 193'660);
}

TEST_CASE("the Mooncake hour is read whole, with its sharing") {
  const std::string path = shared_file("data/mooncake/conversation_trace.jsonl");
  if (path.empty()) return;
  const auto events = drain(*make_source(load_scenario(path)));
  CHECK(events.size() == 12031);
  CHECK(events.back().spec.arrival < TimeNs{3600} * 1'000'000'000);
}
