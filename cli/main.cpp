#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "backends/model/tokenizer.h"
#include "cli/commands.h"
#include "cli/options/closest.h"
#include "cli/options/help.h"
#include "cli/options/parse.h"
#include "cli/output/check_outputs.h"
#include "cli/version.h"
#include "core/base/input_error.h"
#include "sim/workload.h"

namespace {

using namespace tokenyard;
using namespace tokenyard::cli;

int fail(const std::string& what) {
  std::fflush(stdout);
  fmt::print(stderr, "{}\n", one_line(what));
  return 2;
}

TokenCounter tokenizer_of(const std::string& folder) {
  const auto tokenizer = std::make_shared<const Tokenizer>(Tokenizer::load(folder + "/tokenizer.json"));
  return [tokenizer](std::string_view text) { return static_cast<std::int32_t>(tokenizer->encode(text).size()); };
}

int run(const std::vector<std::string>& words) {
  set_tokenizers(tokenizer_of);
  const std::string first = words.empty() ? "--help" : words.front();
  if (first == "--version") {
    fmt::print("{}", version_text());
    return 0;
  }
  if (first == "--help" || first == "-h") {
    fmt::print("{}", overview(all_commands()));
    return 0;
  }
  if (first.starts_with('-')) {
    const std::string meant = did_you_mean(first, {"--help", "--version"});
    throw InputError(fmt::format("tokenyard: unknown option {}{} see tokenyard help", first, meant.empty() ? ";" : meant));
  }
  const Command command = find_command(first);
  if (parse(command, {words.begin() + 1, words.end()})) {
    check_outputs(command);
    return command.run()();
  }
  fmt::print("{}", help(command));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  // A file that is opened must not become the standard output that the caller closed: what is printed would land in it.
  for (int descriptor = STDIN_FILENO; descriptor <= STDERR_FILENO; ++descriptor) {
    if (fcntl(descriptor, F_GETFD) < 0 && open("/dev/null", O_RDONLY) < 0) return 2;  // read-only: printing still fails
  }
  // A closed pipe and a file that may grow no more are errors of writing like others.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  try {
    const int status = run({argv + std::min(argc, 1), argv + argc});
    // A full disk shows no sooner than here.
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
      return fail(fmt::format("tokenyard: standard output: {}", std::strerror(errno)));
    return status;
  } catch (const InputError& error) {
    return fail(error.what());  // says what it is about
  } catch (const std::bad_alloc&) {
    return fail("tokenyard: out of memory");
  } catch (const std::system_error& error) {
    if (error.code() == std::errc::resource_unavailable_try_again)
      return fail("tokenyard: the operating system gives no more threads (ulimit -u); ask for fewer: --threads, --jobs");
    return fail(fmt::format("tokenyard: the operating system refuses: {}", error.what()));  // a write
  } catch (const std::exception& error) {
    return fail(fmt::format("tokenyard: {}", error.what()));
  } catch (...) {
    return fail("tokenyard: an error of unknown kind");
  }
}
