#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/commands/generation.h"
#include "cli/output/report.h"
#include "cli/output/say.h"
#include "cli/serve/generation.h"
#include "cli/serve/reply.h"
#include "cli/version.h"
#include "core/base/json_reader.h"
#include "core/base/output_file.h"
#include "core/base/text_file.h"
#include "core/trace/writer.h"
#include "sim/run.h"

namespace tokenyard::cli {
namespace {

constexpr const char* kStory = "Once upon a time";

struct GenerateOptions {
  std::string prompt, prompts, backend = "auto", hardware = "h100-sxm", json;
  std::int32_t logprobs = -1;
  bool chat = false;
};

struct Question {
  std::string prompt;
  std::vector<ChatMessage> messages;  // instead of a prompt
  Sampling sampling;
  std::string custom_id;      // of a line of OpenAI's batch files
  std::vector<Token> tokens;  // and its prompt
};

// What a line of a prompts file is read for.
struct Asked {
  bool chat = false;         // a prompt is a user's message
  serve::ServedModel model;  // with the sampling that the command line asks for
};

// A line of OpenAI's batch files: {"custom_id", "method": "POST", "url", "body"}. The body is what a server takes; the model
// and whether it streams are ours to say. One question for each answer asked for.
std::vector<Question> read_batch_line(JsonObject& line, const Asked& asked) {
  const std::string custom_id = line.at("custom_id").string();
  line.at("method").choice({"POST"});
  const bool chat = line.at("url").choice({"/v1/chat/completions", "/v1/completions"}) == "/v1/chat/completions";
  const JsonValue body = line.at("body");
  if (!body.is_object()) body.expected("an object");
  line.done();
  Json fields = body.json();
  for (const char* ours : {"model", "stream", "stream_options"}) fields.erase(ours);
  std::vector<Question> questions;
  try {
    const serve::Generation read =
        serve::read_generation(chat ? serve::Api::chat : serve::Api::completions, fields.dump(), asked.model);
    for (const serve::Prompt& prompt : read.prompts) {
      for (std::int32_t i = 0; i < read.n; ++i) {
        Question& question = questions.emplace_back(Question{{}, {}, read.sampling, custom_id, prompt.tokens});
        question.sampling.params.seed += static_cast<std::uint64_t>(i);
      }
    }
  } catch (const serve::ApiError& error) {
    body.fail(error.what());
  }
  return questions;
}

// One line of a prompts file: "text", or {"prompt": "text"} or {"messages": [{"role", "content"}]} with sampling fields.
Question read_question(const JsonValue& line, bool chat, const Sampling& defaults) {
  Question question{{}, {}, defaults, {}, {}};
  if (line.is_string()) {
    question.prompt = line.string();
  } else {
    JsonObject object = line.object();
    const auto messages = object.find("messages");
    if (messages) {
      for (const JsonValue& entry : messages->array()) {
        JsonObject message = entry.object();
        question.messages.push_back({message.at("role").string(), message.at("content").string()});
        message.done();
      }
      if (question.messages.empty()) messages->expected("a message");
    } else {
      question.prompt = object.at("prompt").string();
    }
    read_sampling(object, question.sampling);
    object.done();
  }
  if (chat && question.messages.empty()) question.messages = {{"user", std::exchange(question.prompt, {})}};
  return question;
}

std::vector<Question> read_questions(const std::string& path, const Asked& asked) {
  LineReader reader(path);
  std::vector<Question> questions;
  std::string_view line;
  while (reader.next(line)) {
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const JsonValue value = JsonValue::parse(line, path, {.line = reader.line()});
    if (value.has("custom_id")) {
      JsonObject batch_line = value.object();
      for (Question& question : read_batch_line(batch_line, asked)) questions.push_back(std::move(question));
    } else {
      questions.push_back(read_question(value, asked.chat, asked.model.defaults));
    }
  }
  if (questions.empty()) throw InputError(path + ": expected a prompt a line, found none");
  return questions;
}

bool any_chat(const std::vector<Question>& questions) {
  return std::any_of(questions.begin(), questions.end(), [](const Question& question) { return !question.messages.empty(); });
}

const char* finish_name(FinishReason reason) { return reason == FinishReason::kv_capacity ? "length" : name_of(reason); }

std::string answer_json(std::size_t index, const Question& question, const Completion& c, const Tokenizer& tokenizer) {
  const Sampling& asked = question.sampling;
  Json out = Json::Object();
  out["index"] = index;
  if (!question.custom_id.empty()) out["custom_id"] = question.custom_id;
  out["text"] = c.text;
  out["finish_reason"] = finish_name(c.finish_reason);
  if (!c.why.empty()) out["error"] = c.why;
  out["prompt_tokens"] = c.prompt_tokens;
  out["cached_tokens"] = c.cached_tokens;
  if (asked.params.seed == kDrawSeed) out["seed"] = c.seed;
  out["tokens"] = Json::list(c.tokens);
  if (!c.logprobs.empty()) {
    const auto candidate = [&](const TokenLogprobs::Candidate& of) {
      return Json::Object{{"token", of.token},
                          {"text", tokenizer.decode(std::span(&of.token, 1), /*skip_special=*/false)},
                          {"logprob", of.logprob}};
    };
    Json::Array logprobs;
    for (const TokenLogprobs& l : c.logprobs) {
      Json::Array top;
      for (const TokenLogprobs::Candidate& of : l.top) top.push_back(candidate(of));
      Json json = candidate(l.chosen);
      json["rank"] = l.rank;
      json["top"] = std::move(top);
      logprobs.push_back(std::move(json));
    }
    out["logprobs"] = std::move(logprobs);
  }
  out["ttft_ms"] = static_cast<double>(c.ttft) / 1e6;
  out["e2el_ms"] = static_cast<double>(c.e2el) / 1e6;
  return out.dump(-1, /*sort_keys=*/false);
}

std::string speed_line(const Completion& c) {
  const auto n = std::ssize(c.tokens);
  std::string out = fmt::format("{} prompt tokens", c.prompt_tokens);
  if (c.cached_tokens > 0) out += fmt::format(" ({} cached)", c.cached_tokens);
  if (n == 0) return out + ", nothing generated";
  out += fmt::format(", prefill {:.0f} tokens/s; {} tokens", c.prompt_tokens / (static_cast<double>(c.ttft) / 1e9), n);
  if (n > 1) {
    const double decode = static_cast<double>(c.e2el - c.ttft) / 1e9;
    out += fmt::format(", decode {:.0f} tokens/s", static_cast<double>(n - 1) / decode);
    out += fmt::format("; TTFT {:.1f} ms, TPOT {:.2f} ms", static_cast<double>(c.ttft) / 1e6,
                       decode * 1e3 / static_cast<double>(n - 1));
  }
  return out + fmt::format("; ended by {}", finish_name(c.finish_reason));
}

ReportContext context_of(const GenerationArguments& arguments, const EngineConfig& engine, const std::string& backend) {
  ReportContext context;
  context.model = context.scenario = std::filesystem::path(arguments.model_folder()).lexically_normal().filename().string();
  context.backend = backend;
  context.engine = engine;
  context.timing = backend == "cuda" ? "measured on this GPU" : "measured on this CPU";
  return context;
}

Answer ask(TextEngine& engine, const Question& question, TextEngine::OnText on_text = {}) {
  if (!question.tokens.empty()) return engine.submit_tokens(question.tokens, question.sampling, std::move(on_text));
  return question.messages.empty() ? engine.submit(question.prompt, question.sampling, std::move(on_text))
                                   : engine.chat(question.messages, question.sampling, std::move(on_text));
}

// Says what went wrong with an answer. False when something did.
bool well(const Completion& c, std::size_t number) {
  if (c.finish_reason != FinishReason::refused && c.finish_reason != FinishReason::error) return true;
  warn("tokenyard: prompt {}: {}: {}\n", number, name_of(c.finish_reason), c.why);
  return false;
}

// The same requests on a simulated GPU: times, no text.
int simulate(const GenerateOptions& options, const GenerationArguments& arguments, const std::vector<Question>& questions) {
  const std::string folder = arguments.model_folder();
  const Tokenizer tokenizer = Tokenizer::load(folder + "/tokenizer.json");
  print_notes(tokenizer.notes());
  std::optional<ChatTemplate> chat_template;
  if (any_chat(questions)) chat_template = ChatTemplate::load(folder, arguments.thinking());
  std::vector<RequestSpec> requests;
  for (std::size_t i = 0; i < questions.size(); ++i) {
    const Question& q = questions[i];
    const std::vector<Token> prompt = !q.tokens.empty()    ? q.tokens
                                      : q.messages.empty() ? tokenizer.encode(q.prompt)
                                                           : tokenizer.encode(chat_template->prompt(q.messages), false);
    RequestSpec& request = requests.emplace_back();
    request.id = "r" + std::to_string(i);
    request.prompt.append(prompt);
    request.max_tokens = q.sampling.max_tokens;
    request.priority = q.sampling.priority;
  }
  const Scenario scenario =
      scenario_of_requests(requests, "generate", std::filesystem::absolute(folder + "/config.json").string(), options.hardware,
                           arguments.scenario_overrides());
  std::unique_ptr<TraceWriter> trace;
  if (!arguments.trace().empty()) trace = std::make_unique<TraceWriter>(arguments.trace());
  const RunResult result = run_scenario(scenario, {{}, trace.get(), kProgram, {}});
  if (trace) trace->finish();
  ReportContext context = context_of(arguments, result.engine, "sim");
  context.hardware = options.hardware;
  context.timing = context.model + " on a simulated " + options.hardware + ", which knows times and no text";
  context.error_note = error_note(scenario);
  if (!options.json.empty()) write_file(options.json, result_json(result.metrics, context));
  print_result(result.metrics, context);
  return 0;
}

int generate(const GenerateOptions& options, const GenerationArguments& arguments) {
  Sampling sampling = arguments.sampling(default_sampling(load_model_config(arguments.model_folder())));
  sampling.params.logprobs = options.logprobs;

  std::vector<Question> questions;
  const bool one = options.prompts.empty();
  if (!one) {
    const ModelConfig model = load_model_config(arguments.model_folder());
    const Tokenizer tokenizer = Tokenizer::load(arguments.model_folder() + "/tokenizer.json");
    Asked asked;
    asked.chat = options.chat;
    asked.model = serve::read_served_model(arguments.model_folder(), model, tokenizer, arguments.thinking());
    asked.model.defaults = sampling;
    questions = read_questions(options.prompts, asked);
  } else {
    std::string prompt = options.prompt;
    bool piped = false;
    if (prompt.empty() && isatty(STDIN_FILENO) == 0) {
      prompt.assign(std::istreambuf_iterator<char>(std::cin), {});
      // The last line's end is the shell's, not the text's: `echo TEXT |` is the prompt TEXT.
      piped = !prompt.empty();
      if (prompt.ends_with('\n')) prompt.pop_back();
      if (prompt.ends_with('\r')) prompt.pop_back();
    }
    if (prompt.empty() && !piped && arguments.is_embedded() && !options.chat) prompt = kStory;
    if (prompt.empty()) throw InputError("expected a prompt: tokenyard generate \"...\", --prompts FILE, or text on stdin");
    questions.push_back({prompt, {}, sampling, {}, {}});
    if (options.chat) questions.back() = {{}, {{"user", prompt}}, sampling, {}, {}};
  }
  if (arguments.thinking() && !any_chat(questions)) {
    throw InputError("--thinking: nothing here is a conversation; expected --chat, or messages in --prompts");
  }
  for (const Question& question : questions) {
    if (note_temperature(question.sampling.params.temperature)) break;  // others are alike
  }
  if (options.backend == "sim") return simulate(options, arguments, questions);

  TextOptions text_options = arguments.text_options();
  std::unique_ptr<TraceWriter> trace;
  if (!arguments.trace().empty()) trace = std::make_unique<TraceWriter>(arguments.trace());
  text_options.trace = trace.get();
  text_options.backend = options.backend == "cuda"  ? TextBackend::cuda
                         : options.backend == "cpu" ? TextBackend::cpu
                                                    : TextBackend::automatic;
  note_gpu(text_options.backend);
  TextEngine engine(arguments.model_folder(), text_options);
  print_notes(engine.notes());
  if (any_chat(questions)) engine.chat_template();  // throws when there is none, before anything is computed
  bool all_well = true;
  if (one && options.logprobs < 0) {
    if (!options.chat) fmt::print("{}", questions.front().prompt);
    std::fflush(stdout);
    const Completion answer = ask(engine, questions.front(), [](std::string_view text) {
                                std::fwrite(text.data(), 1, text.size(), stdout);
                                std::fflush(stdout);
                              }).completion.get();
    say("\n");
    std::fflush(stdout);
    all_well = well(answer, 1);
    engine.finish();
    print_seed(questions.front().sampling, answer);
    if (all_well) warn("{}\n", speed_line(answer));
  } else {
    std::vector<Answer> answers;
    for (const Question& question : questions) answers.push_back(ask(engine, question));
    const bool terminal = isatty(STDERR_FILENO) != 0 && isatty(STDOUT_FILENO) == 0;
    for (std::size_t i = 0; i < answers.size(); ++i) {
      const Completion answer = answers[i].completion.get();
      fmt::print("{}\n", answer_json(i, questions[i], answer, engine.tokenizer()));
      std::fflush(stdout);
      all_well &= well(answer, i + 1);
      if (terminal) fmt::print(stderr, "\r{} of {} answers", i + 1, answers.size());
    }
    if (terminal) fmt::print(stderr, "\r\033[K");
    warn("{}", result_table(engine.finish(), context_of(arguments, engine.config(), engine.backend())));
  }
  if (trace) trace->finish();
  if (!options.json.empty())
    write_file(options.json, result_json(engine.finish(), context_of(arguments, engine.config(), engine.backend())));
  return all_well ? 0 : 2;
}

}  // namespace

Command generate_command() {
  Command command("generate", "Generate text with a real model");
  auto options = std::make_shared<GenerateOptions>();
  command.positional("PROMPT", &options->prompt, "What to go on from; else standard input, else the beginning of a story");
  command
      .option("--prompts", &options->prompts, "FILE.jsonl",
              "A prompt a line, all served together: \"text\" or {\"prompt\": ..} or {\"messages\": [..]}, with max_tokens, "
              "temperature, seed ... of its own, or a line of OpenAI's batch files; - is standard input. Answers are printed "
              "as JSON, a line each")
      .excludes("PROMPT");
  command.flag("--chat", options->chat, "The prompt is a user's message, put in the model's own chat template");
  command.option("--logprobs", &options->logprobs, "N", "Report each token's log probability and those of the N most likely")
      .between(0, 1000);
  command.option("--backend", &options->backend, "NAME", "What computes; sim says how long a GPU would take, without text")
      .one_of({"auto", "cpu", "cuda", "sim"});
  command.option("--hardware", &options->hardware, "GPU", "Of --backend sim").shows_default();
  command.option("--json", &options->json, "FILE.json", "Write the measurements under the field names of `vllm bench serve`")
      .writes();
  auto arguments = std::make_shared<GenerationArguments>(command);
  command.notes("Exit status: 2 when a prompt was refused or failed; the others are answered all the same.");
  command.examples({{"tokenyard generate", "a story from the embedded model"},
                    {"tokenyard generate 'Write a story about a fox and a lamp.' --chat --seed 7", ""},
                    {"tokenyard generate 'Once upon a time' --backend sim --hardware l4", "how long a GPU would take"},
                    {"tokenyard generate --model SmolLM2-135M-Instruct --chat 'Why is the sky blue?'", ""},
                    {"tokenyard generate --prompts prompts.jsonl --trace run.trace > answers.jsonl", ""}});
  command.run([options, arguments] { return generate(*options, *arguments); });
  return command;
}

}  // namespace tokenyard::cli
