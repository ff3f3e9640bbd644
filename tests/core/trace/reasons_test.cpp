// Every recorded reason is an inequality. It must have held, and lifting it must change the decision.
#include <map>

#include "catch.h"
#include "core/world.h"

using namespace tokenyard;
using namespace tokenyard::test;

namespace {

constexpr std::int32_t kWithheld = 2000;

// Brings a fresh world to the moment before step `target` is scheduled.
std::unique_ptr<World> world_before(const EngineConfig& config, std::uint64_t seed, int target) {
  auto world = std::make_unique<World>(config, seed, kWithheld);
  for (int step = 0; step < target; ++step) {
    world->mingle(true);
    world->schedule();
    world->commit();
  }
  world->mingle(true);
  return world;
}

// `generous`: once more is known to be wanted. Blocks given keep cached text alive, and who finds more of it, the subject or
// another before it, gets further in this step and takes more blocks.
void lift(World& world, const Reason& reason, TimeNs& extra_time, bool generous = false) {
  EngineConfig& config = world.scheduler().config();
  switch (reason.cause) {
    case Cause::blocks:
    case Cause::watermark:
    case Cause::admission_gate: world.give_blocks(generous ? 100 : reason.needed - reason.available); break;
    case Cause::region: world.give_blocks(reason.needed); break;
    case Cause::preemption: world.give_blocks(300); break;
    case Cause::seats: config.max_num_seqs = static_cast<std::int32_t>(reason.needed); break;
    case Cause::token_budget: config.max_num_batched_tokens = 1 << 20; break;
    case Cause::batch_timeout: extra_time = reason.needed; break;
    case Cause::batch_running: break;
  }
}

const Request* find(const std::string& id, const StepPlan& plan) {
  for (const Row& row : plan.rows) {
    if (row.request->spec.id == id) return row.request;
  }
  return nullptr;
}

struct Subject {
  std::string id;
  Reason reason;
};

// Lifts one reason after the other until the request has its row.
bool lifting_helps(const EngineConfig& config, std::uint64_t seed, int step, Subject subject) {
  std::vector<Reason> lifted;
  for (int attempt = 0; attempt < 6; ++attempt) {
    lifted.push_back(subject.reason);
    auto world = world_before(config, seed, step);
    Scheduler& scheduler = world->scheduler();
    TimeNs extra_time = 0;
    for (const Reason& reason : lifted) {
      if (reason.cause == Cause::batch_running) {
        for (Request* request : std::vector<Request*>(scheduler.running())) scheduler.cancel(*request);
        StepPlan last;
        scheduler.schedule(world->now(), last);
        std::vector<Request*> left;
        scheduler.commit(last, {}, left);
      } else {
        lift(*world, reason, extra_time, lifted.size() > 1);
      }
    }
    StepPlan plan;
    scheduler.schedule(world->now() + 2 + extra_time, plan);
    if (find(subject.id, plan)) return true;
    const auto again = std::find_if(plan.refusals.begin(), plan.refusals.end(),
                                    [&](const Refusal& r) { return r.request->spec.id == subject.id; });
    if (again == plan.refusals.end()) return true;  // somebody else is first now
    subject.reason = again->reason;
  }
  return false;
}

}  // namespace

TEST_CASE("a reason held, and lifting it changes the decision", "[reasons]") {
  std::map<Cause, int> seen;
  for (const Policy policy : all_policies()) {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
      Dice dice(seed * 77);
      EngineConfig config = random_config(policy, dice);
      if (policy == Policy::orca && config.max_model_len == 0) config.max_model_len = 64;  // else `max` wants the whole pool
      World world(config, seed, kWithheld);
      for (int step = 0; step < 50; ++step) {
        world.mingle(true);
        world.schedule();
        std::vector<Subject> subjects;
        for (const Refusal& r : world.plan().refusals) subjects.push_back({r.request->spec.id, r.reason});
        const bool preempts = !world.plan().preemptions.empty();
        Subject first_victim;
        std::string beneficiary;
        if (preempts) {
          const Preemption& p = world.plan().preemptions.front();
          first_victim = {p.victim->spec.id, p.reason};
          beneficiary = p.beneficiary->spec.id;
        }
        world.commit();
        INFO(name_of(policy) << " seed " << seed << " step " << step);
        for (const Subject& subject : subjects) {
          INFO(subject.id << " " << name_of(subject.reason.cause) << " " << subject.reason.needed << " > "
                          << subject.reason.available);
          REQUIRE(subject.reason.needed > subject.reason.available);
          REQUIRE(lifting_helps(config, seed, step, subject));
          ++seen[subject.reason.cause];
        }
        if (preempts) {
          auto again = world_before(config, seed, step);
          TimeNs extra_time = 0;
          lift(*again, first_victim.reason, extra_time);
          StepPlan plan;
          again->scheduler().schedule(again->now() + 2, plan);
          const bool same = !plan.preemptions.empty() && plan.preemptions.front().victim->spec.id == first_victim.id &&
                            plan.preemptions.front().beneficiary->spec.id == beneficiary;
          INFO("victim " << first_victim.id);
          REQUIRE_FALSE(same);
        }
      }
    }
  }
  for (const Cause cause : {Cause::blocks, Cause::watermark, Cause::admission_gate, Cause::region, Cause::seats,
                            Cause::token_budget, Cause::preemption, Cause::batch_running, Cause::batch_timeout}) {
    INFO(name_of(cause));
    CHECK(seen[cause] > 0);
  }
}
