// The server: connections, their requests and answers, on one thread; a second one reads large requests. HTTP is Boost.Beast's.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "cli/serve/engine_thread.h"
#include "cli/serve/served_model.h"

namespace tokenyard::serve {

struct ServerOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 8000;        // 0: one that is free
  std::string api_key;              // empty: none is asked for
  std::int64_t max_waiting = 1024;  // requests in the queue; more are refused
  std::chrono::milliseconds drain_timeout{30'000};
  std::string version;

  std::uint64_t largest_body = 32 << 20;
  // Of all bodies above 16 KiB together, until they are read. Smaller ones always have room: descriptors bound them.
  std::uint64_t most_bodies = 256 << 20;
  std::size_t most_unsent = 1 << 20;  // bytes of a stream that its client has not taken; with more it is dropped
  // How long a client may take: between two requests, for a header, for a body, and to take anything of what is sent.
  std::chrono::milliseconds idle_time{75'000}, header_time{20'000}, body_time{60'000}, write_time{30'000};
};

struct ServerState;

class HttpServer {
 public:
  // Binds the address and makes the engine. `model` is borrowed. `setup.observers` gets the server's own metrics besides.
  // Throws InputError where the address cannot be had, and what Engine's constructor throws.
  HttpServer(ServerOptions options, const ServedModel& model, EngineThread::Setup setup);
  ~HttpServer();

  std::uint16_t port() const;
  bool is_local() const;  // only this machine reaches it
  bool has_key() const;
  // Serves until SIGTERM or SIGINT; a second one ends it at once. The exit status: 0, or 1 after the backend or the trace
  // failed, which failure() tells.
  int run();
  const std::string& failure() const;

 private:
  std::unique_ptr<ServerState> state_;
};

}  // namespace tokenyard::serve
