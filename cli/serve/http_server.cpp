#include "cli/serve/http_server.h"

#include <fmt/format.h>

#include <array>
#include <boost/asio.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <optional>
#include <sstream>
#include <unordered_set>
#include <utility>

#include "cli/serve/live_answer.h"
#include "cli/serve/live_page.h"
#include "cli/serve/open_api.h"
#include "cli/serve/routes.h"
#include "core/base/input_error.h"
#include "core/base/json.h"

namespace tokenyard::serve {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::uint32_t kMostHeader = 32 << 10;
constexpr std::size_t kMostAhead = 64 << 10;  // bytes of later requests that are read while one is answered
constexpr std::size_t kReadSmall = 16 << 10;  // bodies up to this size are read between two steps of everything else
// Work on a batch goes on for so long before everything else gets its turn. The clock is read after so many tokens or streams.
constexpr std::chrono::microseconds kTurn{300};
constexpr std::size_t kTokensAtOnce = 64, kStreamsAtOnce = 8;
constexpr std::chrono::seconds kLinger{2};        // for a client to take the last answer before its connection is closed
constexpr std::chrono::seconds kFailureShown{1};  // /health says 503 for so long at least
constexpr std::chrono::milliseconds kSweep{250};

}  // namespace

struct ServerState {
  ServerState(ServerOptions with, const ServedModel& of, EngineThread::Setup setup);

  void accept();
  void on_signal();
  void drain();
  void cancel_all(const ApiError& why);
  void take_batch();
  void work();
  void touch(LiveAnswer& answer);
  void take_token(const TokenEvent& event);
  void take_end(const EndEvent& end);
  void take_rest();
  void sweep();
  void stop_if_done();

  ServerOptions options;
  const ServedModel& model;
  std::uint64_t bodies = 0;  // bytes that connections have claimed; before `io`, whose end destroys connections
  asio::io_context io{1};
  asio::thread_pool reader{1};
  tcp::acceptor acceptor{io};
  asio::signal_set signals{io, SIGTERM, SIGINT};
  asio::steady_timer sweep_timer{io}, drain_timer{io}, accept_timer{io}, stop_timer{io};
  ServerMetrics metrics;
  std::unique_ptr<EngineThread> engine;
  std::unordered_set<std::shared_ptr<Connection>> connections;
  Batch batch;  // is being taken, up to here
  std::size_t next_token = 0, next_end = 0, next_touched = 0;
  std::vector<std::shared_ptr<Connection>> touched;  // have something to send
  bool working = false, more = false;
  std::vector<std::weak_ptr<Connection>> live_asked;
  std::string id_prefix;
  std::int64_t next_id = 0;
  bool draining = false, stopped = false;
  Clock::time_point least_stop{};
  std::string failure;
};

// One client. Reads run ahead of answers; requests are answered one after the other.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(ServerState& server, tcp::socket socket) : server_(server), socket_(std::move(socket)) {
    error_code ignored;
    socket_.non_blocking(true, ignored);
    socket_.set_option(tcp::no_delay(true), ignored);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { server_.bodies -= body_claimed_; }

  void start() {
    expect_request();
    read();
  }

  bool is_busy() const { return phase_ == Phase::answering || phase_ == Phase::closing || !out_.empty() || writing_; }
  LiveAnswer* answer() { return answer_.get(); }
  bool touched = false;

  // Sends what the answer has by now.
  void pump();
  void reply(const Reply& reply, bool close = false);
  void check_deadline(Clock::time_point now);
  void close_if_idle() {
    if (phase_ == Phase::idle && out_.empty() && !writing_) drop();
  }
  // The client is gone, or is to be.
  void drop();
  bool waits_for_live() const { return live_; }

 private:
  enum class Phase { idle, header, body, answering, closing, dropped };

  void expect_request();
  void read();
  void on_read(error_code error, std::size_t bytes);
  void on_end_of_input();
  void feed();
  void on_header();
  void on_body();
  void handle();
  void on_request(std::variant<Reply, Generation> request);
  bool claim_body(std::uint64_t bytes);
  void free_body();
  void fail(const ApiError& error, bool close = false) { reply(error_reply(error), close); }
  void send(std::string_view bytes) { out_ += bytes; }
  void flush();
  void write_more();
  void answered();
  // Of an answer of `length` bytes; of a stream if none.
  std::string head(const Reply& of, std::optional<std::size_t> length) const;
  void append_chunk(std::string_view data);

  ServerState& server_;
  tcp::socket socket_;
  Phase phase_ = Phase::idle;
  Clock::time_point deadline_ = Clock::time_point::max();
  beast::flat_buffer input_;
  std::optional<http::request_parser<http::string_body>> parser_;
  std::optional<Route> route_;
  std::uint64_t body_claimed_ = 0;
  bool reading_ = false, input_ended_ = false;
  bool keep_alive_ = true, is_http_1_0_ = false;
  bool head_sent_ = false, live_ = false;
  std::unique_ptr<LiveAnswer> answer_;
  std::string out_, sending_;
  std::size_t sent_ = 0;  // of sending_
  bool writing_ = false;
};

