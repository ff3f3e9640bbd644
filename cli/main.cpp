#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <new>
#include <stdexcept>

#include "cli/commands.h"
#include "core/backend.h"
#include "core/base/input_error.h"

namespace {

int fail(const std::string& what) {
  std::fflush(stdout);
  fmt::print(stderr, "{}\n", what);
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "tokenyard: how LLM serving works, decision by decision.\n"
      "One scheduler and one block manager, on a simulated GPU or replaying recorded runs; every decision has its reason.\n"
      "\n"
      "Try:  tokenyard simulate scenarios/chat-hour.json --trace chat.trace\n"
      "      tokenyard simulate scenarios/chat-hour.json --policy orca --trace orca.trace\n"
      "      tokenyard diff chat.trace orca.trace --ignore time\n"
      "      tokenyard view chat.trace orca.trace\n"
      "      tokenyard scenarios\n"
      "      tokenyard explain prefill-first"};
  app.name("tokenyard");
  app.set_version_flag("--version", "tokenyard " TOKENYARD_VERSION);
  app.require_subcommand(1);
  app.footer("Exit status: 0 fine; 1 a difference, or an expectation that does not hold; 2 something cannot be read or done.");

  tokenyard::cli::Run chosen;
  tokenyard::cli::add_simulate(app, chosen);
  tokenyard::cli::add_bench(app, chosen);
  tokenyard::cli::add_generate(app, chosen);
  tokenyard::cli::add_chat(app, chosen);
  tokenyard::cli::add_replay(app, chosen);
  tokenyard::cli::add_diff(app, chosen);
  tokenyard::cli::add_export(app, chosen);
  tokenyard::cli::add_conform(app, chosen);
  tokenyard::cli::add_calibrate(app, chosen);
  tokenyard::cli::add_validate(app, chosen);
  tokenyard::cli::add_scenarios(app, chosen);
  tokenyard::cli::add_explain(app, chosen);
  tokenyard::cli::add_sweep(app, chosen);
  tokenyard::cli::add_capacity(app, chosen);
  tokenyard::cli::add_view(app, chosen);
  tokenyard::cli::add_test(app, chosen);

  // CLI11 would only say that a subcommand is missing.
  if (argc > 1 && argv[1][0] != '-') {
    const auto commands = app.get_subcommands([](const CLI::App* command) { return !command->get_name().empty(); });
    const bool known =
        std::any_of(commands.begin(), commands.end(), [&](const CLI::App* c) { return c->get_name() == argv[1]; });
    if (!known) return fail(fmt::format("tokenyard: unknown command \"{}\" (see tokenyard --help)", argv[1]));
  }
  try {
    app.parse(argc, argv);
    return chosen();
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    return fail(fmt::format("tokenyard: {} (see tokenyard --help)", error.what()));
  } catch (const tokenyard::InputError& error) {
    return fail(error.what());
  } catch (const tokenyard::BackendError& error) {
    return fail(fmt::format("tokenyard: {}", error.what()));
  } catch (const std::invalid_argument& error) {
    return fail(fmt::format("tokenyard: {}", error.what()));
  } catch (const std::bad_alloc&) {
    return fail("tokenyard: out of memory");
  }
}
