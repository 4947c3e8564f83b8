#pragma once

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace halmix::command {

/// The processors this process may use.
[[nodiscard]] inline int usable_processors() {
    cpu_set_t set;
    return ::sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

/// Threads that share work. They stay between calls, and with them what an engine keeps for each thread.
class Team {
 public:
    /// `size` threads with this one among them, or fewer if there are no more to be had.
    explicit Team(int size) : line_(std::max(size, 1)) {
        try {
            for (; size > 1; --size) helpers_.emplace_back([this] { help(); });
        } catch (const std::system_error&) {
            for (; size > 1; --size) line_.arrive_and_drop();
        }
    }
    ~Team() {
        over_ = true;
        line_.arrive_and_wait();
    }
    Team(const Team&) = delete;
    Team& operator=(const Team&) = delete;

    /// Calls `call(i)` for i = 0, 1, ... below `count`, in this order of starting. What one of them throws, it throws
    /// when all that were started are done; no further are then started.
    void for_each_index(std::size_t count, const std::function<void(std::size_t)>& call) {
        count_ = count;
        call_ = &call;
        next_ = 0;
        line_.arrive_and_wait();
        work();
        line_.arrive_and_wait();
        if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
    }

 private:
    void help() {
        for (;;) {
            line_.arrive_and_wait();
            if (over_) return;
            work();
            line_.arrive_and_wait();
        }
    }

    void work() {
        try {
            for (std::size_t i = next_++; i < count_; i = next_++) (*call_)(i);
        } catch (...) {
            next_ = count_;
            const std::scoped_lock lock(mutex_);
            failure_ = std::current_exception();
        }
    }

    std::barrier<> line_;  ///< where all meet before and after each call
    bool over_ = false;
    std::size_t count_ = 0;
    const std::function<void(std::size_t)>* call_ = nullptr;
    std::atomic<std::size_t> next_{0};
    std::mutex mutex_;
    std::exception_ptr failure_;
    std::vector<std::jthread> helpers_;
};

}  // namespace halmix::command
