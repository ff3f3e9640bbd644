// What a client gets that is no stream.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace tokenyard::serve {

struct Reply {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  int retry_after = 0;     // seconds; 0: the header is left out
  std::string allow = {};  // the right method, after a wrong one
};

// Whatever is wrong with a request, as OpenAI's error object says it.
struct ApiError : std::runtime_error {
  ApiError(int http_status, const std::string& message, std::string of_type, std::string parameter = {}, std::string name = {})
      : std::runtime_error(message),
        status(http_status),
        type(std::move(of_type)),
        param(std::move(parameter)),
        code(std::move(name)) {}

  static ApiError invalid(const std::string& message, const std::string& param = {}, const std::string& code = {}) {
    return {400, message, "invalid_request_error", param, code};
  }
  // The server's fault, not the request's.
  static ApiError failed(const std::string& message) { return {500, message, "server_error", {}, "engine_failure"}; }
  static ApiError stopping() { return {503, "the server is shutting down", "server_error", {}, "shutting_down"}; }

  int status;
  std::string type, param, code;  // param and code may be empty: null in JSON
  std::string allow;              // of status 405
};

// {"error": {"message", "type", "param", "code"}}
std::string error_json(const ApiError& error);
Reply error_reply(const ApiError& error);

}  // namespace tokenyard::serve
