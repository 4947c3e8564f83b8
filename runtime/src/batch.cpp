#include "batch.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <string>
#include <utility>

#include "halmix/error.h"

namespace halmix {

namespace {

class BatchRun {
 public:
    BatchRun(const CpuEngine& engine, std::span<const Task> tasks, const Options& options, Workspace::State& state)
        : engine_(engine), tasks_(tasks), options_(options), state_(state), per_call_(tasks_per_call(tasks)) {}

    void here() const {
        for (const Task& task : tasks_) run(task, state_.own);
    }

    void by_runner() {
        const std::size_t calls = (tasks_.size() + per_call_ - 1) / per_call_;
        options_.runner.run(
            options_.runner.state, calls,
            [](void* self, std::size_t call) { return static_cast<BatchRun*>(self)->run_call(call); }, this);
        if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
        if (done_ == tasks_.size()) return;
        throw Error(Status::invalid_argument, "runner: it returned after " + std::to_string(done_) + " of " +
                                                  std::to_string(tasks_.size()) + " tasks; it must have all done");
    }

 private:
    /// So many that the calls of a runner, which may mean waking a thread, cost little beside them.
    static std::size_t tasks_per_call(std::span<const Task> tasks) {
        constexpr std::uint64_t pixels_per_call = 16384;
        std::uint64_t pixels = 0;
        for (const Task& task : tasks) pixels += std::uint64_t(task.in.width) * task.in.height;
        return std::max<std::size_t>(1, pixels_per_call * tasks.size() / pixels);
    }

    void run(const Task& task, CpuWorkspace& work) const {
        const Interrupt& interrupt = options_.interrupt;
        if (interrupt.wanted != nullptr && interrupt.wanted(interrupt.state)) {
            throw Error(Status::interrupted, "batch: interrupted");
        }
        engine_.run(task.plan, task.in, task.out, options_.normalization, work);
    }

    bool run_call(std::size_t call) noexcept {
        if (over_) return false;
        CpuWorkspace* work = nullptr;
        try {
            work = state_.take();
            const std::size_t first = call * per_call_, end = std::min(first + per_call_, tasks_.size());
            for (std::size_t i = first; i < end && !over_; i++) {
                run(tasks_[i], *work);
                done_++;
            }
        } catch (...) {
            const std::scoped_lock lock(mutex_);
            if (!over_.exchange(true)) failure_ = std::current_exception();
        }
        if (work != nullptr) state_.give_back(work);
        return !over_;
    }

    const CpuEngine& engine_;
    const std::span<const Task> tasks_;
    const Options& options_;
    Workspace::State& state_;
    const std::size_t per_call_;
    std::atomic<std::size_t> done_{0};
    std::atomic<bool> over_{false};
    std::mutex mutex_;
    std::exception_ptr failure_;  ///< the first
};

}  // namespace

void run_tasks(const CpuEngine& engine, std::span<const Task> tasks, const Options& options, Workspace::State& state) {
    if (tasks.empty()) return;
    BatchRun batch(engine, tasks, options, state);
    if (options.runner.run == nullptr) return batch.here();
    batch.by_runner();
}

}  // namespace halmix