void Connection::expect_request() {
  phase_ = Phase::idle;
  deadline_ = Clock::now() + server_.options.idle_time;
  free_body();
  parser_.emplace();
  parser_->header_limit(kMostHeader);
  parser_->body_limit(server_.options.largest_body);
  parser_->eager(false);
  route_.reset();
  head_sent_ = live_ = false;
  if (server_.draining) drop();
}

// Whether there is room for a body of so many bytes.
bool Connection::claim_body(std::uint64_t bytes) {
  if (bytes <= kReadSmall || bytes <= body_claimed_) return true;
  const std::uint64_t more = bytes - body_claimed_;
  if (server_.bodies + more > server_.options.most_bodies) return false;
  server_.bodies += more;
  body_claimed_ = bytes;
  return true;
}

void Connection::free_body() {
  if (parser_) std::string().swap(parser_->get().body());
  server_.bodies -= std::exchange(body_claimed_, 0);
}

void Connection::read() {
  if (reading_ || input_ended_ || phase_ == Phase::dropped) return;
  if (phase_ == Phase::answering && input_.size() >= kMostAhead) return;
  reading_ = true;
  socket_.async_read_some(input_.prepare(16 << 10),
                          [self = shared_from_this()](error_code error, std::size_t bytes) { self->on_read(error, bytes); });
}

void Connection::on_read(error_code error, std::size_t bytes) {
  reading_ = false;
  if (phase_ == Phase::dropped) return;
  if (error == asio::error::eof) return on_end_of_input();
  if (error) return drop();
  input_.commit(bytes);
  if (phase_ == Phase::closing) input_.consume(input_.size());
  feed();
  read();
}

// The client sends no more. It may still read: only an error of the connection tells that it is gone, and sending something
// makes the connection tell.
void Connection::on_end_of_input() {
  input_ended_ = true;
  if (phase_ != Phase::answering) return drop();
  keep_alive_ = false;
  if (head_sent_) {
    append_chunk(":\n\n");  // a comment in the stream of events
  } else if (is_http_1_0_) {
    return drop();
  } else {
    send("HTTP/1.1 100 Continue\r\n\r\n");  // which every client of HTTP/1.1 passes over
  }
  socket_.async_wait(tcp::socket::wait_error, [self = shared_from_this()](error_code) {
    if (self->phase_ != Phase::dropped) self->drop();
  });
  flush();
}

void Connection::feed() {
  while (input_.size() > 0 && (phase_ == Phase::idle || phase_ == Phase::header || phase_ == Phase::body)) {
    if (phase_ == Phase::idle) {
      phase_ = Phase::header;
      deadline_ = Clock::now() + server_.options.header_time;
    }
    error_code error;
    const std::size_t used = parser_->put(input_.data(), error);
    input_.consume(used);
    if (error == http::error::need_more) {
      if (used == 0) return;
      continue;
    }
    if (error == http::error::header_limit) {
      return fail({431, fmt::format("the header has more than {} bytes", kMostHeader), "invalid_request_error"}, true);
    }
    if (error == http::error::body_limit) {
      return fail({413, fmt::format("the body has more than {} bytes", server_.options.largest_body), "invalid_request_error"},
                  true);
    }
    if (error) return fail(ApiError::invalid("this is no HTTP: " + error.message()), true);
    if (phase_ == Phase::header && parser_->is_header_done()) on_header();
    // The parser makes room for the whole body at its first byte; one in chunks shows its size as it comes.
    if (phase_ == Phase::body &&
        !claim_body(std::max<std::uint64_t>(parser_->content_length().value_or(0), parser_->get().body().capacity()))) {
      return fail({503, "no room for this body beside those of other requests; try again", "server_error", {}, "bodies_full"},
                  true);
    }
    if (phase_ == Phase::body && parser_->is_done()) on_body();
  }
}

