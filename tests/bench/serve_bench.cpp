// serve_bench [STREAMS] [TOKENS] [STEP_US]: the server over loopback, with a simulated GPU whose steps take STEP_US.
//
// Three processes: the server, a client that reads STREAMS streams of TOKENS tokens, and one that asks /health 100 times a
// second. Reported are streamed tokens a second, what the server adds to a token (from the end of its step to the client's
// read), the round trip of /health meanwhile, and the server's memory and processor time.
#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "cli/serve/http_server.h"
#include "core/scheduler.h"
#include "sim/paced_backend.h"

namespace {

using namespace tokenyard;
using Clock = std::chrono::steady_clock;

std::int64_t now() { return Clock::now().time_since_epoch().count(); }  // one clock for all processes

struct Shared {
  std::atomic<int> port{0};
  std::atomic<bool> loading{false}, ended{false};
};

// When each token of each request was there.
struct Stamps {
  std::int32_t tokens;
  std::int64_t* at;
  std::int64_t& of(std::int32_t request, std::int32_t token) const { return at[std::int64_t{request} * tokens + token]; }
};

class Stamper final : public EngineObserver {
 public:
  explicit Stamper(Stamps stamps) : stamps_(stamps) {}
  void on_commit(const StepOutcome& outcome) override {
    const std::int64_t at = now();
    for (const Row& row : outcome.plan.rows) {
      if (row.sample && !row.request->left) stamps_.of(row.request->number, row.request->num_output() - 1) = at;
    }
  }

 private:
  Stamps stamps_;
};

void* shared_memory(std::size_t bytes) {
  void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) std::abort();
  return memory;
}

int connect_to(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) std::abort();
  return fd;
}

void send_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent <= 0) std::abort();
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
}

double percentile(std::vector<std::int64_t>& values, double p) {
  if (values.empty()) return 0;
  const auto at = static_cast<std::size_t>(p / 100 * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(at), values.end());
  return static_cast<double>(values[at]) / 1e6;
}

struct Stream {
  int fd = -1;
  std::int32_t request = -1;  // its number in the engine
  std::int32_t tokens = 0;
  std::string kept;  // the end of the last read, in which an event may begin
  bool ended = false;
};

// Reads all streams to their ends.
void client(const Shared& shared, std::int32_t streams, Stamps stamps) {
  const std::string body =
      fmt::format(R"({{"prompt": "Once upon a time", "max_tokens": {}, "ignore_eos": true, "temperature": 0, "stream": true}})",
                  stamps.tokens);
  const std::string request = fmt::format(
      "POST /v1/completions HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
      body.size(), body);
  std::vector<Stream> all(static_cast<std::size_t>(streams));
  const int poller = epoll_create1(0);
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i].fd = connect_to(shared.port);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    epoll_ctl(poller, EPOLL_CTL_ADD, all[i].fd, &event);
  }
  const std::int64_t start = now();
  for (const Stream& stream : all) send_all(stream.fd, request);
  std::vector<std::int64_t> added;
  std::vector<char> buffer(256 << 10);
  std::vector<epoll_event> events(1024);
  std::int64_t tokens = 0, first_all = 0;
  std::int32_t begun = 0;
  for (std::int32_t open = streams; open > 0;) {
    const int ready = epoll_wait(poller, events.data(), static_cast<int>(events.size()), 10'000);
    if (ready <= 0) {
      fmt::print("a stream hangs: {} of {} are open\n", open, streams);
      std::_Exit(1);
    }
    for (int e = 0; e < ready; ++e) {
      Stream& stream = all[events[static_cast<std::size_t>(e)].data.u64];
      const ssize_t got = recv(stream.fd, buffer.data(), buffer.size(), 0);
      const std::int64_t at = now();
      if (got <= 0) {
        fmt::print("a stream broke after {} tokens\n", stream.tokens);
        std::_Exit(1);
      }
      std::string_view text(buffer.data(), static_cast<std::size_t>(got));
      if (!stream.kept.empty()) {
        stream.kept += text;
        text = stream.kept;
      }
      std::size_t done = 0;
      for (std::size_t found; (found = text.find("data: ", done)) != std::string_view::npos;) {
        const std::size_t end = text.find("\n\n", found);
        if (end == std::string_view::npos) break;
        const std::string_view event = text.substr(found, end - found);
        done = end + 2;
        if (event == "data: [DONE]") {
          stream.ended = true;
          --open;
          continue;
        }
        if (stream.request < 0) {
          const std::size_t number = event.find('-', event.find("cmpl-") + 5) + 1;
          stream.request = std::atoi(event.data() + number);
          if (++begun == streams) first_all = at;
        }
        if (stream.tokens < stamps.tokens) added.push_back(at - stamps.of(stream.request, stream.tokens));
        ++stream.tokens;
      }
      std::string rest(text.substr(done));
      stream.kept = std::move(rest);
      if (stream.ended) {
        tokens += stream.tokens - 1;  // the last event has none
        epoll_ctl(poller, EPOLL_CTL_DEL, stream.fd, nullptr);
        close(stream.fd);
      }
    }
  }
  const double seconds = static_cast<double>(now() - start) / 1e9;
  fmt::print("{} streams, {} tokens in {:.2f} s: {:.0f} tokens/s; every stream begun after {:.3f} s\n", streams, tokens,
             seconds, static_cast<double>(tokens) / seconds, static_cast<double>(first_all - start) / 1e9);
  fmt::print("added to a token (ms): P50 {:.3f}, P99 {:.3f}, most {:.3f}\n", percentile(added, 50), percentile(added, 99),
             percentile(added, 100));
  std::fflush(stdout);
}

