#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/commands/generation.h"
#include "cli/commands/prompt.h"
#include "cli/output/say.h"
#include "core/base/input_error.h"
#include "core/trace/writer.h"

namespace tokenyard::cli {
namespace {

struct ChatOptions {
  std::string system;
};

std::atomic<bool> interrupted{false};

int chat(const ChatOptions& options, const GenerationArguments& arguments) {
  TextOptions text_options = arguments.text_options();
  std::unique_ptr<TraceWriter> trace;
  if (!arguments.trace().empty()) trace = std::make_unique<TraceWriter>(arguments.trace());
  text_options.trace = trace.get();
  note_gpu(text_options.backend);
  TextEngine engine(arguments.model_folder(), text_options);
  print_notes(engine.notes());
  engine.chat_template();  // throws when there is none, before anything is asked
  const Sampling sampling = arguments.sampling(default_sampling(engine.model()));
  note_temperature(sampling.params.temperature);

  Prompt prompt;
  if (prompt.on_terminal()) {
    if (arguments.is_embedded()) say("A small storyteller. Ask for one: Write a story about a fox and a lamp.\n");
    say("/reset forgets the conversation, /quit or Ctrl-D ends, Ctrl-C stops an answer.\n");
  }
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted = true; };  // no SA_RESTART: at the prompt, reading a line ends
  sigaction(SIGINT, &action, nullptr);

  std::vector<ChatMessage> messages;
  const auto reset = [&] {
    messages.clear();
    if (!options.system.empty()) messages.push_back({"system", options.system});
  };
  reset();
  bool all_well = true;
  for (std::string line; !interrupted;) {
    if (!prompt.read(line)) break;
    if (line == "/quit") break;
    if (line.empty()) continue;
    if (line == "/reset") {
      reset();
      continue;
    }
    messages.push_back({"user", line});
    interrupted = false;
    Answer answer;
    try {
      answer = engine.chat(messages, sampling, [](std::string_view text) {
        std::fwrite(text.data(), 1, text.size(), stdout);
        std::fflush(stdout);
      });
    } catch (const InputError& error) {  // a message that is no text costs itself, not the conversation
      warn("{}\n", error.what());
      messages.pop_back();
      all_well = false;
      continue;
    }
    while (answer.completion.wait_for(std::chrono::milliseconds(50)) != std::future_status::ready) {
      if (interrupted) engine.cancel(answer);
    }
    interrupted = false;
    const Completion completion = answer.completion.get();
    say("\n");
    std::fflush(stdout);
    print_seed(sampling, completion);
    if (completion.finish_reason == FinishReason::refused || completion.finish_reason == FinishReason::error) {
      warn("{}: {}; /reset begins anew\n", name_of(completion.finish_reason), completion.why);
      messages.pop_back();
      all_well = false;
      continue;
    }
    messages.push_back({"assistant", completion.text});
  }
  if (prompt.on_terminal()) say("\n");
  engine.finish();
  if (trace) trace->finish();
  return all_well ? 0 : 2;
}

}  // namespace

Command chat_command() {
  Command command("chat", "Talk with a model");
  auto options = std::make_shared<ChatOptions>();
  command.option("--system", &options->system, "TEXT", "A system message");
  auto arguments = std::make_shared<GenerationArguments>(command);
  command.notes("Each turn finds the conversation so far in the prefix cache.");
  command.examples({{"tokenyard chat", ""},
                    {"echo 'Write a story about a fox.' | tokenyard chat --max-tokens 40", ""},
                    {"tokenyard chat --model SmolLM2-135M-Instruct --system 'Answer in one sentence.'", ""}});
  command.run([options, arguments] { return chat(*options, *arguments); });
  return command;
}

}  // namespace tokenyard::cli
