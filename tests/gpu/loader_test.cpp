// The module is loaded, or one sentence says why not.
#include <fstream>
#include <string>

#include "../model/tiny_model.h"
#include "backends/gpu/module.h"
#include "catch.h"

namespace tokenyard {
namespace {

constexpr const char* kSomeLibrary = "libc.so.6";  // stands in for the driver, which a machine without a card has not

// One sentence that says all of `parts`.
void check_refusal(const LoadedModule& loaded, const std::vector<std::string>& parts) {
  INFO(loaded.why);
  CHECK(loaded.module == nullptr);
  CHECK(loaded.why.find('\n') == std::string::npos);
  for (const std::string& part : parts) CHECK(loaded.why.find(part) != std::string::npos);
}

TEST_CASE("without a driver the module is not even looked for") {
  check_refusal(load_gpu_module("libno_such_module.so", "libno_such_driver.so"), {"no NVIDIA driver", "--backend cpu"});
}

TEST_CASE("a module that is not there is said to be missing, and how to get it") {
  check_refusal(load_gpu_module("libno_such_module.so", kSomeLibrary),
                {"libno_such_module.so", "CUDA toolkit", "--backend cpu"});
}

TEST_CASE("a module that cannot be loaded is told apart from one that is missing") {
  const test::TempFolder folder;
  const std::string path = folder.path() + "/libbroken.so";
  std::ofstream(path) << "not a library";
  check_refusal(load_gpu_module(path, kSomeLibrary), {"cannot be loaded", path, "--backend cpu"});
}

TEST_CASE("a module of another build is refused") {
  check_refusal(load_gpu_module(EMPTY_MODULE, kSomeLibrary), {"another version", "one build"});
  check_refusal(load_gpu_module(OTHER_MODULE, kSomeLibrary), {"another version", "one build"});
}

TEST_CASE("a module of this build answers, and its exceptions are caught by their type") {
  const LoadedModule loaded = load_gpu_module(WORKING_MODULE, kSomeLibrary);
  REQUIRE(loaded.why == "");
  REQUIRE(loaded.module != nullptr);
  CHECK(loaded.module->why_no_device() == "");
  EngineConfig config;
  config.block_size = 24;
  CHECK(loaded.module->why_not({}, config, 1) == "blocks of 24");
  CHECK_THROWS_AS(loaded.module->make_random({}, 1, config, {}), BackendError);
}

}  // namespace
}  // namespace tokenyard
