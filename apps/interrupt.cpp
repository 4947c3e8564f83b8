#include "interrupt.h"

#include <array>
#include <atomic>
#include <csignal>

namespace halmix::command {
namespace {

std::atomic<int> noted_signal{0};
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may use nothing else");

}  // namespace

void catch_interrupts() {
    for (const int number : std::array{SIGINT, SIGTERM, SIGHUP}) {
        struct sigaction previous {};
        sigaction(number, nullptr, &previous);
        if (previous.sa_handler == SIG_IGN) continue;  // nohup, or a job in the background
        struct sigaction action {};
        action.sa_handler = [](int received) { noted_signal = received; };
        action.sa_flags = static_cast<int>(SA_RESETHAND);
        sigaction(number, &action, nullptr);
    }
}

bool interrupted() noexcept { return noted_signal != 0; }

void end_if_interrupted() {
    if (!interrupted()) return;
    std::signal(noted_signal, SIG_DFL);
    std::raise(noted_signal);
}

}  // namespace halmix::command
