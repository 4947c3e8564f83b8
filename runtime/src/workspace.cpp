#include "workspace.h"

#include "plan/guard.h"

namespace halmix {

CpuWorkspace* Workspace::State::take() {
    const std::scoped_lock lock(mutex_);
    if (idle_.empty()) {
        idle_.reserve(others_.size() + 1);
        idle_.push_back(others_.emplace_back(std::make_unique<CpuWorkspace>()).get());
    }
    CpuWorkspace* workspace = idle_.back();
    idle_.pop_back();
    return workspace;
}

void Workspace::State::give_back(CpuWorkspace* workspace) noexcept {
    const std::scoped_lock lock(mutex_);
    idle_.push_back(workspace);
}

void Workspace::State::trim() noexcept {
    const auto trim = [&](CpuWorkspace& workspace) {
        if (workspace.bytes() > most_kept) workspace.release();
    };
    trim(own);
    for (const auto& other : others_) trim(*other);
}

void Workspace::State::release() noexcept {
    own.release();
    tasks = {};
    plans = {};
    idle_.clear();
    others_.clear();
}

std::size_t Workspace::State::bytes() const noexcept {
    std::size_t sum = own.bytes();
    for (const auto& other : others_) sum += other->bytes();
    return sum;
}

Workspace::Workspace() : state_(guarded([] { return std::make_unique<State>(); })) {}
Workspace::~Workspace() = default;
Workspace::Workspace(Workspace&& other) noexcept = default;
Workspace& Workspace::operator=(Workspace&& other) noexcept = default;

Workspace& Workspace::of_this_thread() {
    // For images of some 18 megapixels. Whoever works on larger ones in a row has time for new memory, or a workspace.
    constexpr std::size_t most_kept = std::size_t{256} << 20;
    thread_local Workspace own = [] {
        Workspace made;
        made.state().most_kept = most_kept;
        return made;
    }();
    return own;
}

void Workspace::release() noexcept { state_->release(); }

std::size_t Workspace::bytes() const noexcept { return state_->bytes(); }

}  // namespace halmix
