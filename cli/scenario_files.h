// Where scenarios are found.
#pragma once

#include <string>
#include <vector>

namespace tokenyard::cli {

// `name` when it is a file; else NAME.json of the first folder that has it. Throws InputError with the folders searched.
std::string find_scenario(const std::string& name);

// The folder of an embedded model, models/NAME beside the scenarios. Throws InputError.
std::string find_model_folder(const std::string& name);

// Every scenario a bare name finds, sorted by name.
std::vector<std::string> all_scenarios();

// A workload that cost models are fitted to: fidelity/NAME.json beside the scenarios. Throws InputError.
std::string find_fidelity_run(const std::string& name);

// Likewise the viewer's lessons: `name` as a file, or lessons/NAME.json beside the scenarios.
std::string find_lesson(const std::string& name);
std::vector<std::string> all_lessons();

// The book's exercises: exercises/NAME.json beside the scenarios.
std::vector<std::string> all_exercises();

}  // namespace tokenyard::cli
