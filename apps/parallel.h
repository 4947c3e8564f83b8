#pragma once

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <system_error>
#include <thread>
#include <vector>

namespace halmix::command {

/// The processors this process may use.
[[nodiscard]] inline int usable_processors() {
    cpu_set_t set;
    return ::sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

/// Calls `call(i)` for i = 0, 1, ... below `count`, in this order of starting, on up to `threads` threads, this one
/// among them. `call` must not throw.
template <typename Call>
void for_each_index(std::size_t count, int threads, const Call& call) {
    std::atomic<std::size_t> next{0};
    const auto work = [&] {
        for (std::size_t i = next++; i < count; i = next++) call(i);
    };
    std::vector<std::jthread> helpers;
    try {
        while (helpers.size() + 1 < std::min<std::size_t>(static_cast<std::size_t>(threads), count)) {
            helpers.emplace_back(work);
        }
    } catch (const std::system_error&) {
        // No more threads to be had: those there are do it all.
    }
    work();
}

}  // namespace halmix::command
