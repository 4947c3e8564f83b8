#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <string>
#include <thread>
#include <vector>

#include "halmix/error.h"
#include "halmix/runner.h"
#include "plan/guard.h"

namespace halmix {

int usable_processors() noexcept {
    cpu_set_t set;
    return ::sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

struct Threads::State {
    explicit State(int size) : line(size) {
        helpers.reserve(size);
        try {
            while (--size > 0) helpers.emplace_back([this] { help(); });
        } catch (...) {  // the system has no more threads, or no memory for one
            for (; size > 0; --size) line.arrive_and_drop();
        }
    }
    ~State() {
        over = true;
        line.arrive_and_wait();
        for (std::thread& helper : helpers) helper.join();
    }
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    [[nodiscard]] bool forked() const { return ::getpid() != process; }

    void run(std::size_t how_many, Runner::Task what, void* of) {
        count = how_many;
        task = what;
        tasks = of;
        next = 0;
        if (forked() || helpers.empty() || how_many == 1) return work();
        line.arrive_and_wait();
        work();
        line.arrive_and_wait();
    }

    void work() {
        for (std::size_t i = next++; i < count; i = next++) {
            if (!task(tasks, i)) next = count;
        }
    }

    void help() {
        for (;;) {
            line.arrive_and_wait();
            if (over) return;
            work();
            line.arrive_and_wait();
        }
    }

    std::barrier<> line;  ///< where all meet before and after each call
    const pid_t process = ::getpid();
    bool over = false;
    std::size_t count = 0;
    Runner::Task task = nullptr;
    void* tasks = nullptr;
    std::atomic<std::size_t> next{0};
    std::vector<std::thread> helpers;
};

Threads::Threads(int count) {
    if (count < 0) {
        throw Error(Status::invalid_argument,
                    "threads: " + std::to_string(count) + "; allowed are whole numbers from 0 up");
    }
    const int size = std::max(count == 0 ? usable_processors() : count, 1);
    state_ = guarded([&] { return std::make_unique<State>(size); });
}

Threads::~Threads() {
    // A forked child has a copy of what its parent's threads wait at, and none of the threads.
    if (state_ && state_->forked()) static_cast<void>(state_.release());
}

int Threads::count() const noexcept { return state_->forked() ? 1 : static_cast<int>(state_->helpers.size()) + 1; }

Runner Threads::runner() noexcept {
    return {[](void* state, std::size_t count, Runner::Task task, void* tasks) {
                static_cast<State*>(state)->run(count, task, tasks);
            },
            state_.get()};
}

}  // namespace halmix
