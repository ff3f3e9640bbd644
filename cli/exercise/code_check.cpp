#include "cli/exercise/code_check.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <functional>

#include "cli/exercise/graders.h"
#include "core/base/input_error.h"
#include "core/base/json_reader.h"
#include "core/policy.h"

namespace tokenyard::cli {
namespace {

namespace fs = std::filesystem;

constexpr int kCompileSeconds = 60;
constexpr rlim_t kMostMemory = rlim_t{3} << 30;

void limit_memory() {
  const rlimit memory{kMostMemory, kMostMemory};
  if (TOKENYARD_LIMITS_MEMORY) setrlimit(RLIMIT_AS, &memory);
}

struct ChildEnd {
  std::string output;
  bool timed_out = false;
  int status = 0;  // as waitpid gives it
};

// Forks, lets `work` run in the child with the pipe's end to write to, and reads what comes of it for at most `seconds`.
ChildEnd in_child(int seconds, const std::function<void(int out)>& work) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (child == 0) {
    setpgid(0, 0);                     // so that all of it can be ended,
    prctl(PR_SET_PDEATHSIG, SIGKILL);  // also when the parent is interrupted
    work(ends[1]);
    _exit(0);
  }
  setpgid(child, child);
  close(ends[1]);
  ChildEnd end;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  std::array<char, 4096> buffer{};
  while (true) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    pollfd waiting{ends[0], POLLIN, 0};
    const int ready = left > 0 ? poll(&waiting, 1, static_cast<int>(left)) : 0;
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) {
      end.timed_out = true;
      kill(-child, SIGKILL);
      break;
    }
    const ssize_t got = read(ends[0], buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    end.output.append(buffer.data(), static_cast<std::size_t>(got));
  }
  close(ends[0]);
  while (waitpid(child, &end.status, 0) < 0 && errno == EINTR) {
  }
  return end;
}

// A folder of this check's own, gone with it.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string name = (fs::temp_directory_path() / "tokenyard-exercise-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr)
      throw InputError(name + ": cannot be made: " + std::strerror(errno) + "; set TMPDIR to a folder that can be written");
    path_ = name;
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  std::string file(const char* name) const { return (path_ / name).string(); }

 private:
  fs::path path_;
};

bool is_program(const std::string& name) {
  if (name.find('/') != std::string::npos) return access(name.c_str(), X_OK) == 0;
  const char* const path = std::getenv("PATH");
  std::string_view folders = path == nullptr ? "" : path;
  while (!folders.empty()) {
    const std::size_t colon = std::min(folders.find(':'), folders.size());
    if (access((fs::path(folders.substr(0, colon)) / name).c_str(), X_OK) == 0) return true;
    folders.remove_prefix(std::min(colon + 1, folders.size()));
  }
  return false;
}

std::string find_compiler() {
  if (const char* set = std::getenv("CXX"); set != nullptr && *set != '\0') return set;
  for (const char* name : {TOKENYARD_COMPILER, "c++", "g++", "clang++"}) {
    if (is_program(name)) return name;
  }
  throw InputError("no C++ compiler is found, which this exercise needs; install g++ or name one: CXX=clang++");
}

// Where core/scheduler.h lies: the sources this program was built from, or what was installed along with it.
std::string find_headers() {
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
  const fs::path installed = program.parent_path().parent_path() / TOKENYARD_INSTALLED_HEADERS;
  for (const fs::path& folder : {fs::path(TOKENYARD_SOURCE_FOLDER), installed}) {
    if (fs::exists(folder / "core/scheduler.h", ignored) && fs::exists(folder / "cli/exercise/student.h", ignored))
      return folder.string();
  }
  throw InputError("the headers this exercise compiles with are not here, neither in " TOKENYARD_SOURCE_FOLDER " nor in " +
                   installed.string() + "; take the program that a clone of the repository builds");
}

// The first line of a compiler's output that says what is wrong.
std::string first_error(const std::string& output, const std::string& file) {
  std::size_t at = output.find("error: ");
  if (at == std::string::npos) at = output.find("undefined");
  if (at == std::string::npos) return file + ": does not compile: " + output.substr(0, output.find('\n'));
  const std::size_t begin = output.rfind('\n', at) + 1;  // npos + 1: the first line
  return output.substr(begin, output.find('\n', at) - begin);
}

