// Two answers at once from one model: tell MODEL_FOLDER PROMPT
#include <exception>
#include <iostream>
#include <string>
#include <string_view>

#include "backends/text/text_engine.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: tell MODEL_FOLDER PROMPT\n";
    return 2;
  }
  try {
    tokenyard::TextEngine engine(argv[1]);
    tokenyard::Sampling sampling = default_sampling(engine.model());
    sampling.max_tokens = 60;
    tokenyard::Answer first = engine.submit(argv[2], sampling, [](std::string_view text) { std::cout << text << std::flush; });
    sampling.params.seed = 1;
    tokenyard::Answer second = engine.submit(argv[2], sampling);
    first.completion.wait();
    std::cout << "\n--- and with another seed:\n" << second.completion.get().text << "\n";
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 2;
  }
}
