#include "cli/serve/open_api.h"

#include <string_view>
#include <utility>

#include "core/base/json.h"

namespace tokenyard::serve {
namespace {

// @MODEL@, @CONTEXT@, @IDS@ and @VERSION@ are the server's. Fields that are passed over are not listed.
constexpr std::string_view kDocument = R"json({
"openapi": "3.1.0",
"info": {"title": "Tokenyard", "version": @VERSION@,
  "description": "OpenAI's interface to one model. Fields that are not listed are passed over, but for those that would change an answer and are not supported: they get status 400 with their name."},
"paths": {
  "/v1/chat/completions": {"post": {
    "operationId": "chat", "summary": "Answer a conversation",
    "requestBody": {"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ChatRequest"}}}},
    "responses": {
      "200": {"description": "The answer; with stream, server-sent events that end with data: [DONE]",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Chat"}}, "text/event-stream": {}}},
      "400": {"$ref": "#/components/responses/Invalid"}, "401": {"$ref": "#/components/responses/NoKey"},
      "404": {"$ref": "#/components/responses/NoModel"}, "408": {"$ref": "#/components/responses/Slow"},
      "413": {"$ref": "#/components/responses/Large"},
      "415": {"$ref": "#/components/responses/NoJson"}, "429": {"$ref": "#/components/responses/Full"},
      "431": {"$ref": "#/components/responses/LargeHeader"},
      "500": {"$ref": "#/components/responses/Failed"}, "503": {"$ref": "#/components/responses/Busy"}}}},
  "/v1/completions": {"post": {
    "operationId": "complete", "summary": "Go on from a text",
    "requestBody": {"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/CompletionRequest"}}}},
    "responses": {
      "200": {"description": "The text; with stream, server-sent events that end with data: [DONE]",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Completion"}}, "text/event-stream": {}}},
      "400": {"$ref": "#/components/responses/Invalid"}, "401": {"$ref": "#/components/responses/NoKey"},
      "404": {"$ref": "#/components/responses/NoModel"}, "408": {"$ref": "#/components/responses/Slow"},
      "413": {"$ref": "#/components/responses/Large"},
      "415": {"$ref": "#/components/responses/NoJson"}, "429": {"$ref": "#/components/responses/Full"},
      "431": {"$ref": "#/components/responses/LargeHeader"},
      "500": {"$ref": "#/components/responses/Failed"}, "503": {"$ref": "#/components/responses/Busy"}}}},
  "/v1/responses": {"post": {
    "operationId": "respond", "summary": "Answer a conversation, OpenAI's newer interface; nothing is kept between requests",
    "requestBody": {"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ResponseRequest"}}}},
    "responses": {
      "200": {"description": "The answer; with stream, server-sent events that end with response.completed or response.incomplete",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Response"}}, "text/event-stream": {}}},
      "400": {"$ref": "#/components/responses/Invalid"}, "401": {"$ref": "#/components/responses/NoKey"},
      "404": {"$ref": "#/components/responses/NoModel"}, "408": {"$ref": "#/components/responses/Slow"},
      "413": {"$ref": "#/components/responses/Large"},
      "415": {"$ref": "#/components/responses/NoJson"}, "429": {"$ref": "#/components/responses/Full"},
      "431": {"$ref": "#/components/responses/LargeHeader"},
      "500": {"$ref": "#/components/responses/Failed"}, "503": {"$ref": "#/components/responses/Busy"}}}},
  "/tokenize": {"post": {
    "operationId": "tokenize", "summary": "The token ids of a text or of a conversation",
    "requestBody": {"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/TokenizeRequest"}}}},
    "responses": {
      "200": {"description": "The ids", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Tokens"}}}},
      "400": {"$ref": "#/components/responses/Invalid"}, "401": {"$ref": "#/components/responses/NoKey"},
      "404": {"$ref": "#/components/responses/NoModel"}, "408": {"$ref": "#/components/responses/Slow"},
      "413": {"$ref": "#/components/responses/Large"},
      "415": {"$ref": "#/components/responses/NoJson"}, "431": {"$ref": "#/components/responses/LargeHeader"},
      "503": {"$ref": "#/components/responses/Busy"}}}},
  "/detokenize": {"post": {
    "operationId": "detokenize", "summary": "The text of token ids",
    "requestBody": {"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/DetokenizeRequest"}}}},
    "responses": {
      "200": {"description": "The text", "content": {"application/json": {"schema": {"type": "object", "required": ["prompt"],
        "properties": {"prompt": {"type": "string"}}}}}},
      "400": {"$ref": "#/components/responses/Invalid"}, "401": {"$ref": "#/components/responses/NoKey"},
      "404": {"$ref": "#/components/responses/NoModel"}, "408": {"$ref": "#/components/responses/Slow"},
      "413": {"$ref": "#/components/responses/Large"},
      "415": {"$ref": "#/components/responses/NoJson"}, "431": {"$ref": "#/components/responses/LargeHeader"},
      "503": {"$ref": "#/components/responses/Busy"}}}},
  "/v1/models": {"get": {
    "operationId": "models", "summary": "What is served: one model",
    "responses": {
      "200": {"description": "A list of one", "content": {"application/json": {"schema": {"type": "object", "required": ["object", "data"],
        "properties": {"object": {"const": "list"}, "data": {"type": "array", "items": {"$ref": "#/components/schemas/Model"}}}}}}},
      "401": {"$ref": "#/components/responses/NoKey"}}}},
  "/v1/models/{name}": {"get": {
    "operationId": "model", "summary": "The model of this name",
    "parameters": [{"name": "name", "in": "path", "required": true, "schema": {"type": "string", "minLength": 1}}],
    "responses": {
      "200": {"description": "The model", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Model"}}}},
      "400": {"$ref": "#/components/responses/Invalid"}, "401": {"$ref": "#/components/responses/NoKey"},
      "404": {"$ref": "#/components/responses/NoModel"}, "431": {"$ref": "#/components/responses/LargeHeader"}}}},
  "/health": {"get": {"operationId": "health", "summary": "Whether requests are taken", "security": [],
    "responses": {"200": {"description": "They are", "content": {"text/plain": {"schema": {"type": "string"}}}},
      "503": {"$ref": "#/components/responses/Stopping"}}}},
  "/version": {"get": {"operationId": "version", "summary": "The program's version", "security": [],
    "responses": {"200": {"description": "The version", "content": {"application/json": {"schema": {"type": "object", "required": ["version"],
      "properties": {"version": {"type": "string"}}}}}}}}},
  "/metrics": {"get": {"operationId": "metrics", "summary": "For Prometheus, under vLLM's names", "security": [],
    "responses": {"200": {"description": "The exposition format, 0.0.4", "content": {"text/plain": {"schema": {"type": "string"}}}}}}},
  "/live": {"get": {"operationId": "live", "summary": "The running and the waiting requests, and why they wait",
    "responses": {"200": {"description": "What the page at / shows", "content": {"application/json": {"schema": {"type": "object"}}}},
      "401": {"$ref": "#/components/responses/NoKey"}, "500": {"$ref": "#/components/responses/Failed"}}}},
  "/": {"get": {"operationId": "page", "summary": "A page with a chat box and the live counters", "security": [],
    "responses": {"200": {"description": "The page", "content": {"text/html": {"schema": {"type": "string"}}}}}}},
  "/openapi.json": {"get": {"operationId": "openapi", "summary": "This description", "security": [],
    "responses": {"200": {"description": "OpenAPI 3.1", "content": {"application/json": {"schema": {"type": "object"}}}}}}}
},
"security": [{}, {"key": []}],
"components": {
  "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "Where the server was started with --api-key"}},
  "responses": {
    "Invalid": {"description": "Something is wrong with the request; param names the field", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}},
    "NoKey": {"description": "The API key is missing or wrong", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}},
    "NoModel": {"description": "The model is not served here", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}},
    "Slow": {"description": "The request did not come to its end in time", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}},
    "Large": {"description": "The body is too large", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}},
    "LargeHeader": {"description": "The header is too large", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}},
    "NoJson": {"description": "The body's type is not application/json", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}},
    "Full": {"description": "The queue is full", "headers": {"Retry-After": {"schema": {"type": "integer"}}}, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}},
    "Failed": {"description": "The engine has failed", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}},
    "Busy": {"description": "There is no room for the body now, the server is shutting down, or its engine has failed", "headers": {"Retry-After": {"schema": {"type": "integer"}}}, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}},
    "Stopping": {"description": "The server is shutting down, or its engine has failed", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}
  },
  "schemas": {
    "Error": {"type": "object", "required": ["error"], "properties": {"error": {"type": "object",
      "required": ["message", "type", "param", "code"], "properties": {"message": {"type": "string"}, "type": {"type": "string"},
      "param": {"type": ["string", "null"]}, "code": {"type": ["string", "null"]}}}}},
    "Model": {"type": "object", "required": ["id", "object", "created", "owned_by"], "properties": {"id": {"type": "string"},
      "object": {"const": "model"}, "created": {"type": "integer"}, "owned_by": {"type": "string"}, "max_model_len": {"type": "integer"}}},
    "ModelName": {"type": ["string", "null"], "enum": [@MODEL@, null]},
    "Sampling": {"type": "object", "properties": {
      "temperature": {"type": ["number", "null"], "minimum": 0, "maximum": 100, "description": "0, and below 0.00001: always the most likely token; others below 0.01 count as 0.01"},
      "top_p": {"type": ["number", "null"], "exclusiveMinimum": 0, "maximum": 1},
      "top_k": {"type": ["integer", "null"], "minimum": -1, "maximum": 16777216, "description": "0 and -1: all"},
      "min_p": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
      "repetition_penalty": {"type": ["number", "null"], "minimum": 0.01, "maximum": 100},
      "seed": {"type": ["integer", "null"], "minimum": -9223372036854775808, "maximum": 9223372036854775807, "description": "The same seed gives the same text, whatever else runs; absent or -1: one is drawn"},
      "stop": {"anyOf": [{"type": "null"}, {"$ref": "#/components/schemas/Stop"}, {"type": "array", "maxItems": 64, "items": {"$ref": "#/components/schemas/Stop"}}]},
      "stop_token_ids": {"type": ["array", "null"], "maxItems": 4096, "items": {"type": "integer", "minimum": 0, "maximum": 16777216}},
      "min_tokens": {"type": ["integer", "null"], "minimum": 0, "maximum": 16777216, "description": "At most as many as the longest answer has"},
      "ignore_eos": {"type": ["boolean", "null"]},
      "skip_special_tokens": {"type": ["boolean", "null"]},
      "priority": {"type": ["integer", "null"], "minimum": -2147483648, "maximum": 2147483647, "description": "Lower is sooner, where the queue is ordered by priority"},
      "stream": {"type": ["boolean", "null"]},
      "user": {"type": ["string", "null"]}}},
    "Stop": {"type": "string", "minLength": 1, "maxLength": 1000},
    "StreamOptions": {"type": ["object", "null"], "properties": {"include_usage": {"type": ["boolean", "null"]}}, "description": "Only with stream"},
    "Choices": {"type": ["integer", "null"], "minimum": 1, "maximum": 128, "description": "Answers to each prompt, with the seeds seed, seed + 1, ..."},
    "Length": {"type": ["integer", "null"], "minimum": 1, "maximum": @CONTEXT@, "description": "Prompt and answer together have at most @CONTEXT@ tokens"},
    "Message": {"type": "object", "required": ["role", "content"], "properties": {
      "role": {"enum": ["system", "developer", "user", "assistant"]},
      "content": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"$ref": "#/components/schemas/Part"}}]}}},
    "Part": {"type": "object", "required": ["type", "text"], "properties": {"type": {"enum": ["text", "input_text", "output_text"]}, "text": {"type": "string"}}},
    "ChatRequest": {"allOf": [{"$ref": "#/components/schemas/Sampling"}, {"type": "object", "required": ["messages"], "properties": {
      "model": {"$ref": "#/components/schemas/ModelName"},
      "messages": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Message"}},
      "max_tokens": {"$ref": "#/components/schemas/Length"},
      "max_completion_tokens": {"$ref": "#/components/schemas/Length"},
      "n": {"$ref": "#/components/schemas/Choices"},
      "logprobs": {"type": ["boolean", "null"]},
      "top_logprobs": {"type": ["integer", "null"], "minimum": 0, "maximum": 20, "description": "Above 0 only with logprobs"},
      "stream_options": {"$ref": "#/components/schemas/StreamOptions"}}}]},
    "CompletionRequest": {"allOf": [{"$ref": "#/components/schemas/Sampling"}, {"type": "object", "required": ["prompt"], "properties": {
      "model": {"$ref": "#/components/schemas/ModelName"},
      "prompt": {"anyOf": [{"$ref": "#/components/schemas/PromptText"}, {"$ref": "#/components/schemas/PromptIds"},
        {"type": "array", "minItems": 1, "maxItems": 1024, "items": {"$ref": "#/components/schemas/PromptText"}},
        {"type": "array", "minItems": 1, "maxItems": 1024, "items": {"$ref": "#/components/schemas/PromptIds"}}]},
      "max_tokens": {"$ref": "#/components/schemas/Length"},
      "n": {"$ref": "#/components/schemas/Choices"},
      "best_of": {"type": ["integer", "null"], "enum": [0, 1, null]},
      "echo": {"type": ["boolean", "null"], "description": "Not with logprobs"},
      "logprobs": {"type": ["integer", "boolean", "null"], "minimum": 0, "maximum": 20},
      "stream_options": {"$ref": "#/components/schemas/StreamOptions"}}}]},
    "PromptText": {"type": "string", "minLength": 1},
    "PromptIds": {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 0, "exclusiveMaximum": @IDS@}},
    "ResponseRequest": {"allOf": [{"$ref": "#/components/schemas/Sampling"}, {"type": "object", "required": ["input"], "properties": {
      "model": {"$ref": "#/components/schemas/ModelName"},
      "input": {"anyOf": [{"type": "string"}, {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Message"}}]},
      "instructions": {"type": ["string", "null"]},
      "max_output_tokens": {"$ref": "#/components/schemas/Length"},
      "top_logprobs": {"type": ["integer", "null"], "minimum": 0, "maximum": 20},
      "include": {"type": ["array", "null"], "items": {"type": "string"}},
      "stream_options": {"$ref": "#/components/schemas/StreamOptions"},
      "tools": {"type": ["array", "null"], "description": "None is called"},
      "tool_choice": {"type": ["string", "object", "null"]},
      "parallel_tool_calls": {"type": ["boolean", "null"]},
      "metadata": {"type": ["object", "null"]}}}]},
    "TokenizeRequest": {"type": "object", "properties": {"model": {"$ref": "#/components/schemas/ModelName"},
      "prompt": {"type": ["string", "null"]}, "messages": {"type": ["array", "null"], "minItems": 1, "items": {"$ref": "#/components/schemas/Message"}},
      "add_special_tokens": {"type": ["boolean", "null"]}, "return_token_strs": {"type": ["boolean", "null"]}},
      "oneOf": [{"required": ["prompt"], "properties": {"prompt": {"type": "string"}}},
        {"required": ["messages"], "properties": {"messages": {"type": "array"}}}]},
    "Tokens": {"type": "object", "required": ["count", "max_model_len", "tokens"], "properties": {"count": {"type": "integer"},
      "max_model_len": {"type": "integer"}, "tokens": {"type": "array", "items": {"type": "integer"}},
      "token_strs": {"type": ["array", "null"], "items": {"type": "string"}}}},
    "DetokenizeRequest": {"type": "object", "required": ["tokens"], "properties": {"model": {"$ref": "#/components/schemas/ModelName"},
      "tokens": {"type": "array", "items": {"type": "integer", "minimum": 0, "exclusiveMaximum": @IDS@}}}},
    "Usage": {"type": "object", "required": ["prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details"], "properties": {
      "prompt_tokens": {"type": "integer"}, "completion_tokens": {"type": "integer"}, "total_tokens": {"type": "integer"},
      "prompt_tokens_details": {"type": "object", "required": ["cached_tokens"], "properties": {"cached_tokens": {"type": "integer"}}}}},
    "FinishReason": {"enum": ["stop", "length"]},
    "TokenLogprob": {"type": "object", "required": ["token", "logprob", "bytes"], "properties": {"token": {"type": "string"},
      "logprob": {"type": "number"}, "bytes": {"type": "array", "items": {"type": "integer"}}}},
    "Chat": {"type": "object", "required": ["id", "object", "created", "model", "choices", "usage"], "properties": {
      "id": {"type": "string"}, "object": {"const": "chat.completion"}, "created": {"type": "integer"}, "model": {"type": "string"},
      "system_fingerprint": {"type": "string"}, "usage": {"$ref": "#/components/schemas/Usage"},
      "choices": {"type": "array", "items": {"type": "object", "required": ["index", "message", "logprobs", "finish_reason"], "properties": {
        "index": {"type": "integer"}, "finish_reason": {"$ref": "#/components/schemas/FinishReason"},
        "message": {"type": "object", "required": ["role", "content"], "properties": {"role": {"const": "assistant"}, "content": {"type": "string"}}},
        "logprobs": {"type": ["object", "null"], "properties": {"content": {"type": "array", "items": {"$ref": "#/components/schemas/TokenLogprob"}}}}}}}}},
    "Completion": {"type": "object", "required": ["id", "object", "created", "model", "choices", "usage"], "properties": {
      "id": {"type": "string"}, "object": {"const": "text_completion"}, "created": {"type": "integer"}, "model": {"type": "string"},
      "system_fingerprint": {"type": "string"}, "usage": {"$ref": "#/components/schemas/Usage"},
      "choices": {"type": "array", "items": {"type": "object", "required": ["index", "text", "logprobs", "finish_reason"], "properties": {
        "index": {"type": "integer"}, "text": {"type": "string"}, "finish_reason": {"$ref": "#/components/schemas/FinishReason"},
        "logprobs": {"type": ["object", "null"], "properties": {"tokens": {"type": "array", "items": {"type": "string"}},
          "token_logprobs": {"type": "array", "items": {"type": "number"}}, "top_logprobs": {"type": "array", "items": {"type": "object"}},
          "text_offset": {"type": "array", "items": {"type": "integer"}}}}}}}}},
    "Response": {"type": "object", "required": ["id", "object", "created_at", "status", "model", "output", "usage"], "properties": {
      "id": {"type": "string"}, "object": {"const": "response"}, "created_at": {"type": "integer"}, "model": {"type": "string"},
      "status": {"enum": ["completed", "incomplete"]}, "output": {"type": "array", "items": {"type": "object", "required": ["type", "id", "role", "content"]}},
      "usage": {"type": "object", "required": ["input_tokens", "output_tokens", "total_tokens"]}}}
  }
}})json";

void fill(std::string& text, std::string_view place, const std::string& value) {
  for (std::size_t at = 0; (at = text.find(place, at)) != std::string::npos; at += value.size()) {
    text.replace(at, place.size(), value);
  }
}

}  // namespace

std::string open_api(const ServedModel& model, const std::string& version) {
  std::string text(kDocument);
  fill(text, "@VERSION@", Json(version).dump());
  fill(text, "@MODEL@", Json(model.name).dump());
  fill(text, "@CONTEXT@", std::to_string(model.max_model_len));
  fill(text, "@IDS@", std::to_string(model.num_ids));
  return text;
}

}  // namespace tokenyard::serve
