// Batches in threads: the caller's, or those the library makes for callers who have none.

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include "catch.h"
#include "contents.h"
#include "engines.h"
#include "halmix/halmix.h"
#include "reference/reference.h"

using namespace halmix;
using reference::Content;

namespace {

/// Tasks for images of a size, and what should come out.
struct Work {
    Work(int count, int width, int height) : out(count), engine(test::least_cpu()) {
        for (int i = 0; i < count; i++) {
            in.push_back(make(Content::noise, width, height, 3, i));
            plans.push_back(sample({}, {.seed = 11, .index = std::uint64_t(i)}, width, height));
            out[i] = in[i];
            expected.push_back(in[i]);
        }
        for (int i = 0; i < count; i++) {
            const auto size = [&](auto& image) { return std::tuple{image.pixels.data(), width, height}; };
            const auto [from, w, h] = size(in[i]);
            tasks.push_back({&plans[i], {from, w, h, 3}, {out[i].pixels.data(), w, h, 3}});
            engine.run(plans[i], {from, w, h, 3}, {expected[i].pixels.data(), w, h, 3});
        }
    }

    void run(const Options& options = {}) const { engine.run(tasks, options); }

    /// Whether results are there; those that are not must be untouched.
    int done() const {
        int count = 0;
        for (std::size_t i = 0; i < out.size(); i++) {
            if (out[i] == expected[i]) count++;
            if (out[i] != expected[i] && out[i] != in[i]) FAIL("half a result");
        }
        return count;
    }
    void reset() {
        out = in;
        refresh();
    }

    std::vector<reference::Image> in, out, expected;
    std::vector<Plan> plans;
    std::vector<Task> tasks;
    Engine engine;

 private:
    void refresh() {
        for (std::size_t i = 0; i < out.size(); i++) tasks[i].out.data = out[i].pixels.data();
    }
};

/// A runner as a caller may have one: a thread for each call, the last first.
void run_in_threads(void* /*state*/, std::size_t count, Runner::Task task, void* tasks) {
    std::vector<std::thread> threads;
    for (std::size_t i = count; i-- > 0;) threads.emplace_back([=] { task(tasks, i); });
    for (std::thread& thread : threads) thread.join();
}

struct Stop {
    std::atomic<int> asked = 0;
    int after;

    static bool wanted(void* state) {
        auto& self = *static_cast<Stop*>(state);
        return self.asked++ >= self.after;
    }
};

}  // namespace

TEST_CASE("batches have the same bytes by any runner and in any number of threads") {
    Work work(70, 48, 40);
    work.run();
    CHECK(work.done() == 70);
    for (int count : {1, 2, 3, 8}) {
        Threads threads(count);
        CHECK(threads.count() == count);
        for (int round = 0; round < 20; round++) {
            work.reset();
            work.run({.runner = threads.runner()});
            REQUIRE(work.done() == 70);
        }
    }
    work.reset();
    Workspace workspace;
    work.run({.workspace = &workspace, .runner = {run_in_threads, nullptr}});
    CHECK(work.done() == 70);
    CHECK(Threads().count() == usable_processors());
    CHECK_THROWS_AS(Threads(-1), Error);
}

TEST_CASE("a runner has its tasks done in several threads at once") {
    // Every call waits until another one has begun in another thread; in one thread this would never end.
    struct Meeting {
        std::atomic<int> here = 0;
    } meeting;
    const auto task = [](void* state, std::size_t) {
        auto& self = *static_cast<Meeting*>(state);
        for (self.here++; self.here < 2;) std::this_thread::yield();
        return true;
    };
    Threads threads(2);
    const Runner runner = threads.runner();
    runner.run(runner.state, 2, task, &meeting);
    CHECK(meeting.here == 2);
}