void Connection::on_header() {
  const auto& request = parser_->get();
  keep_alive_ = request.keep_alive() && !input_ended_;
  is_http_1_0_ = request.version() < 11;
  phase_ = Phase::body;
  deadline_ = Clock::now() + server_.options.body_time;
  const bool has_body = parser_->chunked() || parser_->content_length().value_or(0) > 0;
  try {
    const auto text = [](beast::string_view view) { return std::string_view(view.data(), view.size()); };
    route_ = route(text(request.method_string()), text(request.target()));
    const std::string& key = server_.options.api_key;
    if (!key.empty() && !is_open(route_->endpoint) && !has_key(text(request[http::field::authorization]), key)) {
      throw ApiError(401, "the API key is missing or wrong; it goes into the header \"Authorization: Bearer KEY\"",
                     "invalid_request_error", {}, "invalid_api_key");
    }
    if (takes_json(route_->endpoint)) {
      const std::string_view type = text(request[http::field::content_type]);
      if (!beast::iequals(beast::string_view(type.data(), std::min(type.size(), std::size_t{16})), "application/json")) {
        throw ApiError(415, "the body's Content-Type must be application/json", "invalid_request_error");
      }
    }
  } catch (const ApiError& error) {
    return fail(error, has_body);
  }
  if (has_body && beast::iequals(request[http::field::expect], "100-continue")) {
    send("HTTP/1.1 100 Continue\r\n\r\n");
    flush();
  }
  parser_->eager(true);
  if (!has_body) on_body();
}

void Connection::on_body() {
  phase_ = Phase::answering;
  deadline_ = Clock::time_point::max();
  handle();
}

void Connection::handle() {
  try {
    switch (route_->endpoint) {
      case Endpoint::page: return reply({200, "text/html; charset=utf-8", live_page()});
      case Endpoint::live:
        if (!server_.failure.empty()) throw ApiError::failed(server_.failure);
        live_ = true;
        server_.live_asked.push_back(weak_from_this());
        return server_.engine->ask_live();
      case Endpoint::health:
        if (!server_.failure.empty()) throw ApiError(503, server_.failure, "server_error", {}, "engine_failure");
        if (server_.draining) throw ApiError::stopping();
        return reply({200, "text/plain; charset=utf-8", ""});
      case Endpoint::version:
        return reply({200, "application/json", Json(Json::Object{{"version", server_.options.version}}).dump()});
      case Endpoint::metrics:
        return reply({200, "text/plain; version=0.0.4; charset=utf-8", server_.metrics.text(server_.engine->now())});
      case Endpoint::open_api: return reply({200, "application/json", open_api(server_.model, server_.options.version)});
      case Endpoint::models: return reply(models_reply(server_.model));
      case Endpoint::model: return reply(model_reply(route_->name, server_.model));
      default: break;
    }
    if (parser_->get().body().size() <= kReadSmall) {
      return on_request(read_request(route_->endpoint, parser_->get().body(), server_.model));
    }
    // Meanwhile nothing touches the body: the connection's phase sees to that.
    asio::post(server_.reader, [self = shared_from_this(), endpoint = route_->endpoint]() mutable {
      std::optional<std::variant<Reply, Generation>> request;
      try {
        request = read_request(endpoint, self->parser_->get().body(), self->server_.model);
      } catch (const ApiError& error) {
        request = error_reply(error);
      } catch (const std::exception& error) {
        request = error_reply(ApiError::failed(error.what()));
      }
      // The connection goes along: only the network's thread may end it.
      ServerState& server = self->server_;
      asio::post(server.io, [self = std::move(self), read = std::move(*request)]() mutable {
        if (self->phase_ == Phase::answering) self->on_request(std::move(read));
      });
    });
  } catch (const ApiError& error) {
    fail(error);
  } catch (const std::exception& error) {  // out of memory
    fail(ApiError::failed(error.what()));
  }
}

