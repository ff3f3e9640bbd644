#include "core/peers/script.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/base/input_error.h"
#include "core/base/text_file.h"
#include "core/scheduler.h"

namespace tokenyard {
namespace {

constexpr std::size_t kMostScriptBytes = std::size_t{16} << 20;

using Words = std::vector<std::string>;

std::string joined(const Words& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out.empty() ? "nothing" : out;
}

class Script {
 public:
  explicit Script(std::string name) : name_(std::move(name)) {}

  ScriptOutcome run(std::string_view text) {
    std::istringstream lines{std::string(text)};
    for (std::string line; std::getline(lines, line);) {
      ++line_;
      if (const std::size_t comment = line.find('#'); comment != std::string::npos) line.resize(comment);
      std::istringstream split(line);
      Words words;
      for (std::string word; split >> word;) words.push_back(word);
      if (words.empty()) continue;
      run_line(words);
      if (scheduler_) {
        try {
          scheduler_->check_invariants();
        } catch (const std::logic_error& broken) {
          outcome_.failure = place() + "invariant broken: " + broken.what();
        }
      }
      if (!outcome_.failure.empty()) break;
    }
    return outcome_;
  }

 private:
  std::string place() const { return name_ + ": line " + std::to_string(line_) + ": "; }
  [[noreturn]] void fail(const std::string& what) const { throw InputError(place() + what); }

  std::int32_t number(const std::string& text, std::int32_t most = 1 << 24) const {
    std::int32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value > most || value < -most) {
      fail("expected an integer up to " + std::to_string(most) + ", found \"" + text + "\"");
    }
    return value;
  }

  std::vector<Token> numbers(const std::string& text) const {
    std::vector<Token> out;
    std::istringstream list(text);
    for (std::string item; std::getline(list, item, ',');) out.push_back(number(item, INT32_MAX));
    return out;
  }

  void run_line(const Words& words) {
    const std::string& command = words[0];
    const Words rest(words.begin() + 1, words.end());
    if (command == "engine") return start_engine(rest);
    if (!scheduler_) fail("expected \"engine ...\" before \"" + command + "\"");
    if (command == "request") return add_request(rest);
    if (command == "cancel") return cancel(rest);
    if (command == "step") return take_steps(rest);
    const auto check = checks().find(command);
    if (check == checks().end()) {
      std::string known = "engine, request, cancel, step";
      for (const auto& [word, function] : checks()) known += ", " + word;
      fail("unknown command \"" + command + "\"; known are " + known);
    }
    Words found;
    Words wanted = rest;
    check->second(*this, wanted, found);
    if (found == wanted) {
      ++outcome_.checks;
    } else {
      outcome_.failure = place() + command + ": expected " + joined(wanted) + ", found " + joined(found);
    }
  }

  void start_engine(const Words& options) {
    EngineConfig c;
    const std::map<std::string, std::int32_t*> integers = {{"max_num_seqs", &c.max_num_seqs},
                                                           {"max_num_batched_tokens", &c.max_num_batched_tokens},
                                                           {"max_model_len", &c.max_model_len},
                                                           {"block_size", &c.block_size},
                                                           {"num_blocks", &c.num_blocks},
                                                           {"eos_token_id", &c.eos_token_id},
                                                           {"long_prefill_token_threshold", &c.long_prefill_token_threshold},
                                                           {"watermark_blocks", &c.watermark_blocks}};
    const std::map<std::string, bool*> switches = {{"enable_prefix_caching", &c.enable_prefix_caching},
                                                   {"enable_chunked_prefill", &c.enable_chunked_prefill},
                                                   {"admission_gate", &c.admission_gate},
                                                   {"strict_peer", &c.strict_peer}};
    const auto choose = [&](auto& field, const std::string& value) {
      const auto parsed = parse_name<std::remove_reference_t<decltype(field)>>(value);
      if (!parsed) fail("unknown choice \"" + value + "\"");
      field = *parsed;
    };
    for (const std::string& option : options) {
      const auto [key, value] = key_value(option);
      if (const auto integer = integers.find(key); integer != integers.end()) {
        *integer->second = number(value);
      } else if (const auto on_off = switches.find(key); on_off != switches.end()) {
        if (value != "on" && value != "off") fail("expected on or off, found \"" + value + "\"");
        *on_off->second = value == "on";
      } else if (key == "policy") {
        choose(c.policy, value);
      } else if (key == "vllm_version") {
        choose(c.vllm_version, value);
      } else if (key == "queue_order") {
        choose(c.queue_order, value);
      } else if (key == "free_order") {
        choose(c.free_order, value);
      } else if (key == "reservation") {
        choose(c.reservation, value);
      } else if (key == "delivery") {
        choose(c.delivery, value);
      } else {
        fail("unknown engine option \"" + key + "\"");
      }
    }
    if (const auto wrong = validate(c)) fail(*wrong);
    scheduler_ = Scheduler::create(c);
    requests_.clear();
    refused_.clear();
    left_.clear();
    plan_ = {};
  }