void ask_health(Shared& shared) {
  const int fd = connect_to(shared.port);
  std::vector<std::int64_t> times;
  char buffer[4096];
  while (!shared.ended) {
    const std::int64_t start = now();
    send_all(fd, "GET /health HTTP/1.1\r\nHost: bench\r\n\r\n");
    if (recv(fd, buffer, sizeof buffer, 0) <= 0) break;
    if (shared.loading) times.push_back(now() - start);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  fmt::print("/health meanwhile (ms): {} times, P50 {:.3f}, P99 {:.3f}, most {:.3f}\n", times.size(), percentile(times, 50),
             percentile(times, 99), percentile(times, 100));
  std::fflush(stdout);
}

void report_self(const char* name) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  fmt::print("{}: at most {} MB resident, {:.2f} s of processor time\n", name, usage.ru_maxrss / 1024,
             seconds(usage.ru_utime) + seconds(usage.ru_stime));
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const std::int32_t streams = argc > 1 ? std::atoi(argv[1]) : 1024;
  const std::int32_t tokens = argc > 2 ? std::atoi(argv[2]) : 1000;
  const double step_us = argc > 3 ? std::atof(argv[3]) : 0;
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);

  auto& shared = *new (shared_memory(sizeof(Shared))) Shared;
  const Stamps stamps{
      tokens, static_cast<std::int64_t*>(
                  shared_memory(sizeof(std::int64_t) * static_cast<std::size_t>(streams) * static_cast<std::size_t>(tokens)))};
  const pid_t server = getpid();
  const auto wait_for_port = [&] {
    while (shared.port == 0) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  };
  const pid_t prober = fork();
  if (prober == 0) {
    wait_for_port();
    ask_health(shared);
    std::_Exit(0);
  }
  const pid_t loader = fork();
  if (loader == 0) {
    wait_for_port();
    shared.loading = true;
    client(shared, streams, stamps);
    shared.loading = false;
    shared.ended = true;
    report_self("client");
    kill(server, SIGTERM);
    std::_Exit(0);
  }

  const Tokenizer tokenizer = Tokenizer::load(TOKENYARD_SOURCE_DIR "/scenarios/models/story/tokenizer.json");
  PacedBackend backend(CostModel(ConstantTime{static_cast<TimeNs>(step_us * 1e3), 0}));
  serve::ServedModel model;
  model.name = "sim";
  model.fingerprint = "bench";
  model.tokenizer = &tokenizer;
  model.max_model_len = 1 << 20;
  model.num_ids = tokenizer.num_ids();
  model.created = 1;
  model.words.emplace(tokenizer);
  Stamper stamper(stamps);
  serve::EngineThread::Setup setup;
  setup.config.max_num_seqs = streams;
  setup.config.max_num_batched_tokens = std::max(8192, 2 * streams);
  setup.config.num_blocks = streams * (tokens / 16 + 4) + 1;
  setup.config.async_scheduling = true;
  setup.backend = &backend;
  setup.observers = {&stamper};
  serve::ServerOptions options;
  options.port = 0;
  options.max_waiting = 1 << 20;
  serve::HttpServer http(options, model, std::move(setup));
  shared.port = http.port();
  const int status = http.run();
  waitpid(prober, nullptr, 0);
  waitpid(loader, nullptr, 0);
  report_self("server");
  return status;
}