void Connection::on_request(std::variant<Reply, Generation> request) {
  if (const Reply* done = std::get_if<Reply>(&request)) return reply(*done);
  auto& generation = std::get<Generation>(request);
  if (!server_.failure.empty()) return fail(ApiError::failed(server_.failure));
  if (server_.draining) return fail(ApiError::stopping());
  const char* const kind = generation.api == Api::chat ? "chatcmpl-" : generation.api == Api::completions ? "cmpl-" : "resp_";
  answer_ = std::make_unique<LiveAnswer>(
      std::move(generation), server_.model, fmt::format("{}{}{}", kind, server_.id_prefix, server_.next_id++),
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count());
  if (server_.engine->now().waiting + answer_->num_choices() > server_.options.max_waiting) {
    answer_.reset();
    return fail({429,
                 fmt::format("the queue is full: it holds {} requests", server_.options.max_waiting),
                 "rate_limit_error",
                 {},
                 "queue_full"});
  }
  answer_->to = this;
  answer_->submit(*server_.engine);
  free_body();
}

std::string Connection::head(const Reply& of, std::optional<std::size_t> length) const {
  http::response<http::empty_body> response(static_cast<http::status>(of.status), is_http_1_0_ ? 10 : 11);
  response.set(http::field::server, "tokenyard");
  response.set(http::field::content_type, of.content_type);
  if (of.retry_after > 0) response.set(http::field::retry_after, std::to_string(of.retry_after));
  if (!of.allow.empty()) response.set(http::field::allow, of.allow);
  if (of.status == 401) response.set(http::field::www_authenticate, "Bearer");
  if (length) {
    response.content_length(*length);
  } else {
    response.set(http::field::cache_control, "no-cache");
    if (!is_http_1_0_) response.chunked(true);
  }
  response.keep_alive(keep_alive_);
  std::ostringstream out;
  out << response.base();
  return std::move(out).str();
}

void Connection::reply(const Reply& reply, bool close) {
  if (close || server_.draining) keep_alive_ = false;
  if (close) free_body();  // nobody reads it any more
  phase_ = Phase::answering;
  send(head(reply, reply.body.size()));
  send(reply.body);
  answered();
}

void Connection::append_chunk(std::string_view data) {
  if (is_http_1_0_) {
    out_ += data;
  } else if (!data.empty()) {
    fmt::format_to(std::back_inserter(out_), "{:x}\r\n", data.size());
    out_ += data;
    out_ += "\r\n";
  }
}

void Connection::pump() {
  if (!answer_ || !answer_->begun()) return;
  if (!answer_->is_event_stream()) {
    if (!answer_->ended()) return;
    const Reply whole{answer_->status(), "application/json", std::move(answer_->output()), 0};
    answer_.reset();
    return reply(whole);
  }
  if (!head_sent_) {
    head_sent_ = true;
    if (is_http_1_0_ || server_.draining) keep_alive_ = false;
    send(head({200, "text/event-stream; charset=utf-8", {}}, std::nullopt));
  }
  append_chunk(answer_->output());
  answer_->output().clear();
  if (answer_->ended()) {
    answer_.reset();
    if (!is_http_1_0_) send("0\r\n\r\n");
    return answered();
  }
  flush();
  if (out_.size() + sending_.size() - sent_ > server_.options.most_unsent) drop();
}

// The whole answer is in out_.
void Connection::answered() {
  if (!keep_alive_ || server_.draining) phase_ = Phase::closing;
  flush();
  if (phase_ == Phase::dropped) return;
  if (phase_ == Phase::answering) {
    expect_request();
    feed();
    if (phase_ != Phase::dropped) read();
  }
  server_.stop_if_done();
}

void Connection::flush() {
  if (writing_ || phase_ == Phase::dropped) return;
  if (!out_.empty()) {
    sending_.clear();
    std::swap(sending_, out_);
    error_code error;
    sent_ = socket_.write_some(asio::buffer(sending_), error);
    if (error && error != asio::error::would_block && error != asio::error::try_again) return drop();
    if (sent_ < sending_.size()) return write_more();
    sending_.clear();
    sent_ = 0;
  }
  if (phase_ == Phase::closing) {  // what the client still sends is read and passed over, or it could miss the answer
    error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
    deadline_ = Clock::now() + kLinger;
    if (input_ended_) return drop();
    read();
  }
}

