#pragma once

#include <cstddef>
#include <limits>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "cpu/cpu_engine.h"
#include "halmix/batch.h"
#include "halmix/workspace.h"

namespace halmix {

struct Workspace::State {
    CpuWorkspace own;         ///< of the thread that calls
    std::vector<Task> tasks;  ///< what a batch of one size is made of
    std::vector<Plan> plans;  ///< of a batch of the C interface, whose plans lie anywhere
    std::string message;      ///< what the C interface reports
    std::size_t most_kept = std::numeric_limits<std::size_t>::max();  ///< bytes, for an image at a time

    /// One for a thread that a runner brings. Throws std::bad_alloc.
    CpuWorkspace* take();
    void give_back(CpuWorkspace* workspace) noexcept;

    /// Gives back, of what single images have needed, all that is more than `most_kept`.
    void trim() noexcept;
    void release() noexcept;
    [[nodiscard]] std::size_t bytes() const noexcept;

 private:
    std::mutex mutex_;
    std::vector<std::unique_ptr<CpuWorkspace>> others_;
    std::vector<CpuWorkspace*> idle_;  ///< of those; there is room for all
};

}  // namespace halmix
