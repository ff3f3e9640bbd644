#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>

#include "catch.h"
#include "core/base/input_error.h"
#include "core/peers/conform.h"
#include "core/world.h"

using namespace tokenyard;

namespace {

std::vector<std::string> recordings(const std::string& folder) {
  std::vector<std::string> files;
  if (!std::filesystem::is_directory(folder)) return files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".json") files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string text_of(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

const std::string kGolden = TOKENYARD_SOURCE_DIR "/tests/golden/peers";

// Pointers to all numbers, strings and booleans below `json`.
void leaves(const nlohmann::json& json, const nlohmann::json::json_pointer& at,
            std::vector<nlohmann::json::json_pointer>& out) {
  if (json.is_object()) {
    for (const auto& [key, value] : json.items()) leaves(value, at / key, out);
  } else if (json.is_array()) {
    for (std::size_t i = 0; i < json.size(); ++i) leaves(json[i], at / i, out);
  } else if (json.is_number_integer() || json.is_string() || json.is_boolean()) {
    out.push_back(at);
  }
}

}  // namespace

TEST_CASE("every golden recording of the peers is reproduced", "[conform]") {
  const auto files = recordings(kGolden);
  REQUIRE(files.size() >= 20);
  for (const std::string& file : files) {
    const Conformance outcome = conform(load_recording(file));
    INFO(file);
    CHECK(outcome.difference == "");
    CHECK(outcome.identical == outcome.steps);
    CHECK(outcome.steps > 0);
  }
}

TEST_CASE("all recordings beside the checkout are reproduced", "[conform]") {
  const char* shared = std::getenv("TOKENYARD_SHARED");
  const std::string root = shared != nullptr ? shared : TOKENYARD_SOURCE_DIR "/../shared";
  std::vector<std::string> files;
  for (const char* folder : {"nano_vllm", "vllm_v1", "vllm_v1_0_33", "vllm_v1_0_33_async"}) {
    for (const std::string& file : recordings(root + "/oracles/" + folder)) files.push_back(file);
  }
  if (files.empty()) {
    WARN("skipped: no recordings in " << root << "/oracles (set TOKENYARD_SHARED)");
    return;
  }
  for (const std::string& file : files) {
    INFO(file);
    CHECK(conform(load_recording(file)).difference == "");
  }
}

TEST_CASE("one changed value among the recorded decisions is a difference", "[conform]") {
  std::mt19937 random(1);
  int changed = 0;
  for (const std::string& file : recordings(kGolden)) {
    const nlohmann::json original = nlohmann::json::parse(text_of(file));
    std::vector<nlohmann::json::json_pointer> places;
    leaves(original.at("steps"), nlohmann::json::json_pointer("/steps"), places);
    for (int i = 0; i < test::scaled(40); ++i) {
      const auto& place = places[random() % places.size()];
      nlohmann::json copy = original;
      nlohmann::json& value = copy[place];
      if (value.is_boolean()) {
        value = !value.get<bool>();
      } else if (value.is_string()) {
        value = value.get<std::string>() + "x";
      } else {
        const int by[] = {1, -1, 1000};
        value = value.get<int>() + by[random() % 3];
      }
      INFO(file << " " << place.to_string());
      CHECK(conform(parse_recording(copy.dump(), "changed")).difference != "");
      ++changed;
    }
  }
  CHECK(changed > 0);
}

TEST_CASE("a recording is followed by the rules of the release it names", "[conform]") {
  // Which rule each file needs, by the last releases without it and the first with it.
  const struct {
    const char *file, *before, *since;
  } files[] = {{"0_33_stops_early_101", "vllm 0.28.0 (g4ba787ec9)", "vllm 0.29.0 (g4ba787ec9)"},
               {"0_33_async_stops_early_100", "vllm 0.28.0 (g4ba787ec9)", "vllm 0.29.0 (g4ba787ec9)"},
               {"0_33_fcfs_longprefill_alone_101", "vllm 0.30.2 (g4ba787ec9)", "vllm 0.31.0 (g4ba787ec9)"},
               {"0_33_async_fcfs_longprefill_alone_100", "vllm 0.30.2 (g4ba787ec9)", "vllm 0.31.0 (g4ba787ec9)"},
               {"0_33_prio_mixed_100", "vllm 0.32.0 (g4ba787ec9)", "vllm 0.33.1 (g4ba787ec9)"}};
  for (const auto& [file, before, since] : files) {
    INFO(file);
    nlohmann::json json = nlohmann::json::parse(text_of(kGolden + "/" + file + ".json"));
    json["peer_commit"] = since;
    CHECK(conform(parse_recording(json.dump(), file)).difference == "");
    json["peer_commit"] = before;
    CHECK(conform(parse_recording(json.dump(), file)).difference.rfind("step ", 0) == 0);
  }
  for (const char* unknown : {"vllm 0.34.0 (g4ba787ec9)", "vllm 0.9.0 (g4ba787ec9)", "vllm 1.33.0 (g4ba787ec9)", "vllm 0.33.0",
                              "vllm 0.33.0 (g4ba787ec9) ", "0.33"}) {
    INFO(unknown);
    CHECK(!vllm_version_of(unknown));
  }
}

TEST_CASE("an asynchronous recording is one, and options that we do not model are refused by name", "[conform]") {
  const nlohmann::json original = nlohmann::json::parse(text_of(kGolden + "/0_33_async_stops_early_100.json"));
  const auto difference = [&](const char* place, const nlohmann::json& value) {
    nlohmann::json copy = original;
    copy[nlohmann::json::json_pointer(place)] = value;
    return conform(parse_recording(copy.dump(), "changed")).difference;
  };
  CHECK(difference("/scheduling", "eager").rfind("scheduling: recorded \"eager\"", 0) == 0);
  CHECK(difference("/config/max_num_active_seqs", nullptr) == "");
  CHECK(difference("/config/prefill_schedule_interval", 0) == "");
  CHECK(difference("/config/long_prefill_token_threshold_adaptive", false) == "");
  CHECK(difference("/config/max_num_active_seqs", 4) == "config: max_num_active_seqs is 4; this option is not modelled");
  CHECK(difference("/config/long_prefill_token_threshold_adaptive", true) != "");
  CHECK(difference("/steps/3/ahead", false) == "step 3: ahead: recorded 0, ours 1");
  CHECK(difference("/steps/3/dropped", {"r000"}).rfind("step 3: dropped: recorded [r000]", 0) == 0);

  // Its last steps cut off: the requests in flight there would have gone on.
  nlohmann::json cut = original;
  cut["steps"].erase(cut["steps"].size() - 1);
  CHECK(conform(parse_recording(cut.dump(), "cut")).difference != "");
  nlohmann::json in_turn = original;
  in_turn.erase("scheduling");
  CHECK_THROWS_AS(parse_recording(in_turn.dump(), "in turn"), InputError);
}

TEST_CASE("changed inputs, where they matter, are differences and never errors", "[conform]") {
  const std::string text = text_of(kGolden + "/prio_preempt_nocache_1.json");
  const nlohmann::json original = nlohmann::json::parse(text);
  const auto difference = [&](const char* place, const nlohmann::json& value) {
    nlohmann::json copy = original;
    copy[nlohmann::json::json_pointer(place)] = value;
    return conform(parse_recording(copy.dump(), "changed")).difference;
  };
  CHECK(difference("/config/num_blocks", 24) != "");
  CHECK(difference("/config/num_blocks", 0) != "");
  CHECK(difference("/config/max_num_seqs", -1) != "");
  CHECK(difference("/config/block_size", 1 << 30) != "");
  CHECK(difference("/config/policy", "lifo") != "");
  CHECK(difference("/config/watermark", 0.9) != "");
  CHECK(difference("/config/max_model_len", 1) != "");
  CHECK(difference("/peer_commit", "0") != "");
  CHECK(difference("/peer", "sglang") != "");
  CHECK(difference("/requests/0/id", original["requests"][1]["id"]) != "");
  CHECK(difference("/requests/0/arrival_step", 3) != "");
  CHECK(difference("/unfinished", {"r000"}) != "");
}

TEST_CASE("a recording that cannot be read says where and why", "[conform]") {
  const std::string text = text_of(kGolden + "/01_basic_two.json");
  const nlohmann::json original = nlohmann::json::parse(text);
  const auto error_of = [](const std::string& broken) -> std::string {
    try {
      parse_recording(broken, "f.json");
    } catch (const InputError& error) {
      return error.what();
    }
    return "";
  };
  CHECK(error_of(text.substr(0, text.size() / 2)).rfind("f.json: line ", 0) == 0);
  nlohmann::json copy = original;
  copy["steps"][1].erase("free_blocks");
  CHECK(error_of(copy.dump()) == "f.json: /steps/1: expected the key \"free_blocks\", which is missing");
  copy = original;
  copy["steps"][0]["free_blocks"] = "many";
  CHECK(error_of(copy.dump()).rfind("f.json: /steps/0/free_blocks: expected an integer", 0) == 0);
  copy = original;
  copy["steps"][0]["swapped"] = 1;
  CHECK(error_of(copy.dump()).find("unknown key \"swapped\"") != std::string::npos);
  CHECK(error_of("[]") == "f.json: /: expected an object, found an array of 0");
  CHECK(error_of("{\"a\":1,\"a\":2}") == "f.json: the key \"a\" stands twice in one object");
  CHECK(error_of(std::string(5000, '[')).find("f.json") == 0);
  for (std::size_t cut = 0; cut < text.size(); cut += 97) CHECK(error_of(text.substr(0, cut)) != "");
}