void Connection::write_more() {
  writing_ = true;
  deadline_ = Clock::now() + server_.options.write_time;
  socket_.async_write_some(asio::buffer(sending_) + sent_, [self = shared_from_this()](error_code error, std::size_t bytes) {
    self->writing_ = false;
    if (self->phase_ == Phase::dropped) return;
    if (error) return self->drop();
    self->sent_ += bytes;
    if (self->sent_ < self->sending_.size()) return self->write_more();
    self->sending_.clear();
    self->sent_ = 0;
    self->deadline_ = self->phase_ == Phase::idle ? Clock::now() + self->server_.options.idle_time : Clock::time_point::max();
    self->flush();
    self->server_.stop_if_done();
  });
}

void Connection::check_deadline(Clock::time_point now) {
  if (now < deadline_) return;
  if ((phase_ == Phase::header || phase_ == Phase::body) && !writing_) {
    return fail({408, "the request did not come to its end in time", "invalid_request_error"}, true);
  }
  drop();
}

void Connection::drop() {
  if (phase_ == Phase::dropped) return;
  const auto self = shared_from_this();
  phase_ = Phase::dropped;
  if (answer_) answer_->cancel(*server_.engine);
  answer_.reset();
  error_code ignored;
  socket_.close(ignored);
  server_.connections.erase(self);
  server_.stop_if_done();
}

ServerState::ServerState(ServerOptions with, const ServedModel& of, EngineThread::Setup setup)
    : options(std::move(with)), model(of), metrics(of.name) {
  try {
    tcp::resolver resolver(io);
    const auto found = resolver.resolve(options.host, std::to_string(options.port), tcp::resolver::passive);
    const tcp::endpoint endpoint = *found.begin();
    acceptor.open(endpoint.protocol());
    acceptor.set_option(tcp::acceptor::reuse_address(true));
    acceptor.bind(endpoint);
    acceptor.listen(4096);
  } catch (const boost::system::system_error& error) {
    throw InputError(fmt::format("{}:{}: cannot listen here: {}", options.host, options.port, error.code().message()));
  }
  setup.observers.push_back(&metrics);
  engine = std::make_unique<EngineThread>(setup, [this] { asio::post(io, [this] { take_batch(); }); });
  id_prefix = fmt::format("{:x}-", of.created);
}

void ServerState::accept() {
  acceptor.async_accept([this](error_code error, tcp::socket socket) {
    if (error == asio::error::operation_aborted) return;
    if (error) {  // no descriptor is left
      accept_timer.expires_after(std::chrono::milliseconds(100));
      accept_timer.async_wait([this](error_code stopped_waiting) {
        if (!stopped_waiting && acceptor.is_open()) accept();
      });
      return;
    }
    const auto connection = std::make_shared<Connection>(*this, std::move(socket));
    connections.insert(connection);
    connection->start();
    accept();
  });
}

void ServerState::on_signal() {
  signals.async_wait([this](error_code error, int) {
    if (error) return;
    draining ? cancel_all(ApiError::stopping()) : drain();
    on_signal();
  });
}

void ServerState::drain() {
  draining = true;
  error_code ignored;
  acceptor.close(ignored);
  for (const auto& connection : std::vector(connections.begin(), connections.end())) connection->close_if_idle();
  drain_timer.expires_after(options.drain_timeout);
  drain_timer.async_wait([this](error_code error) {
    if (!error) cancel_all(ApiError::stopping());
  });
  stop_if_done();
}

void ServerState::cancel_all(const ApiError& why) {
  for (const auto& connection : std::vector(connections.begin(), connections.end())) {
    LiveAnswer* answer = connection->answer();
    if (answer == nullptr) continue;
    answer->cancel(*engine);
    answer->fail(why);
    connection->pump();
  }
  stop_timer.expires_after(kLinger);
  stop_timer.async_wait([this](error_code error) {
    if (error) return;
    for (const auto& connection : std::vector(connections.begin(), connections.end())) connection->drop();
    stop_if_done();
  });
}

void ServerState::take_batch() {
  if (std::exchange(working, true)) {
    more = true;
    return;
  }
  more = false;
  batch = engine->take();
  next_token = next_end = next_touched = 0;
  work();
}