  std::pair<std::string, std::string> key_value(const std::string& word) const {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos) fail("expected key=value, found \"" + word + "\"");
    return {word.substr(0, equals), word.substr(equals + 1)};
  }

  // common:48+own:7+ids:1,2,3
  void append_pieces(const std::string& text, const std::string& id, TokenSequence& prompt) {
    std::istringstream pieces(text);
    for (std::string piece; std::getline(pieces, piece, '+');) {
      const std::size_t colon = piece.find(':');
      if (colon == std::string::npos) fail("expected NAME:TOKENS or ids:1,2,3, found \"" + piece + "\"");
      const std::string content = piece.substr(0, colon);
      const std::string value = piece.substr(colon + 1);
      if (content == "ids") {
        prompt.append(numbers(value));
      } else {
        const std::string key = content == "own" ? "own " + id : content;
        const auto named = contents_.emplace(key, static_cast<ContentId>(contents_.size())).first->second;
        const std::int32_t count = number(value);
        if (count < 0) fail("expected a count of tokens, found \"" + value + "\"");
        prompt.append(named, 0, count);
      }
    }
  }

  void add_request(const Words& words) {
    if (words.empty() || requests_.contains(words[0])) fail("expected a new request id");
    auto request = std::make_unique<Request>();
    RequestSpec& spec = request->spec;
    spec.id = words[0];
    spec.arrival = static_cast<TimeNs>(requests_.size());
    for (std::size_t i = 1; i < words.size(); ++i) {
      const auto [key, value] = key_value(words[i]);
      if (key == "prompt") {
        append_pieces(value, spec.id, spec.prompt);
      } else if (key == "max_tokens") {
        spec.max_tokens = number(value);
      } else if (key == "min_tokens") {
        spec.min_tokens = number(value);
      } else if (key == "output_tokens") {
        spec.output_tokens = number(value);
      } else if (key == "outputs") {
        spec.scripted_output = numbers(value);
      } else if (key == "priority") {
        spec.priority = number(value);
      } else if (key == "arrival") {
        spec.arrival = number(value);
      } else if (key == "ignore_eos") {
        spec.ignore_eos = value == "on";
      } else if (key == "stop_token_ids") {
        spec.stop_token_ids = numbers(value);
      } else {
        fail("unknown request option \"" + key + "\"");
      }
    }
    Request& added = *request;
    requests_.emplace(spec.id, std::move(request));
    if (const auto why = scheduler_->impossible(spec)) {
      refused_[spec.id] = *why;
      return;
    }
    added.number = static_cast<std::int32_t>(requests_.size()) - 1;
    spec.output_content = kOutputContents + added.number;
    added.tokens = spec.prompt;
    added.num_tokens = added.num_prompt = added.tokens.size();
    scheduler_->add(added);
  }

  Request& request(const std::string& id) {
    const auto found = requests_.find(id);
    if (found == requests_.end()) fail("unknown request \"" + id + "\"");
    return *found->second;
  }

  void cancel(const Words& words) {
    for (const std::string& id : words) {
      Request& victim = request(id);
      if (refused_.contains(id) || victim.finish_reason != FinishReason::none) fail(id + " is not live");
      scheduler_->cancel(victim);
    }
  }

  void take_steps(const Words& words) {
    for (std::int32_t n = words.empty() ? 1 : number(words[0]); n > 0; --n) {
      scheduler_->schedule(0, plan_);
      appended_.clear();
      for (const NewBlocks& added : plan_.new_blocks) {
        for (std::size_t i = static_cast<std::size_t>(added.first_index); i < added.request->blocks.size(); ++i) {
          appended_[added.request->spec.id].push_back(std::to_string(added.request->blocks[i]));
        }
      }
      free_ = scheduler_->blocks().num_free();
      free_head_ = scheduler_->blocks().pool().free_head(64);
      StepResult result;
      for (const Row& row : plan_.rows) {
        if (row.sample) result.tokens.push_back(workload_token(*row.request, row.request->num_output()));
      }
      left_.clear();
      scheduler_->commit(plan_, result, left_);
    }
  }