void compile(const std::string& file, const std::string& library) {
  const std::string compiler = find_compiler(), headers = "-I" + find_headers();
  const ChildEnd end = in_child(kCompileSeconds, [&](int out) {
    limit_memory();
    dup2(out, STDERR_FILENO);
    dup2(out, STDOUT_FILENO);
    const char* const arguments[] = {compiler.c_str(), "-std=c++20", "-O1", "-fPIC",      "-shared", "-ffp-contract=off",
                                     headers.c_str(),  "-x",         "c++", file.c_str(), "-o",      library.c_str(),
                                     nullptr};
    execvp(compiler.c_str(), const_cast<char* const*>(arguments));
    const std::string why = "error: " + compiler + " cannot be started: " + std::strerror(errno);
    [[maybe_unused]] const ssize_t written = write(out, why.data(), why.size());
    _exit(127);
  });
  if (end.timed_out) throw InputError(fmt::format("{}: compiling takes longer than {} s", file, kCompileSeconds));
  if (!WIFEXITED(end.status) || WEXITSTATUS(end.status) != 0) throw InputError(first_error(end.output, file));
}

template <typename Function>
Function* function_of(void* library, const char* name, const std::string& file) {
  void* const found = dlsym(library, name);
  if (found == nullptr)
    throw InputError(file + ": defines no extern \"C\" function " + name + "(), as the file to begin with does");
  return reinterpret_cast<Function*>(found);
}

Verdict grade(const Exercise& exercise, const std::string& file, const std::string& path, std::uint64_t seed) {
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw InputError(file + ": cannot be loaded: " + dlerror());
  using Grader = ExerciseCode::Grader;
  if (exercise.code->grader == Grader::blocks)
    return grade_blocks(*exercise.code, function_of<BlocksFunction>(library, "blocks", file));
  if (exercise.code->grader == Grader::sum) return grade_sum(function_of<SumFunction>(library, "sum", file));
  const PolicyTraits* const traits = function_of<const PolicyTraits*()>(library, "policy", file)();
  if (traits == nullptr) return {false, {"not yet: policy() returns no policy"}};
  ExerciseFacts facts(exercise, {{}, Policy(*traits)}, seed);
  return check_goals(exercise, facts);
}

std::string to_text(const Verdict& verdict) {
  return Json(Json::Object{{"right", verdict.right}, {"lines", Json::list(verdict.lines)}}).dump();
}

}  // namespace

Verdict check_code(const Exercise& exercise, const std::string& file, std::uint64_t seed) {
  std::error_code ignored;
  if (!fs::is_regular_file(file, ignored))
    throw InputError(fmt::format("{}: expected a C++ file; tokenyard exercise start {} writes the one to begin with", file,
                                 exercise.label()));
  const ScratchFolder scratch;
  const std::string library = scratch.file("student.so");
  compile(file, library);
  const ChildEnd end = in_child(3 * kCodeSeconds, [&](int out) {
    // Computing is what is limited; the parent's patience is for a busy machine.
    const rlimit seconds{kCodeSeconds, kCodeSeconds}, none{0, 0};
    setrlimit(RLIMIT_CPU, &seconds);
    setrlimit(RLIMIT_CORE, &none);
    limit_memory();
    Verdict verdict;
    try {
      verdict = grade(exercise, file, library, seed);
    } catch (const InputError& error) {
      verdict = {false, {std::string("not yet: what your code did does not fit together: ") + error.what()}};
    } catch (const std::bad_alloc&) {
      verdict = {false, {"not yet: your code takes more memory than 3 GB"}};
    } catch (const std::exception& error) {
      verdict = {false, {std::string("not yet: ") + one_line(error.what())}};
    } catch (...) {
      verdict = {false, {"not yet: your code throws something that is no std::exception"}};
    }
    const std::string text = to_text(verdict);
    [[maybe_unused]] const ssize_t written = write(out, text.data(), text.size());
  });
  if (end.timed_out || (WIFSIGNALED(end.status) && (WTERMSIG(end.status) == SIGXCPU || WTERMSIG(end.status) == SIGKILL)))
    return {false,
            {fmt::format("not yet: your code still runs after {} s; it loops, or requests are never finished", kCodeSeconds)}};
  if (WIFSIGNALED(end.status))
    return {false,
            {fmt::format("not yet: your code crashes ({}); build it with your own main() and a debugger to see where",
                         strsignal(WTERMSIG(end.status)))}};
  if (end.output.empty()) return {false, {"not yet: your code ends the program"}};
  const JsonValue json = JsonValue::parse(end.output, "the grader");
  JsonObject object = json.object();
  return {object.at("right").boolean(), object.at("lines").strings()};
}

}  // namespace tokenyard::cli
