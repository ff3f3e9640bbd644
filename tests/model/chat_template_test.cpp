#include "backends/model/chat_template.h"

#include <filesystem>
#include <string>

#include "catch.h"
#include "core/base/input_error.h"
#include "core/base/text_file.h"
#include "tiny_model.h"

using namespace tokenyard;
using test::TempFolder;

namespace {

const std::string kTemplates = TOKENYARD_SOURCE_DIR "/tests/golden/chat_templates/";
const std::vector<ChatMessage> kHi = {{"user", "Hi"}};

std::string prompt(const std::string& tokenizer_config, std::optional<bool> thinking = {}) {
  const TempFolder folder;
  folder.write("tokenizer_config.json", tokenizer_config);
  return ChatTemplate::load(folder.path(), thinking).prompt(kHi);
}

std::string error(const std::string& tokenizer_config, std::optional<bool> thinking = {}) {
  try {
    return "no error: " + prompt(tokenizer_config, thinking);
  } catch (const InputError& error) {
    return error.what();
  }
}

}  // namespace

TEST_CASE("A chat template is found where transformers finds it", "[chat]") {
  const std::string named =
      R"([{"name": "tool_use", "template": "T"}, {"name": "default", "template": "D{{ messages[0].content }}"}])";
  CHECK(prompt(R"({"chat_template": "{{ messages[0].role }}"})") == "user");
  CHECK(prompt(R"({"chat_template": )" + named + "}") == "DHi");
  CHECK(prompt(R"({"chat_template": {"rag": "R", "default": "D"}})") == "D");
  CHECK(error(R"({"chat_template": {"rag": "R", "tool_use": "T"}})").find("named default, found rag, tool_use") !=
        std::string::npos);
  CHECK(error(R"({"chat_template": null})").find("this model has no chat template") != std::string::npos);
  CHECK(error(R"({"chat_template": 3})").find("/chat_template: expected") != std::string::npos);
  CHECK(error(R"({"chat_template": "\n{{ x"})").find("/chat_template: line 2: ") != std::string::npos);

  const TempFolder folder;
  CHECK_THROWS_AS(ChatTemplate::load(folder.path()), InputError);
  folder.write("tokenizer_config.json", R"({"chat_template": "old", "bos_token": "<s>"})");
  folder.write("chat_template.jinja", "{{ bos_token }}new\n");
  CHECK(ChatTemplate::load(folder.path()).prompt(kHi) == "<s>new");
}

TEST_CASE("A chat template gets what transformers gives it", "[chat]") {
  CHECK(
      prompt(
          R"({"chat_template": "{{ bos_token }}{{ eos_token }}{{ pad_token }}|{{ additional_special_tokens[1] }}{{ image_token }}",
                   "bos_token": {"content": "<b>"}, "eos_token": "<e>", "pad_token": null,
                   "additional_special_tokens": ["<x>", {"content": "<y>"}], "extra_special_tokens": {"image_token": "<i>"}})") ==
      "<b><e>|<y><i>");
  CHECK(prompt(R"({"chat_template": "{{ tools is none and documents is none and add_generation_prompt }}"})") == "True");

  const TempFolder folder;  // an older one
  folder.write("tokenizer_config.json", R"({"chat_template": "{{ bos_token }}{{ eos_token }}", "eos_token": "<e>"})");
  folder.write("special_tokens_map.json", R"({"bos_token": {"content": "<b>"}, "eos_token": "<other>"})");
  CHECK(ChatTemplate::load(folder.path()).prompt(kHi) == "<b><e>");
  folder.write("tokenizer_config.json",
               R"({"chat_template": "{{ bos_token }}{{ eos_token }}", "eos_token": "<e>", "added_tokens_decoder": {}})");
  CHECK(ChatTemplate::load(folder.path()).prompt(kHi) == "<e>");
}

TEST_CASE("Thinking is switched where the template has the switch, and else refused", "[chat]") {
  const auto with = [](const std::string& name, std::optional<bool> thinking) {
    const TempFolder folder;
    folder.write("chat_template.jinja", read_text_file(kTemplates + name, 1 << 20));
    return ChatTemplate::load(folder.path(), thinking).prompt(kHi);
  };
  const std::string chatml = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n";
  CHECK(with("qwen3.jinja", {}) == chatml);
  CHECK(with("qwen3.jinja", true) == chatml);
  CHECK(with("qwen3.jinja", false) == chatml + "<think>\n\n</think>\n\n");
  CHECK(with("deepseek-v3.1.jinja", false).ends_with("</think>"));
  CHECK(with("deepseek-v3.1.jinja", true).ends_with("<think>"));
  CHECK_THROWS_AS(with("llama-3.1.jinja", true), InputError);
  CHECK_THROWS_AS(with("gpt-oss.jinja", false), InputError);
}

TEST_CASE("What is no conversation is refused", "[chat]") {
  const TempFolder folder;
  folder.write("chat_template.jinja",
               "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}{% endfor %}x");
  const ChatTemplate source = ChatTemplate::load(folder.path());
  CHECK(source.prompt(kHi) == "x");
  CHECK_THROWS_AS(source.prompt({}), InputError);
  CHECK_THROWS_AS(source.prompt({{"robot", "Hi"}}), InputError);
  CHECK_THROWS_AS(source.prompt({{"user", "\xff"}}), InputError);
  CHECK_THROWS_WITH(source.prompt({{"system", "Be brief."}}), has_text("no system"));
}