  using Check = std::function<void(Script&, Words&, Words&)>;
  static const std::map<std::string, Check>& checks() {
    const auto with_count = [](const Request* r, std::int64_t n) { return r->spec.id + ":" + std::to_string(n); };
    static const std::map<std::string, Check> all = {
        {"scheduled",
         [=](Script& s, Words&, Words& found) {
           for (const Row& row : s.plan_.rows) found.push_back(with_count(row.request, row.count));
         }},
        {"padding",
         [=](Script& s, Words&, Words& found) {
           for (const Row& row : s.plan_.rows) {
             if (row.padding > 0) found.push_back(with_count(row.request, row.padding));
           }
         }},
        {"admitted",
         [=](Script& s, Words&, Words& found) {
           for (const Admission& a : s.plan_.admissions) found.push_back(with_count(a.request, a.hit_tokens));
         }},
        {"resumed",
         [](Script& s, Words&, Words& found) {
           for (const Admission& a : s.plan_.admissions) {
             if (a.resumed) found.push_back(a.request->spec.id);
           }
         }},
        {"preempted",
         [](Script& s, Words&, Words& found) {
           for (const Preemption& p : s.plan_.preemptions) found.push_back(p.victim->spec.id);
         }},
        {"not_scheduled",
         [](Script& s, Words&, Words& found) {
           for (const Refusal& r : s.plan_.refusals) {
             found.push_back(r.request->spec.id + ":" + name_of(r.reason.cause) + ":" + std::to_string(r.reason.needed) + ">" +
                             std::to_string(r.reason.available));
           }
         }},
        {"finished",
         [](Script& s, Words&, Words& found) {
           for (const Request* r : s.left_) found.push_back(r->spec.id + ":" + name_of(r->finish_reason));
         }},
        {"waiting",
         [](Script& s, Words&, Words& found) {
           for (const Request* r : s.scheduler_->waiting().in_order()) found.push_back(r->spec.id);
         }},
        {"running",
         [](Script& s, Words&, Words& found) {
           for (const Request* r : s.scheduler_->running()) found.push_back(r->spec.id);
         }},
        {"new_blocks",
         [](Script& s, Words& wanted, Words& found) {
           if (wanted.empty()) s.fail("expected \"new_blocks REQUEST [BLOCK ...]\"");
           found = s.appended_[wanted[0]];
           wanted.erase(wanted.begin());
         }},
        {"copies",
         [](Script& s, Words&, Words& found) {
           for (const BlockCopy& c : s.plan_.copies) found.push_back(std::to_string(c.from) + ">" + std::to_string(c.to));
         }},
        {"free_blocks", [](Script& s, Words&, Words& found) { found.push_back(std::to_string(s.free_)); }},
        {"free_blocks_now",
         [](Script& s, Words&, Words& found) { found.push_back(std::to_string(s.scheduler_->blocks().num_free())); }},
        {"free_queue",
         [](Script& s, Words& wanted, Words& found) {
           for (const BlockId b : s.free_head_) {
             if (found.size() < wanted.size()) found.push_back(std::to_string(b));
           }
         }},
        {"free_queue_now",
         [](Script& s, Words& wanted, Words& found) {
           for (const BlockId b : s.scheduler_->blocks().pool().free_head(static_cast<std::int32_t>(wanted.size()))) {
             found.push_back(std::to_string(b));
           }
         }},
        {"outputs",
         [](Script& s, Words& wanted, Words& found) {
           if (wanted.size() != 2) s.fail("expected \"outputs REQUEST COUNT\"");
           found = {wanted[0], std::to_string(s.request(wanted[0]).num_output())};
         }},
        {"refused",
         [](Script& s, Words& wanted, Words& found) {
           if (wanted.size() < 2) s.fail("expected \"refused REQUEST WORDS-OF-THE-REASON\"");
           const std::string words = joined(Words(wanted.begin() + 1, wanted.end()));
           const auto why = s.refused_.find(wanted[0]);
           const bool said = why != s.refused_.end() && why->second.find(words) != std::string::npos;
           found = said ? wanted : Words{why == s.refused_.end() ? "no refusal" : why->second};
         }},
    };
    return all;
  }

  std::string name_;
  std::int64_t line_ = 0;
  ScriptOutcome outcome_;
  std::unique_ptr<Scheduler> scheduler_;
  std::map<std::string, std::unique_ptr<Request>> requests_;
  std::map<std::string, std::string> refused_;
  std::map<std::string, ContentId> contents_;
  StepPlan plan_;
  std::vector<Request*> left_;
  std::map<std::string, Words> appended_;
  std::int32_t free_ = 0;
  std::vector<BlockId> free_head_;
};

}  // namespace

ScriptOutcome run_script(std::string_view text, const std::string& name) { return Script(name).run(text); }

ScriptOutcome run_script_file(const std::string& path) {
  ScriptOutcome outcome = run_script(read_text_file(path, kMostScriptBytes), path);
  if (outcome.failure.empty() && outcome.checks == 0)
    throw InputError(path + ": expected a test that expects something, found none");
  return outcome;
}

}  // namespace tokenyard
