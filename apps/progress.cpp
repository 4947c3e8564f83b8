#include "progress.h"

#include <unistd.h>

#include <cstdio>

namespace halmix::command {

Progress::Progress(std::size_t total) : total_(total), terminal_(::isatty(STDERR_FILENO) != 0) {}

Progress::~Progress() { erase(); }

void Progress::advance() {
    const std::scoped_lock lock(mutex_);
    ++done_;
    const Clock::time_point now = Clock::now();
    if (terminal_ && now >= next_) draw(now);
}

void Progress::say(const std::string& line) {
    const std::scoped_lock lock(mutex_);
    erase();
    std::fprintf(stderr, "%s\n", line.c_str());
}

void Progress::erase() {
    if (drawn_) std::fputs("\r\x1b[K", stderr);
    drawn_ = false;
}

void Progress::draw(Clock::time_point now) {
    constexpr std::size_t cells = 30;
    const std::size_t filled = cells * done_ / total_;
    const double elapsed = std::chrono::duration<double>(now - start_).count();
    const double left = elapsed / static_cast<double>(done_) * static_cast<double>(total_ - done_);
    std::fprintf(stderr, "\r\x1b[K[%s%s] %zu of %zu, %.0f s left", std::string(filled, '#').c_str(),
                 std::string(cells - filled, '.').c_str(), done_, total_, left);
    std::fflush(stderr);
    drawn_ = true;
    next_ = now + std::chrono::milliseconds(100);
}

}  // namespace halmix::command
