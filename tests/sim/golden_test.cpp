// Every variant of every classroom scenario makes the decisions it made when its golden trace was written, to the nanosecond.
// The hash leaves out the trace's first line: wording there changes nothing. After a change that is meant:
//   TOKENYARD_UPDATE_GOLDEN=1 test_sim "classroom scenarios*"
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "catch.h"
#include "core/base/input_error.h"
#include "core/trace/diff.h"
#include "core/trace/reader.h"
#include "core/trace/writer.h"
#include "sim/lesson.h"
#include "sim/run.h"
#include "support.h"

using namespace tokenyard;
namespace fs = std::filesystem;

namespace {

const fs::path kScenarios = fs::path(TOKENYARD_SOURCE_DIR) / "scenarios";
const fs::path kHashes = kScenarios / "golden" / "hashes.txt";

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string hash_of(const std::string& trace) {
  const std::size_t begin = trace.find('\n') + 1;
  std::ostringstream out;
  out << std::hex << XXH3_64bits(trace.data() + begin, trace.size() - begin);
  return out.str();
}

std::map<std::string, std::string> read_hashes() {
  std::map<std::string, std::string> out;
  std::ifstream in(kHashes);
  for (std::string scenario, variant, hash; in >> scenario >> variant >> hash;) out[scenario + " " + variant] = hash;
  return out;
}

std::vector<Lesson> classroom() {
  std::vector<Lesson> out;
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(kScenarios)) {
    if (entry.path().extension() == ".json") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  for (const fs::path& path : paths) {
    Lesson lesson = load_lesson(path.string());
    if (lesson.variants.size() > 1) out.push_back(std::move(lesson));
  }
  return out;
}

}  // namespace

TEST_CASE("classroom scenarios decide as their golden traces say") {
  const bool update = std::getenv("TOKENYARD_UPDATE_GOLDEN") != nullptr;
  const std::map<std::string, std::string> expected = read_hashes();
  std::map<std::string, std::string> found;
  std::string pattern = (fs::temp_directory_path() / "tokenyard-golden-XXXXXX").string();
  const fs::path folder = mkdtemp(pattern.data());
  for (const Lesson& lesson : classroom()) {
    for (const Variant& variant : lesson.variants) {
      const std::string name = lesson.name + " " + variant.name;
      CAPTURE(name);
      const fs::path path = folder / "run.trace";
      {
        TraceWriter trace(path.string());
        RunOptions options;
        options.trace = &trace;
        options.program = "golden";
        run_scenario(load_scenario(lesson.path, variant.overrides), options);
        trace.flush();
      }
      found[name] = hash_of(read(path));
      const fs::path golden = kScenarios / "golden" / (lesson.name + "." + variant.name + ".trace");
      if (fs::exists(golden) && update) fs::copy_file(path, golden, fs::copy_options::overwrite_existing);
      if (fs::exists(golden) && hash_of(read(golden)) != found[name]) {
        TraceReader before(golden.string()), now(path.string());
        UNSCOPED_INFO(diff_traces(before, now).text);
        CHECK(hash_of(read(golden)) == found[name]);
      }
    }
  }
  fs::remove_all(folder);
  if (update) {
    std::ofstream out(kHashes, std::ios::binary);
    for (const auto& [name, hash] : found) out << name << " " << hash << "\n";
  } else {
    CHECK(found == expected);
  }
}

TEST_CASE("there are scenarios enough, each with a lesson") {
  const std::vector<Lesson> lessons = classroom();
  CHECK(lessons.size() >= 14);
  for (const Lesson& lesson : lessons) {
    CAPTURE(lesson.path);
    CHECK(fs::path(lesson.path).stem() == lesson.name);
    CHECK_FALSE(lesson.title.empty());
    CHECK_FALSE(lesson.teaches.empty());
    CHECK_FALSE(lesson.look_for.empty());
    CHECK(lesson.expect.size() >= 3);
  }
}

TEST_CASE("lessons that do not fit together are refused") {
  std::string pattern = (fs::temp_directory_path() / "tokenyard-lesson-XXXXXX").string();
  const fs::path folder = mkdtemp(pattern.data());
  const auto error_of = [&](const std::string& fields) {
    const fs::path path = folder / "lesson.json";
    std::ofstream(path) << R"({"tokenyard_scenario": 1, "name": "x", )" << fields << "}";
    try {
      load_lesson(path.string());
    } catch (const InputError& error) {
      return std::string(error.what()).substr(path.string().size());
    }
    return std::string();
  };
  const std::string variants = R"("variants": [{"name": "a"}, {"name": "b", "set": ["seed=2"]}], )";
  CHECK(error_of(variants + R"("expect": ["a.steps < b.steps"])").empty());
  CHECK(error_of(variants + R"("expect": ["a.steps < c.steps"])") ==
        ": /expect/0: expected a variant of this scenario, found \"c\"");
  CHECK(error_of(variants + R"("expect": ["a.stepz < 1"])").find(": /expect/0: expected a metric, one of ") == 0);
  CHECK(error_of(variants + R"("expect": ["a.steps <"])").find(": /expect/0: column 10: expected ") == 0);
  CHECK(error_of(variants + R"("show": ["ttft"])").find(": /show: expected a metric") == 0);
  CHECK(error_of(R"("variants": [{"name": "a"}, {"name": "a"}])").find(": /variants/1/name: expected a name that no other") ==
        0);
  CHECK(error_of(R"("variants": [{"name": "A-1"}])").find(": /variants/0/name: expected a name of lower-case") == 0);
  CHECK(error_of(R"("variants": [])").find(": /variants: expected 1 to") == 0);
  CHECK(error_of(R"("variants": [{"name": "a", "sets": []}])").find("unknown key \"sets\"") != std::string::npos);
  fs::remove_all(folder);
}
