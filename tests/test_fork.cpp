// A child that is forked while other threads of its parent make their first calls must be able to go on. What is done
// once in a process can only be met in processes that have done nothing yet: so each round is a process of its own.

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include "catch.h"
#include "contents.h"
#include "engines.h"
#include "halmix/halmix.h"
#include "reference/reference.h"

using namespace halmix;

namespace {

constexpr int rounds = 250, children_of_each = 40;  // 10,000 forks
constexpr unsigned most_seconds = 60;               // a process that hangs is ended, which fails the test

constexpr int width = 24, height = 18;

/// Calls of every kind; each is the first of its kind in this process or thread.
bool call_everything(const Engine& engine, const reference::Image& in, const reference::Image& expected) {
    const Plan plan = sample({}, {.seed = 8}, width, height);
    reference::Image out = in;
    engine.run(plan, {in.pixels.data(), width, height, 3}, {out.pixels.data(), width, height, 3});
    bool right = out == expected;

    Workspace workspace;
    const Options options{.workspace = &workspace};
    std::vector<std::uint8_t> floats(4 * in.pixels.size());
    engine.run({&plan, 1}, {in.pixels.data(), 1, width, height, 3},
               {floats.data(), 1, width, height, 3, Memory::host, Layout::f32_chw}, options);
    const Task task{&plan, {in.pixels.data(), width, height, 3}, {out.pixels.data(), width, height, 3}};
    engine.run({&task, 1}, options);
    right = right && out == expected;
    engine.apply(plan.chains[0].ops, {}, task.in, task.out);
    right = right && plan_from_json(to_json(plan)) == plan;
    try {
        (void)parse_op("no such op");
        right = false;
    } catch (const Error&) {
    }
    return right && parse_op_choices("safe").size() == 9 &&
           !engine.describe(plan.chains[0].ops, width, height, 3).empty();
}

bool succeeded(pid_t pid) {
    int status = -1;
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/// Forks while two threads make their first calls; ends the process.
[[noreturn]] void run_round(const Engine& engine, const reference::Image& in, const reference::Image& expected) {
    alarm(most_seconds);
    std::atomic<bool> go = false, right = true;
    std::vector<std::thread> threads;
    for (int t = 0; t < 2; t++) {
        threads.emplace_back([&] {
            while (!go) {
            }
            for (int i = 0; i < 20; i++) {
                // Each thread's own first call, too.
                std::thread([&] {
                    if (!call_everything(engine, in, expected)) right = false;
                }).join();
            }
        });
    }
    go = true;
    std::vector<pid_t> children;
    for (int i = 0; i < children_of_each; i++) {
        const pid_t child = fork();
        if (child == 0) {
            alarm(most_seconds);
            _exit(call_everything(engine, in, expected) ? 0 : 1);
        }
        children.push_back(child);
    }
    for (const pid_t child : children) {
        if (!succeeded(child)) right = false;
    }
    for (std::thread& thread : threads) thread.join();
    _exit(right ? 0 : 1);
}

}  // namespace

TEST_CASE("no child hangs that is forked while other threads make their first calls") {
    const Engine engine(test::least_cpu());
    const reference::Image in = make(reference::Content::noise, width, height, 3);
    const reference::Image expected = reference::run(sample({}, {.seed = 8}, width, height), in);
    for (int round = 0; round < rounds; round++) {
        const pid_t pid = fork();
        if (pid == 0) run_round(engine, in, expected);
        REQUIRE(succeeded(pid));
    }
}
