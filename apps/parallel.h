#pragma once

#include <cstddef>
#include <exception>
#include <mutex>

#include "halmix/runner.h"

namespace halmix::command {

/// Calls `call(i)` for i = 0, 1, ... below `count`, in this order of starting. What one of them throws, it throws when
/// all that were started are done; no further are then started.
template <typename Call>
void for_each_index(Threads& threads, std::size_t count, const Call& call) {
    struct {
        const Call& call;
        std::mutex mutex;
        std::exception_ptr failure;
    } calls{call, {}, {}};
    const auto task = [](void* state, std::size_t i) {
        auto& all = *static_cast<decltype(calls)*>(state);
        try {
            all.call(i);
            return true;
        } catch (...) {
            const std::scoped_lock lock(all.mutex);
            all.failure = std::current_exception();
            return false;
        }
    };
    const Runner runner = threads.runner();
    runner.run(runner.state, count, task, &calls);
    if (calls.failure) std::rethrow_exception(calls.failure);
}

}  // namespace halmix::command
