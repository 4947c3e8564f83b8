#pragma once

#include <cstddef>
#include <memory>

#include "halmix/export.h"

namespace halmix {

/// Where the work of a batch is done: the caller's threads. A function and its state, as C has them; without a function
/// the calling thread does all, one task after another.
///
/// `run(state, count, task, tasks)` calls `task(tasks, i)` once for each i below `count`, in any order, from any
/// threads and from several at once, and returns when all calls have returned. When one returns false, those that are
/// not begun may be left out. `task` throws nothing. What `run` throws reaches the caller of the batch; no call of
/// `task` may then be under way.
struct Runner {
    using Task = bool (*)(void* tasks, std::size_t index);
    using Function = void (*)(void* state, std::size_t count, Task task, void* tasks);

    Function run = nullptr;
    void* state = nullptr;
};

/// How many processors this process may use.
[[nodiscard]] HALMIX_API int usable_processors() noexcept;

/// Threads for those who have none. They stay between calls, and end with this object.
///
/// One thread at a time may use it. A child that is forked later has none of its threads and does all in the calling
/// one; it may also make Threads of its own.
class HALMIX_API Threads {
 public:
    /// `count` threads, the calling one among them; 0: as many as usable_processors. They are fewer if the
    /// system has no more to give. Throws Error: invalid_argument for a count below 0, out_of_memory.
    explicit Threads(int count = 0);
    ~Threads();
    Threads(const Threads&) = delete;
    Threads& operator=(const Threads&) = delete;

    /// How many there are, the calling one among them.
    [[nodiscard]] int count() const noexcept;

    /// Runs tasks in these threads and in the one that calls it. For as long as this object lives.
    [[nodiscard]] Runner runner() noexcept;

 private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace halmix
