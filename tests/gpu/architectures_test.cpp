// Which card runs which build, and what is said where it does not.
#include "backends/cuda/architectures.h"

#include "catch.h"

namespace tokenyard::cuda {
namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string why(int capability, const char* list) { return why_no_code("Card", capability, parse_architectures(list)); }
bool by_driver(int capability, const char* list) {
  return !what_the_driver_does("Card", capability, parse_architectures(list)).empty();
}

constexpr const char* kAll = "80-real,86-real,89-real,90-real,100-real,120";

TEST_CASE("architectures are read as CMake writes them") {
  const Architectures built = parse_architectures("90,80-virtual,,86-real,native,90a,75-unheard-of");
  CHECK(built.machine == std::vector{86, 90});
  CHECK(built.ptx == std::vector{80, 90});
  CHECK(in_words(built) == "8.6, 9.0, PTX of 8.0 and PTX of 9.0");
  CHECK(in_words(parse_architectures("80-real")) == "8.0");
  CHECK(in_words(parse_architectures("")) == "nothing");
  CHECK(in_words(parse_architectures("120")) == "12.0 and PTX of 12.0");
  CHECK(built_architectures().machine == std::vector{80, 90});
}

TEST_CASE("the default build runs on every card from Ampere on, without the driver's compiler where there is machine code") {
  for (const int capability : {80, 86, 87, 89, 90, 100, 103, 120, 121}) {
    INFO(capability);
    CHECK(why(capability, kAll) == "");
    CHECK(!by_driver(capability, kAll));
  }
  CHECK(why(130, kAll) == "");
  CHECK(by_driver(130, kAll));
}

TEST_CASE("a card that a build has no code for is one sentence with the option that helps") {
  CHECK(has(why(86, "90"), "compute capability 8.6"));
  CHECK(has(why(86, "90"), "code for 9.0 and PTX of 9.0 only"));
  CHECK(has(why(86, "90"), "-DCMAKE_CUDA_ARCHITECTURES=86"));
  CHECK(!has(why(86, "90"), "\n"));
  CHECK(why(90, "80-real") != "");  // another major
  CHECK(why(80, "86") != "");       // an older minor
  CHECK(why(89, "86-real") == "");
  CHECK(why(100, "90-virtual") == "");
  CHECK(why(100, "90a") != "");
  CHECK(why(89, "") != "");
}

TEST_CASE("a card before Ampere is refused by name, whatever was compiled") {
  for (const int capability : {61, 70, 75}) {
    for (const char* const list : {kAll, "75", ""}) {
      CHECK(has(why(capability, list), "Card has compute capability " + in_words(capability)));
      CHECK(has(why(capability, list), "8.0"));
      CHECK(has(why(capability, list), "bf16"));
    }
  }
}

TEST_CASE("who waits for the driver's compiler is told") {
  CHECK(by_driver(90, "80-virtual"));
  CHECK(by_driver(90, "80"));
  CHECK(!by_driver(86, "80"));
  CHECK(!by_driver(90, "90"));
  CHECK(!by_driver(80, "90"));  // it does not run at all
  CHECK(has(what_the_driver_does("Card", 90, parse_architectures("80-virtual")), "PTX of 8.0"));
}

}  // namespace
}  // namespace tokenyard::cuda
