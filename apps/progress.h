#pragma once

#include <chrono>
#include <cstddef>
#include <mutex>
#include <string>

namespace halmix::command {

/// What the user sees on stderr while many inputs are worked on: messages, and a bar if stderr is a terminal and the
/// work takes longer than a second. The bar never stays behind. All members may be called from many threads at once.
class Progress {
 public:
    explicit Progress(std::size_t total);
    ~Progress();
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    [[nodiscard]] bool is_seen() const { return terminal_; }
    void advance();                     ///< one input more is done
    void say(const std::string& line);  ///< prints a message in a line of its own

 private:
    using Clock = std::chrono::steady_clock;

    void erase();
    void draw(Clock::time_point now);

    std::mutex mutex_;
    const std::size_t total_;
    std::size_t done_ = 0;
    const bool terminal_;
    bool drawn_ = false;
    const Clock::time_point start_ = Clock::now();
    Clock::time_point next_ = start_ + std::chrono::seconds(1);
};

}  // namespace halmix::command