// A part of the batch; what is asked meanwhile gets its turn between two parts.
void ServerState::work() {
  const Clock::time_point until = Clock::now() + kTurn;
  const auto taken = [this] { return next_end == batch.ends.size() && next_token == batch.tokens.size(); };
  while (!taken()) {
    for (std::size_t budget = kTokensAtOnce; budget > 0 && !taken(); --budget) {
      if (next_end < batch.ends.size() && batch.ends[next_end].after <= next_token) {
        take_end(batch.ends[next_end++]);
      } else {
        take_token(batch.tokens[next_token++]);
      }
    }
    if (Clock::now() >= until) return asio::post(io, [this] { work(); });
  }
  while (next_touched < touched.size()) {
    for (std::size_t budget = kStreamsAtOnce; budget > 0 && next_touched < touched.size(); --budget) {
      Connection& connection = *touched[next_touched++];
      connection.touched = false;
      connection.pump();
    }
    if (Clock::now() >= until) return asio::post(io, [this] { work(); });
  }
  touched.clear();
  take_rest();
  working = false;
  if (more) take_batch();
}

void ServerState::touch(LiveAnswer& answer) {
  if (!std::exchange(answer.to->touched, true)) touched.push_back(answer.to->shared_from_this());
}

void ServerState::take_token(const TokenEvent& event) {
  Choice& choice = *event.choice;
  if (choice.answer == nullptr) return;
  LiveAnswer& answer = *choice.answer;
  touch(answer);
  const TokenLogprobs* logprobs = event.logprobs < 0 ? nullptr : &batch.logprobs[static_cast<std::size_t>(event.logprobs)];
  if (answer.on_token(choice.index, event.token, logprobs, event.ends_text)) {
    engine->cancel(choice.ticket, FinishReason::stop);
    answer.on_end(choice.index, FinishReason::stop, "");
  }
}

void ServerState::take_end(const EndEvent& end) {
  if (end.choice->answer == nullptr) return;
  LiveAnswer& answer = *end.choice->answer;
  touch(answer);
  answer.on_end(end.choice->index, end.reason, end.why);
  if (answer.ended()) answer.cancel(*engine);  // it failed: its other choices are not wanted
}

void ServerState::take_rest() {
  if (batch.live) {
    const std::string body = fmt::format(R"({{"model":{},"backend":{},"connections":{},"generated_tokens":{},"engine":{}}})",
                                         Json(model.name).dump(), Json(model.fingerprint).dump(), connections.size(),
                                         metrics.generated_tokens(), *batch.live);
    for (const auto& asked : std::exchange(live_asked, {})) {
      const auto connection = asked.lock();
      if (connection && connection->waits_for_live()) connection->reply({200, "application/json", body});
    }
  }
  if (batch.failure) {
    failure = *batch.failure;
    draining = true;
    least_stop = Clock::now() + kFailureShown;
    cancel_all(ApiError::failed(failure));
    for (const auto& asked : std::exchange(live_asked, {})) {
      const auto connection = asked.lock();
      if (connection && connection->waits_for_live()) connection->reply(error_reply(ApiError::failed(failure)));
    }
  }
}

void ServerState::sweep() {
  sweep_timer.expires_after(kSweep);
  sweep_timer.async_wait([this](error_code error) {
    if (error) return;
    const Clock::time_point now = Clock::now();
    std::vector<std::shared_ptr<Connection>> all(connections.begin(), connections.end());
    for (const auto& connection : all) connection->check_deadline(now);
    stop_if_done();
    sweep();
  });
}

void ServerState::stop_if_done() {
  if (!draining || stopped || Clock::now() < least_stop) return;
  for (const auto& connection : connections) {
    if (connection->is_busy()) return;
  }
  stopped = true;
  io.stop();
}

HttpServer::HttpServer(ServerOptions options, const ServedModel& model, EngineThread::Setup setup)
    : state_(std::make_unique<ServerState>(std::move(options), model, std::move(setup))) {}

HttpServer::~HttpServer() = default;

std::uint16_t HttpServer::port() const { return state_->acceptor.local_endpoint().port(); }
bool HttpServer::is_local() const { return state_->acceptor.local_endpoint().address().is_loopback(); }
bool HttpServer::has_key() const { return !state_->options.api_key.empty(); }
const std::string& HttpServer::failure() const { return state_->failure; }

int HttpServer::run() {
  ServerState& s = *state_;
  s.engine->start();
  s.accept();
  s.on_signal();
  s.sweep();
  s.io.run();
  s.reader.join();
  s.engine->finish();
  s.connections.clear();
  return s.failure.empty() ? 0 : 1;
}

}  // namespace tokenyard::serve