TEST_CASE("a batch ends early when its caller asks, and what is done is whole") {
    Work work(60, 140, 130);  // so large that each is a call of the runner
    Threads threads(2);
    for (const Runner& runner : {Runner{}, threads.runner(), Runner{run_in_threads, nullptr}}) {
        for (int after : {0, 7, 59}) {
            work.reset();
            Stop stop{.after = after};
            try {
                work.run({.runner = runner, .interrupt = {Stop::wanted, &stop}});
                FAIL("it was not interrupted");
            } catch (const Error& error) {
                CHECK(error.status() == Status::interrupted);
            }
            CHECK(work.done() <= after);
            CHECK(stop.asked <= after + 60);
        }
        work.reset();
        Stop never{.after = 1000};
        work.run({.runner = runner, .interrupt = {Stop::wanted, &never}});
        CHECK(work.done() == 60);
        CHECK(never.asked == 60);
    }
    Stop stop{.after = 3};
    std::vector<std::uint8_t> in(std::size_t{8} * 16 * 16 * 3), out(in.size());
    const std::vector<Plan> plans(8, sample({}, {}, 16, 16));
    CHECK_THROWS_AS(work.engine.run(plans, {in.data(), 8, 16, 16, 3}, {out.data(), 8, 16, 16, 3},
                                    {.interrupt = {Stop::wanted, &stop}}),
                    Error);
}

TEST_CASE("what callbacks throw reaches the caller, once") {
    Work work(60, 140, 130);
    Threads threads(3);
    const Interrupt throwing{[](void*) -> bool { throw std::domain_error("mine"); }, nullptr};
    for (const Runner& runner : {Runner{}, threads.runner(), Runner{run_in_threads, nullptr}}) {
        CHECK_THROWS_AS(work.run({.runner = runner, .interrupt = throwing}), std::domain_error);
        work.reset();
        work.run({.runner = runner});
        CHECK(work.done() == 60);
    }
    const Runner refusing{[](void*, std::size_t, Runner::Task, void*) { throw std::logic_error("no threads"); },
                          nullptr};
    CHECK_THROWS_AS(work.run({.runner = refusing}), std::logic_error);
    const Runner lazy{[](void*, std::size_t count, Runner::Task task, void* tasks) {
                          for (std::size_t i = 0; i + 1 < count; i++) task(tasks, i);
                      },
                      nullptr};
    try {
        work.run({.runner = lazy});
        FAIL("it was not noticed");
    } catch (const Error& error) {
        CHECK(std::string(error.what()).find("59 of 60 tasks") != std::string::npos);
    }
}

TEST_CASE("bad tasks are refused before anything is written") {
    Work work(20, 30, 20);
    work.plans[13].mix = 2;
    Threads threads(2);
    try {
        work.run({.runner = threads.runner()});
        FAIL("it was not refused");
    } catch (const Error& error) {
        CHECK(error.status() == Status::bad_plan);
        CHECK(std::string(error.what()).starts_with("task 13: "));
    }
    CHECK(work.out == work.in);
}

#ifndef __SANITIZE_THREAD__  // it does not follow a child of several threads
TEST_CASE("a forked child goes on without the threads of its parent") {
    Work work(40, 100, 60);
    Threads threads(3);
    work.run({.runner = threads.runner()});
    for (int child = 0; child < 20; child++) {
        const pid_t pid = fork();
        if (pid == 0) {
            alarm(20);
            work.reset();
            work.run({.runner = threads.runner()});
            bool right = work.done() == 40 && threads.count() == 1;
            {
                work.reset();
                Threads own(2);
                work.run({.runner = own.runner()});
                right = right && work.done() == 40 && own.count() == 2;
            }
            threads.~Threads();  // as at the end of a program
            _exit(right ? 0 : 1);
        }
        int status = -1;
        waitpid(pid, &status, 0);
        CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
    }
}
#endif

TEST_CASE("many threads, each with a workspace of its own for one engine") {
    const Work work(12, 50, 40);
    std::atomic<int> right = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 6; t++) {
        threads.emplace_back([&, t] {
            Workspace workspace;
            reference::Image out = work.in[0];
            for (int i = 0; i < 200; i++) {
                const int k = (i + t) % 12;
                work.engine.run(work.plans[k], work.tasks[k].in, {out.pixels.data(), 50, 40, 3},
                                {.workspace = &workspace});
                right += out == work.expected[k] ? 1 : 0;
                if (i % 50 == 0) workspace.release();
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(right == 6 * 200);
}
