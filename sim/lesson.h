// A scenario as a lesson: variants of it side by side, what they show, and what must hold between them. docs/scenarios.md.
#pragma once

#include <string>
#include <vector>

#include "sim/expectation.h"
#include "sim/result_values.h"

namespace tokenyard {

struct Variant {
  std::string name;                    // as expectations call it
  std::string note;                    // one line for the table's legend, or empty
  std::vector<std::string> overrides;  // on the scenario, as load_scenario takes them
};

struct Lesson {
  std::string path, name, title, teaches, look_for;
  std::vector<Variant> variants;  // at least one; a scenario without any has one, "base", that changes nothing
  std::vector<std::string> show;  // metrics
  std::vector<Expectation> expect;
};

// Reads what of the file is the lesson's; load_scenario(path, variant.overrides) reads a variant. Variants that expectations
// name exist, as do all metrics. Throws InputError.
Lesson load_lesson(const std::string& path);

// Throws InputError when it is not, with the names there are.
const Variant& find_variant(const Lesson& lesson, const std::string& name);

// The value called `metric`. REQUIRES: it is one of result_names().
double result_value(const std::vector<ResultValue>& values, const std::string& metric);

}  // namespace tokenyard
