#pragma once

namespace halmix::command {

/// From now on the first SIGINT, SIGTERM or SIGHUP is only noted, so that the work at hand ends without a trace;
/// a second one ends the process at once.
void catch_interrupts();

[[nodiscard]] bool interrupted() noexcept;

/// Ends the process by the signal that was noted, if one was, as if it had never been caught.
void end_if_interrupted();

}  // namespace halmix::command
