// The server in this process, on a backend that fails when it is told to.
#include "cli/serve/http_server.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <string>
#include <thread>

#include "catch.h"
#include "core/base/live_clock.h"
#include "core/trace/writer.h"
#include "serve_support.h"

using namespace tokenyard;
using namespace tokenyard::serve;

namespace {

// A millisecond a step, every token the same.
class Failing final : public Backend {
 public:
  void submit(const StepPlan& plan) override {
    result_.tokens.clear();
    for (const Row& row : plan.rows) {
      if (row.sample) result_.tokens.push_back(300);
    }
  }
  const StepResult& collect() override {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (fails) throw BackendError("the test device has failed");
    return result_;
  }
  TimeNs now() const override { return clock_.now(); }
  void wait_until(TimeNs time) override { clock_.wait_until(time); }
  void wake() override { clock_.wake(); }

  std::atomic<bool> fails{false};

 private:
  LiveClock clock_;
  StepResult result_;
};

class Client {
 public:
  explicit Client(std::uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() { close(fd_); }
  void complete(const std::string& fields) {
    const std::string body = R"({"prompt": "Hi", "max_tokens": 900, "ignore_eos": true)" + fields + "}";
    send("POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body);
  }
  void send(const std::string& text) { REQUIRE(::send(fd_, text.data(), text.size(), MSG_NOSIGNAL) == std::ssize(text)); }
  // Up to `text`, or to the end of the connection.
  std::string read_to(const std::string& text) {
    std::string out;
    char buffer[4096];
    while (out.find(text) == std::string::npos) {
      const ssize_t got = recv(fd_, buffer, sizeof buffer, 0);
      if (got <= 0) break;
      out.append(buffer, static_cast<std::size_t>(got));
    }
    return out;
  }

 private:
  int fd_;
};

struct Running {
  Failing backend;
  int status = -1;
  std::string failure;
  std::atomic<std::uint16_t> port{0};
  std::thread thread{[this] {
    EngineThread::Setup setup;
    setup.config.num_blocks = 500;
    setup.backend = &backend;
    ServerOptions options;
    options.port = 0;
    HttpServer server(options, story(), setup);
    port = server.port();
    status = server.run();
    failure = server.failure();
  }};

  Running() {
    while (port == 0) std::this_thread::yield();
  }
  ~Running() {
    if (thread.joinable()) thread.join();
  }
};

}  // namespace

TEST_CASE("when the backend fails every client is told why, /health turns 503, and the server ends with 1", "[serve]") {
  Running server;
  Client stream(server.port), whole(server.port), health(server.port);
  stream.complete(R"(, "stream": true)");
  CHECK_THAT(stream.read_to("data: {"), has_text("HTTP/1.1 200"));
  whole.complete("");
  health.send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK_THAT(health.read_to("\r\n\r\n"), has_text("HTTP/1.1 200"));
  server.backend.fails = true;
  const std::string events = stream.read_to("[DONE]");
  CHECK_THAT(events, has_text("the test device has failed"));
  const std::string reply = whole.read_to("}}");
  CHECK_THAT(reply, has_text("HTTP/1.1 500"));
  CHECK_THAT(reply, has_text("the test device has failed"));
  health.send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK_THAT(health.read_to("}}"), has_text("HTTP/1.1 503"));
  server.thread.join();
  CHECK(server.status == 1);
  CHECK(server.failure == "the test device has failed");
}

TEST_CASE("a signal lets what runs end, and the server with 0", "[serve]") {
  Running server;
  Client stream(server.port);
  stream.complete(R"(, "stream": true)");
  stream.read_to("data: {");
  std::raise(SIGTERM);
  CHECK_THAT(stream.read_to("[DONE]"), has_text(R"("finish_reason":"length")"));
  server.thread.join();
  CHECK(server.status == 0);
}
